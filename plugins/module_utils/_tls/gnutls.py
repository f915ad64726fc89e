# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strength as a priority string for GnuTLS (GnuTLS manual, section "Priority strings")."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    STRENGTHS,
    Strength,
)

# Behind a list: keys of certificates with less than 128 bits of security are refused where certificates are verified.
LEAST_128_BITS = "%PROFILE_HIGH"
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
# What a list of somebody else's may allow, and no strength does, or not every one. SRP is left out: newer versions do
# not know the word, and nobody can use it without accounts for it.
_OTHERS = (
    *("VERS-SSL3.0", "VERS-TLS1.0", "VERS-TLS1.1", "VERS-TLS1.2"),
    *("RSA", "DHE-RSA", "DHE-DSS", "PSK", "RSA-PSK", "DHE-PSK", "ECDHE-PSK"),
    *("ANON-DH", "ANON-ECDH", "NULL", "ARCFOUR-128", "3DES-CBC", "AES-128-CBC", "AES-192-CBC", "AES-256-CBC"),
    *("AES-128-CCM", "AES-256-CCM", "AES-128-CCM-8", "AES-256-CCM-8", "CAMELLIA-128-CBC", "CAMELLIA-192-CBC"),
    *("CAMELLIA-256-CBC", "CAMELLIA-128-GCM", "CAMELLIA-256-GCM", "MD5", "SHA1", "SHA256", "SHA384"),
    *("GROUP-SECP192R1", "GROUP-SECP224R1", "GROUP-SECP521R1", "GROUP-X448"),
)
# lists that begin with one of these are without the weakest cipher that every strength has
_WITHOUT_128_BITS = ("SECURE192", "SECURE256", "SUITEB192")


def _words(strength: Strength) -> list[str]:
    """All that a strength allows."""
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
    return list(dict.fromkeys(words))


def _without(words: Collection[str]) -> tuple[str, ...]:
    """What SIGN-ALL includes, and a strength does not mean."""
    return () if "SHA1" in words else _SHA1_SIGNATURES


def priorities(strength: Strength) -> str:
    """The priority string of a strength. It starts from NONE, so that no default of the library remains.

    GnuTLS combines key exchange, cipher and MAC freely, so ``legacy`` also allows suites that the guideline does not
    name; none is weaker than one that it does.
    """
    words = _words(strength)
    return ":".join(["NONE", *(f"+{word}" for word in words), *(f"-{word}" for word in _without(words))])


def _held(strength: Strength) -> str:
    """What is taken out of a list of somebody else's, so that no more is left than a strength allows."""
    words = _words(strength)
    return "".join(f":-{word}" for word in (*(one for one in _OTHERS if one not in words), *_without(words)))


def within(strength: Strength, own: str) -> str:
    """The priority string for all that both a strength and a list of somebody else's allow.

    Args:
        strength: the strength.
        own: the other list; empty for none.
    """
    ours = priorities(strength)
    return f"{own}{_held(strength)}" if own and own != ours else ours


def holds_to(strength: Strength, words: str) -> bool:
    """Whether a priority string is that of a strength, or the one of both it and another list."""
    return words == priorities(strength) or words.endswith(_held(strength))


def barred(strength: Strength, own: str) -> list[str]:
    """What a strength allows and a list of somebody else's does not, in GnuTLS' words."""
    allowed = _words(strength)
    first, *rest = own.upper().split(":")
    found = set(allowed) if first == "NONE" else {"AES-128-GCM"} if first in _WITHOUT_128_BITS else set[str]()
    for word in rest:
        some = {one for one in allowed if _means(word[1:], one)}
        found = found - some if word[:1] == "+" else found | some if word[:1] in ("-", "!") else found
    return sorted(found - {"COMP-NULL", "CTYPE-X509"})


def _means(word: str, one: str) -> bool:
    """Whether a word stands for an algorithm, by itself or with all of its kind."""
    kinds = {
        "VERS-ALL": one.startswith("VERS-"),
        "VERS-TLS-ALL": one.startswith("VERS-"),
        "GROUP-ALL": one.startswith("GROUP-"),
        "KX-ALL": one in _KEY_EXCHANGES.values(),
        "CIPHER-ALL": one in {cipher for cipher, _mac in _CIPHERS.values()},
        "MAC-ALL": one in {mac for _cipher, mac in _CIPHERS.values()},
    }
    return kinds.get(word, word == one)


def strength_of(words: str) -> Strength:
    """The strength that a priority string of ours is of, of whatever release; where none fits, the strictest that may.

    Only what it allows in TLS 1.2 counts: other releases of this collection may write the rest in another way.
    """
    if allows_only_tls13(words):
        return STRENGTHS[MODERN]
    fitting = (one for one in STRENGTHS.values() if one.ciphers and holds_to(one, words))
    plain = STRENGTHS["legacy"] if "+RSA" in words.upper().split(":") else STRENGTHS["intermediate"]
    return next(fitting, plain)


def allows_only_tls13(words: str) -> bool:
    """Whether a priority string of somebody's allows TLS 1.3 and no older version."""
    first, *rest = words.upper().split(":")
    every = {f"VERS-TLS1.{number}" for number in range(4)}
    found = set() if first == "NONE" else set(every)
    for word in rest:
        some = every if word[1:] in ("VERS-ALL", "VERS-TLS-ALL") else {word[1:]} & every
        found = found | some if word[:1] == "+" else found - some
    return found == {"VERS-TLS1.3"}
