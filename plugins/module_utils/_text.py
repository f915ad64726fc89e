# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for messages and results: always one line, however long a list or strange a string is.

What comes from outside, such as a greeting, a certificate or a program's output, may hold characters that a terminal or
a page obeys instead of showing them. These are escaped.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

LONGEST_LINE = 1000  # characters of a message
_SHOWN = 5
_LONGEST_QUOTE = 200
# Control characters, DEL among them; soft hyphen; marks, embeddings, overrides and isolates of direction, which show a
# text in another order than it has; characters of no width; ends of lines and paragraphs; halves of surrogate pairs
# (also bytes that are no UTF-8); tags.
_COMMANDS = (
    r"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
COMMAND = re.compile(f"[{_COMMANDS}]")
_COMMAND_IN_A_BLOCK = re.compile(rf"(?![\n\t])[{_COMMANDS}]")


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


def escaped(text: str, *, block: bool = False) -> str:
    """A text without characters that a terminal or a page would obey.

    Args:
        text: the text.
        block: whether it may have several lines, and tabs.
    """
    return (_COMMAND_IN_A_BLOCK if block else COMMAND).sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, most: int = LONGEST_LINE) -> str:
    """A text as one line of bounded length, without characters that a terminal or a page would obey.

    What is too long loses its middle: a message begins with what it is about, and ends with what to do.
    """
    shown = escaped(text)
    if len(shown) <= most:
        return shown
    kept = most // 3
    return f"{shown[: most - kept - 1]}…{shown[-kept:]}"


def printable(text: str) -> str:
    """Text from outside, made fit for a part of one line of a message."""
    return one_line(text, _LONGEST_QUOTE + 1)


def harmless(value: Any, blocks: Collection[str] = ()) -> Any:
    """Plain data in which every string, keys too, is free of characters that a terminal or a page would obey.

    Args:
        value: strings, numbers, lists and dictionaries.
        blocks: keys below which a string may have several lines.
    """
    return _harmless(value, frozenset(blocks), block=False)


def _harmless(value: Any, blocks: frozenset[str], *, block: bool) -> Any:
    if isinstance(value, str):
        return escaped(value, block=block)
    if isinstance(value, bytes):
        return escaped(value.decode("utf-8", "surrogateescape"), block=block)
    if isinstance(value, Mapping):
        return {
            escaped(key) if isinstance(key, str) else key: _harmless(one, blocks, block=block or key in blocks)
            for key, one in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_harmless(one, blocks, block=block) for one in value]
    return value
