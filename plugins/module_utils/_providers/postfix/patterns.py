# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pattern of regexp_table(5) or pcre_table(5) can fit, as far as it can be told without trying all texts."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?:\\[^A-Za-z0-9]|[A-Za-z0-9_@-])*\Z")


def may_end_in(pattern: str, ending: str) -> bool:
    """Whether a pattern may fit a text with an ending; in doubt it may.

    Args:
        pattern: with the signs around it, and ``!`` before it where it is negated.
        ending: in lower case.
    """
    inner = pattern[1:-1]
    if pattern.startswith("!") or "|" in inner or not inner.endswith("$") or inner.endswith("\\$"):
        return True
    match = _PLAIN.search(inner[:-1])
    fixed = re.sub(r"\\(.)", r"\1", match[0] if match else "").lower()
    return fixed.endswith(ending) or ending.endswith(fixed)
