# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations in the style of real ones, as data: what a host has, what is declared, and what clients then do.

A file of tests/system/corpus/configurations has these keys:

- ``what``: one sentence. ``host``: the kind of host. ``releases``: where it applies; everywhere unless given.
- ``daemons``: those that it configures; they get Debian's settings back afterwards, and are restarted.
- ``files``, ``append``: content by path, instead of what Debian has put there or after it. ``run``: shell, afterwards.
- ``flows``: what works before, and must go on working (flows.py).
- ``login``: a user that exists, whose password is tried in clear text.
- ``proxy``: ports at which clients have to send a PROXY header.
- ``declare``: calls, each ``vservers``, ``domains`` or ``accounts``. A virtual server may be a word, its protocol.
- ``refused``: where it is right to refuse it: words that the message must have.

In all text, ``@FQDN@``, ``@NAME@``, ``@ADDRESS@``, ``@ADDRESS6@``, ``@CONTROL@`` stand for what the host has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT

DIRECTORY = CHECKOUT / "tests" / "system" / "corpus" / "configurations"
RELEASES = ("bookworm", "trixie")
CONTROL, CONTROL6 = "10.88.0.1", "fd88::1"
USER, PASSWORD = "alice", "Secret-Of-Alice"
# How each kind of declaration is handed to its module.
MODULES = {"vservers": "mail_vserver_tls", "domains": "mail_domain_security", "accounts": "mail_relay_account"}
KEYS = {"vservers": ("protocol", "name"), "domains": ("domain",), "accounts": ("name",)}


@dataclass(frozen=True)
class Call:
    """One call of a module: its name and its arguments."""

    module: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """One of them, for one host."""

    name: str
    host: Host
    about: Mapping[str, Any]

    @property
    def daemons(self) -> Sequence[str]:
        """The daemons that it configures."""
        found: Sequence[str] = self.about["daemons"]
        return found

    @property
    def login(self) -> Mapping[str, str]:
        """Whose password is tried in clear text."""
        return {"user": USER, "password": PASSWORD, **self.about.get("login", {})}

    @property
    def flows(self) -> Sequence[Mapping[str, Any]]:
        """What works."""
        found: Sequence[Mapping[str, Any]] = self.about.get("flows", ())
        return found

    @property
    def proxied(self) -> frozenset[int]:
        """Ports behind a load balancer."""
        return frozenset(self.about.get("proxy", ()))

    @property
    def refused(self) -> str:
        """Words of the message where it is right to refuse."""
        return str(self.about.get("refused", ""))

    @property
    def vservers(self) -> Sequence[Mapping[str, Any]]:
        """All virtual servers that are declared."""
        return [one for call in self.declared for one in call.arguments.get("vservers", ())]

    @property
    def declared(self) -> Sequence[Call]:
        """The calls."""
        return [_call(one) for one in self.about["declare"]]

    @property
    def withdrawn(self) -> Sequence[Call]:
        """The calls that undo them."""
        calls = []
        for call in reversed(self.declared):
            kind = next(one for one in MODULES if MODULES[one] == call.module)
            objects = [
                {**{key: one[key] for key in KEYS[kind] if key in one}, "state": "absent"}
                for one in call.arguments[kind]
            ]
            calls.append(Call(call.module, {kind: objects}))
        return calls


def _call(given: Mapping[str, Any]) -> Call:
    (kind,) = set(given) & set(MODULES)
    arguments = dict(given)
    if kind == "vservers":
        arguments[kind] = [_vserver({"protocol": one} if isinstance(one, str) else one) for one in given[kind]]
    return Call(MODULES[kind], arguments)


def _vserver(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """With what is usual where nothing is said: clear text is refused, but for mail from other servers."""
    usual = vserver(given["protocol"])
    return {**usual, "require_secure_channel": given["protocol"] != "smtp", **given}


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace(word, meaning)
        return value
    if isinstance(value, dict):
        return {_filled(key, words): _filled(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, words) for one in value]
    return value


def filled(about: Mapping[str, Any], host: Host) -> Mapping[str, Any]:
    """With the words of a host."""
    found: Mapping[str, Any] = _filled(
        about,
        {
            "@FQDN@": host.fqdn,
            "@NAME@": host.name,
            "@ADDRESS@": host.address,
            "@ADDRESS6@": address6(host),
            "@CONTROL@": CONTROL,
        },
    )
    return found


def address6(host: Host) -> str:
    """The host's IPv6 address."""
    return f"fd88::{host.address.rpartition('.')[2]}"


@dataclass(frozen=True)
class Source:
    """A file with a configuration."""

    path: Path

    @property
    def name(self) -> str:
        """How it is called."""
        return self.path.stem

    def about(self) -> Mapping[str, Any]:
        """What is in it."""
        found: Mapping[str, Any] = yaml.safe_load(self.path.read_text())
        return found

    def on(self, host: Host) -> Configuration:
        """For one host."""
        return Configuration(self.name, host, filled(self.about(), host))


def sources() -> Sequence[Source]:
    """All of them."""
    return [Source(path) for path in sorted(DIRECTORY.glob("*.yml"))]
