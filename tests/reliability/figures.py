# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures: what was counted, of how many, and what it should be. Printed as a table, and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        part: the part of the program that has counted.
        what: what was counted.
        found: how many there were.
        of: among how many.
        wanted: how many there should be; None where the figure only tells.
        examples: some of those that were found, in words.
        least: how many there must be at least for the figures beside it to mean anything.
    """

    part: str
    what: str
    found: int
    of: int
    wanted: int | None = 0
    examples: Sequence[str] = field(default_factory=tuple)
    least: int = 0

    @property
    def right(self) -> bool:
        """Whether it is as it should be, and something was looked at."""
        if self.wanted is None:
            return self.found >= self.least
        return self.found == self.wanted and self.of > 0


def table(figures: Sequence[Figure]) -> str:
    """All figures as text."""
    rows = [("part", "what", "found", "of", "wanted", "")]
    rows += [
        (
            one.part,
            one.what,
            str(one.found),
            str(one.of),
            "" if one.wanted is None else str(one.wanted),
            "" if one.right else "WRONG",
        )
        for one in figures
    ]
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    right = (2, 3, 4)
    lines = [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def details(figures: Sequence[Figure]) -> str:
    """Examples of what is wrong."""
    lines = []
    for one in figures:
        if one.examples and not one.right:
            lines.append(f"{one.part}: {one.what}:")
            lines += [f"  {example}" for example in one.examples[:10]]
    return "\n".join(lines)


def save(figures: Sequence[Figure], directory: Path, about: str) -> None:
    """Keep them as text and as JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "figures.txt").write_text(f"{about}\n\n{table(figures)}\n\n{details(figures)}\n")
    content = {"about": about, "figures": [{**asdict(one), "right": one.right} for one in figures]}
    (directory / "figures.json").write_text(json.dumps(content, indent=1))
