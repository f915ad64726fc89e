# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between two virtual servers."""

from __future__ import annotations

from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import strictest


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


def loosened(before: Vserver | None, after: Vserver) -> list[str]:
    """What the declaration lets go of, in words.

    Args:
        before: as it was found; None where it was absent.
        after: as it is desired.
    """
    if before is None:
        return []
    found = []
    if before.require_secure_channel and not after.require_secure_channel:
        found.append("use without TLS is no longer refused")
    if before.strength and strictest((before.strength, after.strength)) != after.strength:
        found.append(f"strength goes from {before.strength} to {after.strength}")
    more = sorted(set(after.auth_clear) - set(before.auth_clear))
    if more:
        found.append(f"logins before TLS are taken with {', '.join(more)}")
    return found


def _shown(value: Any) -> str:
    if value == "":
        return "none of ours"
    if isinstance(value, list):
        words = (f"{one['name']} {one['certificate']}" if isinstance(one, dict) else str(one) for one in value)
        return ", ".join(words) or "none"
    return str(value)
