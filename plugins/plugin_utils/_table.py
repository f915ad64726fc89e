# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables that filters give to people, as lines of equal columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of text, the heading first. Each column is as wide as its widest cell; two spaces lie between columns.

    What a cell says may come from a server or a certificate, so that a terminal must not obey it.
    """
    cells = [tuple(one_line(str(cell)) for cell in row) for row in (heading, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
