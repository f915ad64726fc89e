# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line editor for Cyrus' imapd.conf (imapd.conf(5)): our options in one block at the end, every other byte stays.

An option that is there twice is fatal to every process of Cyrus. So a line of the administrator's that sets the same
as one of ours becomes a comment for as long as ours is there. All that is needed to put things back stands in the
file itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import MarkedBlock

_BLOCK = MarkedBlock(
    "# BEGIN kept by the Ansible collection postmaster.secure_channel; changes made here are lost",
    "# END kept by the Ansible collection postmaster.secure_channel",
    " (the line above had no end)",
    runs_on=True,
)
_TAKEN_OUT = "# taken out by the Ansible collection postmaster.secure_channel: "
_SPACE = " \t\n\v\f\r"
_OPTION = re.compile(r"[ \t\v\f\r]*(@?[A-Za-z0-9_-]*):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Option:
    """One option as it is written.

    Attributes:
        name: in lower case, as Cyrus takes it; ``@include`` is one too.
        value: without the white space around it.
        line: number of its first line, from 1.
    """

    name: str
    value: str
    line: int


def _split_lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _logical_lines(text: str) -> list[tuple[int, int]]:
    """First line and the line behind the last of what Cyrus takes for one line: a backslash at its end joins two."""
    found = []
    start = 0
    lines = _split_lines(text)
    for index, line in enumerate(lines):
        if not line.endswith("\\\n"):
            found.append((start, index + 1))
            start = index + 1
    if start < len(lines):
        found.append((start, len(lines)))
    return found


def _option(lines: list[str], first: int, end: int) -> Option | None:
    """The option that a logical line sets; None for a comment, a blank line, or what Cyrus will not take."""
    joined = "".join(line[:-2] if line.endswith("\\\n") else line for line in lines[first:end])
    match = _OPTION.match(joined)
    return Option(match.group(1).lower(), match.group(2).strip(_SPACE), first + 1) if match else None


def options(text: str) -> list[Option]:
    """The options of a file in their order."""
    lines = _split_lines(text)
    found = (_option(lines, first, end) for first, end in _logical_lines(text))
    return [one for one in found if one]


def included(text: str) -> list[str]:
    """The files that a file includes, where their names are absolute."""
    return [one.value for one in options(text) if one.name == "@include" and one.value.startswith("/")]


def ours(text: str) -> dict[str, str]:
    """The options in our block, by name."""
    return {one.name: one.value for one in options(_BLOCK.within(text))}


def _put_back(text: str, keep: Mapping[str, str]) -> str:
    """Our comments that hide a line made that line again, but for those whose option is still ours."""
    lines = _split_lines(text)
    for first, end in _logical_lines(text):
        if not lines[first].startswith(_TAKEN_OUT):
            continue
        bare = [lines[first][len(_TAKEN_OUT) :], *lines[first + 1 : end]]
        option = _option(bare, 0, len(bare))
        if option is None or option.name not in keep:
            lines[first] = bare[0]
    return "".join(lines)


def without(text: str, names: Mapping[str, str]) -> str:
    """A file in which no line sets one of these options any more; lines that were taken out for others are back."""
    text = _put_back(text, names)
    lines = _split_lines(text)
    for first, end in _logical_lines(text):
        option = _option(lines, first, end)
        if option and option.name in names:
            lines[first] = _TAKEN_OUT + lines[first]
    return "".join(lines)


def with_ours(text: str, settings: Mapping[str, str]) -> str:
    """imapd.conf with our block.

    Args:
        text: content of imapd.conf.
        settings: all options that must be in our block, by name in lower case; none removes it.

    Returns:
        The new content.
    """
    foreign = without(_BLOCK.removed(text), settings)
    if not settings:
        return foreign
    lines = lines_of((f"{name}: {value}" for name, value in settings.items()), "imapd.conf")
    return _BLOCK.inserted(foreign, len(foreign), lines)
