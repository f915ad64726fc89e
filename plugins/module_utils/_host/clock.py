# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's clock, which may be wrong: whoever judges a date by it has to say what it says."""

from __future__ import annotations

import time

# What verification of a certificate says where a date does not fit, X509_STORE_CTX_get_error(3).
NOT_IN_TIME = frozenset((9, 10))


def shown(moment: float | None = None) -> str:
    """A moment, or what the clock says now, as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
