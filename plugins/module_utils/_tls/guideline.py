# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The published guideline behind the strengths, as data. A new edition replaces this file's content.

Source: the TLSRef guideline 6.0 (2026-04-06), which continues Mozilla's "Server Side TLS". Its profile "old" ended with
5.7; ``legacy`` keeps the ciphers of that profile that have at least 128 bits, and no protocol version below TLS 1.2
(RFC 8996). No strength names a cipher below 128 bits, an anonymous one or one without encryption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "TLSRef"
VERSION = "6.0"
DATE = "2026-04-06"
GUIDELINE = f"{NAME} {VERSION} ({DATE})"

_ECDHE_AEAD = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_OLDER = (
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
)
# The cipher suites of TLS 1.3, which all strengths have.
TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
# Key exchange groups, the preferred one first, and the version of OpenSSL that introduced the newer ones: a library
# refuses a whole list if it does not know one of them.
GROUPS = ("X25519MLKEM768", "X25519", "prime256v1", "secp384r1")
GROUPS_SINCE: Mapping[str, tuple[int, ...]] = {"X25519MLKEM768": (3, 5)}

# For each strength, the strictest first, the lowest version of TLS, the cipher suites of TLS 1.2 by their OpenSSL
# names, and the oldest clients that can still connect. The order counts: of several that fit, the first is taken.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "modern": {
        "minimum": "1.3",
        "ciphers": (),
        "oldest_clients": (
            "Firefox 63",
            "Chrome 70",
            "Safari 12.1",
            "Edge 75",
            "Android 10",
            "Java 11",
            "OpenSSL 1.1.1",
        ),
    },
    "intermediate": {
        "minimum": "1.2",
        "ciphers": _ECDHE_AEAD,
        "oldest_clients": (
            "Firefox 27",
            "Chrome 31",
            "Safari 9",
            "Edge 12",
            "Internet Explorer 11 on Windows 7",
            "Android 4.4.2",
            "Java 8u31",
            "OpenSSL 1.0.1",
        ),
    },
    "legacy": {
        "minimum": "1.2",
        "ciphers": _ECDHE_AEAD + _OLDER,
        "oldest_clients": (
            "Firefox 27",
            "Chrome 30",
            "Safari 7",
            "Internet Explorer 11 on Windows 7",
            "Android 4.4",
            "Java 8",
            "OpenSSL 1.0.1",
        ),
    },
}
