# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our files that were written for an earlier release of Dovecot, put into the language of the installed one.

An upgrade leaves them as they are where nothing waited beside them (see next_language.py), as after release 0.3.0 of
this collection. Dovecot does not start with them, nor does it show any settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    LANGUAGES,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import (
    parse,
    render,
)

_NAMED = "local_name "


def translated(text: str, language: Language) -> str:
    """A file of ours in a language; the same text where it has nothing of an earlier one.

    Args:
        text: the file.
        language: what the installed version speaks.

    Raises:
        Problem: these are no settings.
    """
    own = next(number for number, one in LANGUAGES.items() if one is language)
    settings = parse(text)
    for former in (LANGUAGES[number] for number in sorted(LANGUAGES) if number < own):
        other = _block(settings, former, language)
        if other != settings or (list(other) != list(settings)):
            heading = "".join(takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))
            return heading + render(other)
    return text


def _block(settings: Mapping[str, Any], former: Language, language: Language) -> dict[str, Any]:
    """The settings of a block, and of those within it."""
    found: dict[str, Any] = {}
    accounts = former.accounts("")
    for name, value in _ordered(settings, former, language):
        if isinstance(value, Mapping):
            if name in accounts and _is_accounts(value, former):
                found.update(language.accounts(_path_of_accounts(value, former)))
            else:
                found[name] = _block(value, former, language)
        else:
            found.update([_setting(name, value, former, language)])
    return found


def _ordered(settings: Mapping[str, Any], former: Language, language: Language) -> Iterator[tuple[str, Any]]:
    """In the order in which the blocks for names count as they did."""
    items = list(settings.items())
    if former.later_counts is language.later_counts:
        yield from items
        return
    # a wildcard must not count in place of a single name that it covers
    named = [one for one in items if one[0].startswith(_NAMED)]
    named.sort(key=lambda one: one[0].startswith(f"{_NAMED}*") is not language.later_counts)
    for one in items:
        yield named.pop(0) if one[0].startswith(_NAMED) else one


def _setting(name: str, value: str, former: Language, language: Language) -> tuple[str, str]:
    """One setting."""
    files = {
        former.certificate: language.certificate,
        former.key: language.key,
        former.alternative_certificate: language.alternative_certificate,
        former.alternative_key: language.alternative_key,
    }
    if name in files:
        path = value[len(former.file.format("")) :] if value else ""
        return files[name], language.file.format(path) if path else ""
    if (name, value) == former.server_preference:
        return language.server_preference
    setting, refused, taken = former.clear_text
    if name == setting and value in (refused, taken):
        return language.clear_text[0], language.clear_text[1 if value == refused else 2]
    if name == former.listen:
        return language.listen, ", ".join(value.split())
    return name, value


def _is_accounts(block: Mapping[str, Any], former: Language) -> bool:
    """Whether a block is ours that names a file of accounts."""
    path = _path_of_accounts(block, former)
    return bool(path) and block == next(iter(former.accounts(path).values()))


def _path_of_accounts(block: Mapping[str, Any], former: Language) -> str:
    for name, value in former.password_file[1]:
        before, placeholder, after = value.partition("{}")
        found = str(block.get(name, ""))
        if placeholder and found.startswith(before) and found.endswith(after):
            return found[len(before) : len(found) - len(after)]
    return ""
