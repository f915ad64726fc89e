# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of names in messages: on one line, however long they are."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 5


def several(names: Iterable[str]) -> str:
    """Names, separated by commas; of a long list only the first few, and how many more there are."""
    listed = list(names)
    if len(listed) <= _SHOWN + 1:
        return ", ".join(listed)
    return f"{', '.join(listed[:_SHOWN])} and {len(listed) - _SHOWN} others"
