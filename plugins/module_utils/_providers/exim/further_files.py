# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Exim's configuration has a program of root's read or run, found before any such program is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import Reference

_MACRO = re.compile(r"^\s*([A-Z][A-Za-z0-9_]*)[ \t]*==?[ \t]*(\S*)[ \t]*$", re.M)
_INCLUDE = re.compile(r"^[ \t]*\.include(?:_if_exists)?[ \t]+(.+?)[ \t]*$", re.M)
_PERL = re.compile(r"^[ \t]*perl_startup[ \t]*=.*?(/[^\s\"';)]+)", re.M)
_PASSES = 8  # macros in macros


def further_files(texts: Mapping[str, str]) -> Iterator[Reference]:
    """Files that are included, and those of the Perl that is run at the start; macros are put in."""
    macros = {match[1]: match[2] for text in texts.values() for match in _MACRO.finditer(text)}
    for path, text in texts.items():
        for rule in (_INCLUDE, _PERL):
            for match in rule.finditer(text):
                place = f"{path}:{text.count(chr(10), 0, match.start(1)) + 1}"
                found = _expanded(match[1], macros).strip('"')
                if found.startswith("/"):
                    yield Reference(found, place, follow=rule is _INCLUDE)


def _expanded(word: str, macros: Mapping[str, str]) -> str:
    for _pass in range(_PASSES):
        before = word
        for name in sorted(macros, key=len, reverse=True):
            word = word.replace(name, macros[name])
        if word == before:
            break
    return word
