# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that stay within their line of a configuration file.

Options cannot bring in others, since each has a kind (see _strings.py). This is asked once more where a file's text is
made, whatever a value comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

_END = re.compile(r"[\0\r\n]")


def within_a_line(value: str, place: str) -> str:
    """The value itself, when it has no end of a line in it.

    Args:
        value: the value, which may be secret.
        place: the file or the setting that it is for.

    Raises:
        Problem: it would write more than its own line.
    """
    if _END.search(value):
        raise Problem(
            f"a value for {place} has a line break in it (it is not shown)",
            "remove the line break; it would add a line of its own to the file",
            option=place,
        )
    return value


def lines_of(lines: Iterable[str], place: str) -> str:
    """Text of a file, one line each.

    Raises:
        Problem: one of them has more than one line.
    """
    return "".join(f"{within_a_line(line, place)}\n" for line in lines)
