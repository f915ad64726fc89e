# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only providers know daemons: no string of other code names one, its files or its programs.

A module's documentation may, and so may docstrings and comments.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.source_strings import strings_in

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
CODE = sorted(path for path in PLUGINS.rglob("*.py") if "_providers" not in path.parts)
PACKAGE = "ansible_collections.postmaster.secure_channel.plugins.module_utils._providers"
DOCUMENTATION = re.compile(r'^(DOCUMENTATION|EXAMPLES|RETURN) = r?""".*?^"""$', re.MULTILINE | re.DOTALL)
WORDS = re.compile(
    r"\b(postfix|post(conf|map|queue)|(main|master)\.cf|dovecot|dove(conf|adm)|exim4?|cyrus|imapd?\.conf|inn2?|inn\.conf"
    r"|readers\.conf|nnrpd|innd|openldap|slapd|nginx|apache2?|a2en\w+|sasldb2?|saslpasswd2?)\b",
    re.IGNORECASE,
)


def words_of_providers() -> Iterator[str]:
    """What each provider calls its daemon and its unit."""
    for path in sorted(PLUGINS.glob("module_utils/_providers/*/paths.py")):
        unit = getattr(importlib.import_module(f"{PACKAGE}.{path.parent.name}.paths"), "UNIT", None)
        yield from (path.parent.name, unit) if unit else ()


def named_in(text: str) -> list[str]:
    """The strings of a file that name a daemon."""
    return [one for one in strings_in(DOCUMENTATION.sub("", text)) if WORDS.search(one)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: "/".join(path.relative_to(PLUGINS).parts))
def test_only_providers_name_daemons(path: Path) -> None:
    assert named_in(path.read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        'remedy = "install dovecot-core"',
        'raise Problem("x", "leave it out; only Postfix can do that")',
        'remedy = f"set {option} in main.cf yourself"',
        'run(["systemctl", "reload", "slapd"])',
    ],
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert named_in(f'"""Postfix may be named here."""\nDOCUMENTATION = r"""\nx: Postfix\n"""\n{planted}\n')


@pytest.mark.parametrize("word", list(words_of_providers()))
def test_words_of_every_provider_are_looked_for(word: str) -> None:
    assert WORDS.search(word)
