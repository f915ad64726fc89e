# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line editor for Postfix' main.cf (postconf(5)): changes what it must, keeps every other byte.

``postconf -e`` is not used: it rewrites the file even where nothing differs, normalises lines, replaces a
symbolic link by a file and resets owner and mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    SPACE,
    continues,
    is_comment,
    split_lines,
)

_ASSIGNMENT = re.compile(r"([A-Za-z0-9_]+)\s*=", re.ASCII)


@dataclass(frozen=True)
class Assignment:
    """What main.cf says of a parameter.

    Attributes:
        value: the value, its lines joined.
        line: number of its first line, the first one of the file being 1.
    """

    value: str
    line: int


def _last_assignment(lines: list[str], name: str) -> tuple[int, int]:
    """Index of the first line of the last assignment to a parameter, and of the line behind it; (-1, -1) if none."""
    found = (-1, -1)
    for index, line in enumerate(lines):
        if continues(line) or is_comment(line):
            continue
        match = _ASSIGNMENT.match(line)
        if match and match.group(1) == name:
            end = index + 1
            for behind in range(index + 1, len(lines)):
                if is_comment(lines[behind]):
                    continue
                if not continues(lines[behind]):
                    break
                end = behind + 1
            found = (index, end)
    return found


def assign(text: str, settings: Mapping[str, str]) -> str:
    """Set parameters.

    The last assignment to a parameter is the one that counts (postconf(5)), so that is the one that is changed;
    comments inside a value of several lines stay. A parameter that is not there is added at the end.

    Args:
        text: content of main.cf.
        settings: values by parameter name.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    for name, value in settings.items():
        written = f"{name} = {within_a_line(value, name)}".rstrip() + "\n"
        first, end = _last_assignment(lines, name)
        if first < 0:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(written)
        else:
            lines[first:end] = [written, *(line for line in lines[first + 1 : end] if is_comment(line))]
    return "".join(lines)


def _assignments(lines: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Every assignment: the parameter, the index of its first line, and its lines without comments."""
    name, start = "", 0
    value: list[str] = []
    for index, line in enumerate(lines):
        if is_comment(line):
            continue
        if continues(line):
            value.append(line)
            continue
        if name:
            yield name, start, value
        match = _ASSIGNMENT.match(line)
        name, start = (match.group(1) if match else ""), index
        value = [line[match.end() :]] if match else []
    if name:
        yield name, start, value


def assignments(text: str) -> dict[str, Assignment]:
    """The assignments that count, by parameter: of two, the last one."""
    found = _assignments(split_lines(text))
    return {
        name: Assignment(" ".join(line.strip(SPACE) for line in value).strip(SPACE), index + 1)
        for name, index, value in found
    }


def written(text: str, name: str) -> str | None:
    """The lines of the assignment to a parameter that counts, as they stand there; None where there is none."""
    lines = split_lines(text)
    first, end = _last_assignment(lines, name)
    return None if first < 0 else "".join(lines[first:end])


def restore(text: str, saved: Mapping[str, str | None]) -> str:
    """Put assignments back as written() has found them before assign() changed them.

    Args:
        text: content of main.cf.
        saved: the lines by parameter name; None takes the assignment away.

    Returns:
        The new content.
    """
    lines = split_lines(text)
    for name, original in saved.items():
        first, end = _last_assignment(lines, name)
        old = split_lines(original or "")
        if first < 0:
            first = end = len(lines)
            if old and lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
        else:
            kept = [line for line in old[1:] if is_comment(line)]  # assign() has left these behind the new line
            if lines[first + 1 : first + 1 + len(kept)] == kept:
                end = max(end, first + 1 + len(kept))
        lines[first:end] = old
    return "".join(lines)
