# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/etc/default/slapd, a file in the shell's language: the variables with which Debian's unit starts slapd."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANKS = re.compile(r"[ \t]*")


@dataclass(frozen=True)
class _Assignment:
    """A line that sets the variable: where it is, and the value."""

    start: int
    end: int
    value: str


def assigned(text: str, name: str) -> str:
    """The value of a variable; empty where it is not set."""
    found = _assignments(text, name)
    return found[-1].value if found else ""


def line_of(text: str, name: str) -> str | None:
    """The whole line that sets a variable; None where none does."""
    found = _assignments(text, name)
    return text[found[-1].start : found[-1].end] if found else None


def with_line(text: str, name: str, line: str | None) -> str:
    """The file with another line in place of the one that sets a variable; None to remove it."""
    found = _assignments(text, name)
    if not found:
        return text if line is None else f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
    start, end = found[-1].start, found[-1].end
    if line is None:
        return text[:start] + text[end:].removeprefix("\n")
    return text[:start] + line + text[end:]


def _assignments(text: str, name: str) -> list[_Assignment]:
    begins = re.compile(rf"^[ \t]*(?:export[ \t]+)?{name}=([^\n]*)", re.MULTILINE)
    return [_Assignment(match.start(), match.end(), _value(match[1])) for match in begins.finditer(text)]


def _value(written: str) -> str:
    """What a line assigns: up to the quotation mark behind which there is nothing or a comment, or to the comment."""
    quote = written[:1]
    if quote in ("'", '"'):
        for closing in re.finditer(quote, written[1:]):
            behind = _BLANKS.match(written, closing.end() + 1)
            if behind and written[behind.end() : behind.end() + 1] in ("", "#"):
                return written[1 : closing.end()]
    return written.partition("#")[0].rstrip(" \t")
