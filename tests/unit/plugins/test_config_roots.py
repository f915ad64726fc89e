# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every provider says who can write its configuration, and runs no program on it as anybody who trusts that user."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import programs
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot, user_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import registry
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import DAEMONS, provider_of

PROVIDERS = tuple(map(provider_of, DAEMONS))
PACKAGES = Path(__file__).resolve().parents[3] / "plugins" / "module_utils" / "_providers"
# Programs that read nothing a daemon's user can write. ldapsearch and ldapmodify ask the running daemon.
INDEPENDENT = {"getent", "ip", "ldd", "openssl", "slapd -VV", "ss", "systemctl", "self.argv"}


class Stock(Host):
    """A host on which slapd has its own user, as packages set it up."""

    def __init__(self) -> None:
        pass

    def read(self, _path: str) -> bytes | None:
        return b'SLAPD_USER="openldap"\n'


def declared(kind: type[Provider]) -> tuple[ConfigRoot, ...]:
    """What a provider declares."""
    host = Stock()
    return kind(host, Store(host, "/etc/postmaster")).config_roots


def queries_as_root(package: str, source: str) -> Iterator[str]:
    """Programs that a provider's code runs as root to learn something, as far as they may read configuration."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "query":
            words = _words(node.args[0]) if node.args else ""
            if not any(words == one or words.startswith(f"{one} ") for one in INDEPENDENT) and not any(
                one.arg == "user" for one in node.keywords
            ):
                yield f"{package}: {words}"


def _words(argv: ast.expr) -> str:
    """The beginning of a command line."""
    if isinstance(argv, ast.Call):
        return ast.unparse(argv.func)
    if not isinstance(argv, ast.List):
        return ast.unparse(argv)
    return " ".join(str(one.value) if isinstance(one, ast.Constant) else ast.unparse(one) for one in argv.elts)


@pytest.mark.parametrize("kind", PROVIDERS, ids=lambda kind: kind.name)
def test_every_provider_declares_its_configuration(kind: type[Provider]) -> None:
    roots = declared(kind)
    assert roots
    assert all(one.path.startswith("/") for one in roots)
    assert user_of(roots) or all(one.configuration for one in roots)


def test_one_that_does_not_cannot_be_made() -> None:
    methods = Provider.__abstractmethods__ - {"config_roots"}
    kind = type("Undeclared", (Provider,), dict.fromkeys(methods, lambda *_args: None))
    assert inspect.isabstract(kind)
    assert vars(kind)["__abstractmethods__"] == {"config_roots"}


@pytest.mark.parametrize("kind", [one for one in PROVIDERS if user_of(declared(one))], ids=lambda kind: kind.name)
def test_nothing_is_read_as_root_that_the_daemons_user_can_write(kind: type[Provider]) -> None:
    found = [
        one
        for path in sorted((PACKAGES / kind.name).glob("*.py"))
        for one in queries_as_root(path.name, path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ('self.host.query(["slapcat", "-n0"])', ["x: slapcat -n0"]),
        ('self.host.query(["slapcat", "-n0"], user=self.account[0])', []),
        ('self._host.query([f"{TOOLS}/inncheck"])', ["x: f'{TOOLS}/inncheck'"]),
        ('self.host.query(["systemctl", "stop"])', []),
        ('host.query(self.argv("ldapsearch"))', []),
        ("host.query(argv)", ["x: argv"]),
    ],
)
def test_a_planted_one_is_found(planted: str, found: list[str]) -> None:
    assert list(queries_as_root("x", planted)) == found


def test_no_program_runs_before_its_provider_is_known_to_be_roots(tmp_path: Path, monkeypatch) -> None:
    ran: list[list[str]] = []

    def run(argv: list[str], *_how: object) -> tuple[int, bytes, bytes]:
        ran.append(argv)
        return 0, b"", b""

    monkeypatch.setattr(programs, "run", run)

    kind = next(one for one in PROVIDERS if not user_of(declared(one)))
    monkeypatch.setattr(kind, "config_roots", (ConfigRoot(str(tmp_path)),))
    for one in DAEMONS:
        there = one.name == kind.name
        monkeypatch.setattr(one, "installed", classmethod(lambda _cls, _host, there=there: there))
    host = Host()
    (provider,) = registry.installed_providers(host, Store(host, str(tmp_path / "store"))).values()
    tmp_path.chmod(0o777)
    for _time in range(2):
        with pytest.raises(Problem, match="can be written by everybody"):
            provider.host.query(["true"])
    assert ran == []
    provider.host.query(["systemctl", "is-active", "x"])  # whether it runs can be said nevertheless
    tmp_path.chmod(0o700)
    provider.host.query(["true"])
    assert ran[1:] == [["true"]]
