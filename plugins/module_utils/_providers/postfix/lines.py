# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line is to Postfix (postconf(5), master(5)). Python's own idea of lines and white space is wider."""

from __future__ import annotations

import re

SPACE = " \t\n\v\f\r"


def split_lines(text: str) -> list[str]:
    """The lines with their ends. Only a line feed ends a line; a form feed, say, may stand within one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def is_comment(line: str) -> bool:
    """Blank and comment lines belong to no setting, not even between a setting's own lines."""
    bare = line.strip(SPACE)
    return not bare or bare.startswith("#")


def continues(line: str) -> bool:
    """Whether a line goes on with the setting above it."""
    return line[:1] in SPACE


def split_words(text: str, separators: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end; separators between balanced braces are part of a word."""
    found = []
    start, depth = -1, 0
    for index, character in enumerate(text):
        if depth == 0 and character in separators:
            if start >= 0:
                found.append((start, index))
            start = -1
            continue
        if start < 0:
            start = index
        if character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
    if start >= 0:
        found.append((start, len(text)))
    return found
