# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for messages: always one line, however long a list or strange a string is."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

_SHOWN = 5


def several(names: Iterable[str]) -> str:
    """Names as a list; of many only the first few, and how many more there are."""
    listed = list(names)
    if len(listed) <= _SHOWN + 1:
        return ", ".join(listed)
    return f"{', '.join(listed[:_SHOWN])} and {len(listed) - _SHOWN} others"


def like(word: str, pattern: str) -> bool:
    """Whether a word is one that a shell's pattern stands for; a pattern that is none stands for nothing."""
    try:
        return fnmatch.fnmatchcase(word, pattern)
    except re.error:  # a range such as [z-a], which fnmatch hands to re in Python 3.9
        return False


def printable(text: str) -> str:
    """Text from outside, made fit for one line of a message."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown if len(shown) <= 200 else shown[:200] + "…"
