# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths, units, packages and users of the distribution are in _host/platform.py and each provider's paths.py alone."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.source_strings import strings_in

MODULE_UTILS = Path(__file__).resolve().parents[4] / "plugins" / "module_utils"
PACKAGE = "ansible_collections.postmaster.secure_channel.plugins.module_utils."
SEAM = frozenset({MODULE_UTILS / "_host" / "platform.py", *MODULE_UTILS.glob("_providers/*/paths.py")})
# nginx and Apache share web, which knows neither
PROVIDERS = sorted({path.parent.name for path in MODULE_UTILS.glob("_providers/*/provider.py")} - {"web"})
# what Linux and HTTP have everywhere
EVERYWHERE = re.compile(r"/dev/(fd|null)\b|/\.well-known/")
PATH = re.compile(r"(?<![\w.}*)\]])/(etc|usr|var|run|lib|bin|sbin|opt|srv|root|home)\b")
UNIT = re.compile(r"[a-z0-9][a-z0-9-]*@?-?\.(service|socket|target)\b")
INSTALLING = re.compile(r"\b(apt|apt-get|dpkg)\b|\bDebian\b")


def constants() -> Iterator[str]:
    """All strings among the constants of the seam."""
    for path in sorted(SEAM):
        name = ".".join(path.relative_to(MODULE_UTILS).with_suffix("").parts)
        for constant, value in vars(importlib.import_module(PACKAGE + name)).items():
            if constant.isupper():
                found = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
                yield from (one for one in found if isinstance(one, str))


# Packages and users, but for those that are named like a program.
NAMES = {one for one in constants() if re.fullmatch(r"[A-Za-z]+[0-9]*(-[a-z0-9]+)+", one)} | {"news"}
NAME = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, sorted(NAMES, reverse=True)))})(?![\w./-])")


def found_in(text: str) -> list[str]:
    """The strings of a file that know something of the distribution."""
    patterns = (PATH, UNIT, INSTALLING, NAME)
    rests = {one: EVERYWHERE.sub("", one) for one in strings_in(text)}
    return [one for one, rest in rests.items() if any(pattern.search(rest) for pattern in patterns)]


@pytest.mark.parametrize("path", sorted(set(MODULE_UTILS.rglob("*.py")) - SEAM), ids=lambda path: path.name)
def test_only_the_seam_knows_the_distribution(path: Path) -> None:
    assert found_in(path.read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        'MAIN = "/etc/postfix/main.cf"',
        'remedy = f"look into {log} and /var/log/mail.log"',
        '["systemctl", "restart", "postfix@-.service"]',
        'remedy = f"install it (Debian: apt install {name})"',
        'remedy = "install dovecot-core"',
        'key_permissions = ("root", "Debian-exim", 0o640)',
        'group = "news"',
        'PLUGINS = "/usr/lib/*/sasl2"',
    ],
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert found_in(f'"""Docs may say /etc/postfix."""\n# and comments /etc\n{planted}\n')


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_has_its_paths(name: str) -> None:
    assert MODULE_UTILS / "_providers" / name / "paths.py" in SEAM
