# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between two virtual servers."""

from __future__ import annotations

from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver


def differences(before: Vserver | None, after: Vserver) -> list[str]:
    """What changes from one to the other, in words.

    Args:
        before: as it was found; None where it was absent.
        after: as it is desired; what is None in it is left to the daemon.
    """
    if before is None:
        return ["absent -> present"]
    old, new = before.as_result(), after.as_result()
    return [
        f"{key}: {_shown(old[key])} -> {_shown(new[key])}"
        for key in new
        if old[key] != new[key] and new[key] is not None
    ]


def _shown(value: Any) -> str:
    if value == "":
        return "none of ours"
    if isinstance(value, list):
        words = (f"{one['name']} {one['certificate']}" if isinstance(one, dict) else str(one) for one in value)
        return ", ".join(words) or "none"
    return str(value)
