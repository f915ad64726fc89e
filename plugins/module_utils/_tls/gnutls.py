# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strength as a priority string for GnuTLS (GnuTLS manual, section "Priority strings")."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

_KEY_EXCHANGES = {
    "ECDHE-ECDSA": "ECDHE-ECDSA",
    "ECDHE-RSA": "ECDHE-RSA",
    "DHE-RSA": "DHE-RSA",
    "": "RSA",
}
# the rest of an OpenSSL name, with the cipher and the MAC that it means
_CIPHERS = {
    "AES128-GCM-SHA256": ("AES-128-GCM", "AEAD"),
    "AES256-GCM-SHA384": ("AES-256-GCM", "AEAD"),
    "CHACHA20-POLY1305": ("CHACHA20-POLY1305", "AEAD"),
    "AES128-SHA256": ("AES-128-CBC", "SHA256"),
    "AES128-SHA": ("AES-128-CBC", "SHA1"),
    "AES256-SHA384": ("AES-256-CBC", "SHA384"),
    "AES256-SHA256": ("AES-256-CBC", "SHA256"),
    "AES256-SHA": ("AES-256-CBC", "SHA1"),
}
_TLS13 = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")
# SIGN-ALL includes these, which no guideline without SHA-1 suites means.
_SHA1_SIGNATURES = ("SIGN-RSA-SHA1", "SIGN-ECDSA-SHA1")
_GROUPS = ("GROUP-X25519", "GROUP-SECP256R1", "GROUP-SECP384R1")


def priorities(strength: Strength) -> str:
    """The priority string of a strength. It starts from NONE, so that no default of the library remains.

    GnuTLS combines key exchange, cipher and MAC freely, so ``legacy`` also allows suites that the guideline does not
    name; none is weaker than one that it does.
    """
    exchanges: list[str] = []
    ciphers: list[str] = list(_TLS13)
    macs: list[str] = ["AEAD"]
    for suite in strength.ciphers:
        prefix = next(one for one in _KEY_EXCHANGES if suite.startswith(one))
        cipher, mac = _CIPHERS[suite[len(prefix) :].lstrip("-")]
        exchanges.append(_KEY_EXCHANGES[prefix])
        ciphers.append(cipher)
        macs.append(mac)
    versions = ["VERS-TLS1.3", *(["VERS-TLS1.2"] if strength.ciphers else [])]
    words = [*versions, *exchanges, *ciphers, *macs, "SIGN-ALL", *_GROUPS, "COMP-NULL", "CTYPE-X509"]
    without = () if "SHA1" in macs else _SHA1_SIGNATURES
    return ":".join(["NONE", *(f"+{word}" for word in dict.fromkeys(words)), *(f"-{word}" for word in without)])


def allows_only_tls13(words: str) -> bool:
    """Whether a priority string of somebody's allows TLS 1.3 and no older version."""
    first, *rest = words.upper().split(":")
    every = {f"VERS-TLS1.{number}" for number in range(4)}
    found = set() if first == "NONE" else set(every)
    for word in rest:
        some = every if word[1:] in ("VERS-ALL", "VERS-TLS-ALL") else {word[1:]} & every
        found = found | some if word[:1] == "+" else found - some
    return found == {"VERS-TLS1.3"}
