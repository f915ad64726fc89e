# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of two values of a setting demands more."""

from __future__ import annotations

# Settings, the option that decides each, and their values from the least to the most.
OPTIONS = {"ssl": "require_secure_channel", "ssl_min_protocol": "strength"}
AT_MOST = {"ssl": "true", "ssl_min_protocol": "modern"}  # what the option says for the last of them
_ORDER = {
    "ssl": ("no", "yes", "required"),
    "ssl_min_protocol": ("ANY", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
}
_NEWEST = "LATEST"  # whatever OpenSSL has


def demands_more(name: str, value: str, than: str) -> bool:
    """Whether one value of a setting demands more than another one; a value that is not known does not."""
    order = _ORDER[name]
    one, other = (order[-1] if each == _NEWEST else each for each in (value, than))
    return one in order and other in order and order.index(one) > order.index(other)


def is_modern(minimum: str) -> bool:
    """Whether a value of ssl_min_protocol allows TLS 1.3 alone."""
    return minimum in ("TLSv1.3", _NEWEST)
