# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/etc/default/slapd, a file in the shell's language: the variables with which Debian's unit starts slapd."""

from __future__ import annotations

import re


def assigned(text: str, name: str) -> str:
    """The value of a variable; empty where it is not set."""
    found = _assignments(text, name)
    return found[-1][3] if found else ""


def line_of(text: str, name: str) -> str | None:
    """The whole line that sets a variable; None where none does."""
    found = _assignments(text, name)
    return found[-1][0] if found else None


def with_line(text: str, name: str, line: str | None) -> str:
    """The file with another line in place of the one that sets a variable; None to remove it."""
    found = _assignments(text, name)
    if not found:
        return text if line is None else f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
    start, end = found[-1].span()
    if line is None:
        return text[:start] + text[end:].removeprefix("\n")
    return text[:start] + line + text[end:]


def _assignments(text: str, name: str) -> list[re.Match[str]]:
    pattern = rf"""^[ \t]*((?:export[ \t]+)?{name})=(["']?)(.*?)\2[ \t]*(?:#.*)?$"""
    return list(re.finditer(pattern, text, re.MULTILINE))
