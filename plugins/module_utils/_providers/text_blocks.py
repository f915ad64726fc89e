# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of ours in configuration files: the notice at the top of a file, and a marked block in a file of others."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOTICE = "kept by the Ansible collection postmaster.secure_channel; changes made here are lost."


def heading(what: str = "") -> str:
    """The comment at the top of a file, or a block, that is ours alone.

    Args:
        what: what it is for, such as ``http/default``; empty to leave that out.
    """
    return f"# {what}: {_NOTICE}\n" if what else f"# K{_NOTICE[1:]}\n"


@dataclass(frozen=True)
class _Place:
    """Where a block is, from one offset up to another, and what it says."""

    start: int
    end: int
    note: str
    lines: str


@dataclass(frozen=True)
class MarkedBlock:
    """Lines of ours between two marks, in a file whose other bytes all stay as they are.

    Attributes:
        begin: the line that begins it; a note can follow the mark there.
        end: the line that ends it.
        unended: the note that says that the line before the block had no line feed.
        runs_on: whether a block whose end is missing goes on to the end of the file; else it is not seen as a block.
    """

    begin: str
    end: str
    unended: str
    runs_on: bool = False

    def _found(self, text: str) -> list[_Place]:
        """The blocks in a text; each mark is looked at once."""
        marks = re.compile(rf"^(?:{re.escape(self.begin)}([^\n]*)\n|{re.escape(self.end)}(?:\n|\Z))", re.MULTILINE)
        found: list[_Place] = []
        begun: re.Match[str] | None = None
        for mark in marks.finditer(text):
            if mark[1] is None and begun is not None:
                found.append(_Place(begun.start(), mark.end(), begun[1], text[begun.end() : mark.start()]))
                begun = None
            elif mark[1] is not None and begun is None:
                begun = mark
        if begun is not None and self.runs_on:
            found.append(_Place(begun.start(), len(text), begun[1], text[begun.end() :]))
        return found

    def within(self, text: str) -> str:
        """The lines in the block; empty where there is none."""
        found = self._found(text)
        return found[0].lines if found else ""

    def note(self, text: str) -> str | None:
        """The note on the block's first line; None where there is no block."""
        found = self._found(text)
        return found[0].note if found else None

    def inserted(self, text: str, at: int, lines: str, note: str = "") -> str:
        """A text with a block in it.

        Args:
            text: the text.
            at: the offset at which the block is to be, the beginning of a line or the end of the text.
            lines: what is to be between the marks.
            note: a note of the caller's, which gives way to the one on a missing line feed.
        """
        before, after = text[:at], text[at:]
        if before and not before.endswith("\n"):
            before, note = f"{before}\n", self.unended
        return f"{before}{self.begin}{note}\n{lines}{self.end}\n{after}"

    def removed(self, text: str) -> str:
        """A text without any such block: inserted() undone, byte for byte, with whatever has been added since."""
        kept: list[str] = []
        behind = 0
        for place in self._found(text):
            before = text[behind : place.start]
            if place.note == self.unended and place.end == len(text):
                before = before[:-1]
            kept.append(before)
            behind = place.end
        return "".join((*kept, text[behind:]))
