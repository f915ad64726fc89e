# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DNS records in the form in which all filters give them, and in which modules for DNS take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def record(name: str, kind: str, values: Iterable[str]) -> dict[str, Any]:
    """One set of records.

    Args:
        name: its full name, without a final full stop.
        kind: its type, such as ``TXT``.
        values: one for each record; duplicates are dropped.
    """
    return {"name": name, "type": kind, "values": list(dict.fromkeys(values))}
