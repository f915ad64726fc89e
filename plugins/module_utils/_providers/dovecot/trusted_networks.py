# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks whose clients Dovecot trusts. It takes what comes over loopback for secure: that never leaves the host."""

from __future__ import annotations

import ipaddress
import re


def is_loopback(networks: str) -> bool:
    """Whether a value names nothing but loopback addresses; what is not understood is not taken for one."""
    return all(_within_loopback(one) for one in re.split(r"[\s,]+", networks) if one)


def _within_loopback(word: str) -> bool:
    try:
        return ipaddress.ip_network(word, strict=False).is_loopback
    except ValueError:
        return False
