# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How strong TLS must be: named strengths, taken from one published guideline.

Source: the TLSRef guideline 6.0 (2026-04-06), which continues Mozilla's "Server Side TLS". Its profile "old"
ended with 5.7; ``legacy`` keeps the ciphers of that profile that have at least 128 bits, and no protocol
version below TLS 1.2 (RFC 8996). No strength names a cipher below 128 bits, an anonymous one or one without
encryption.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary

GUIDELINE = "TLSRef 6.0 (2026-04-06)"

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
# A hybrid group came to OpenSSL with 3.5; an older library refuses a whole list that names it.
_HYBRID_GROUP = "X25519MLKEM768"
_HYBRID_SINCE = (3, 5)
_GROUPS = ("X25519", "prime256v1", "secp384r1")


@dataclass(frozen=True)
class Strength:
    """The TLS floor of a virtual server.

    Attributes:
        name: ``modern``, ``intermediate`` or ``legacy``.
        minimum: lowest TLS version accepted, ``1.2`` or ``1.3``.
        ciphers: TLS 1.2 cipher suites by their OpenSSL names, empty where TLS 1.2 is not spoken.
    """

    name: str
    minimum: str
    ciphers: tuple[str, ...]

    def groups(self, library: TlsLibrary) -> tuple[str, ...]:
        """Key exchange groups that the host's library really has, the preferred one first."""
        if library.name == "OpenSSL" and library.version >= _HYBRID_SINCE:
            return (_HYBRID_GROUP, *_GROUPS)
        return _GROUPS


STRENGTHS: dict[str, Strength] = {
    strength.name: strength
    for strength in (
        Strength("modern", "1.3", ()),
        Strength("intermediate", "1.2", _ECDHE_AEAD),
        Strength("legacy", "1.2", _ECDHE_AEAD + _OLDER),
    )
}

__all__ = ("GUIDELINE", "STRENGTHS", "Strength")
