# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A strength as what a list of cipher suites must be without, for daemons that are told what to leave out.

Words are those of openssl-ciphers(1). A word that a version of OpenSSL does not know takes nothing out and is no error.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import Strength

# What no strength has, by class.
_NEVER = (
    *("aNULL", "eNULL", "PSK", "SRP", "aDSS", "MD5", "RC4", "DES", "3DES", "SEED", "IDEA"),
    *("CAMELLIA", "ARIA", "AESCCM"),
)
# Classes that a strength may have, each with what tells its suites by their names. SHA256 and SHA384 stand for the
# suites with that MAC, not for those with authenticated encryption.
_CLASSES = {
    "kRSA": re.compile(r"AES"),
    "kDHE": re.compile(r"DHE-"),
    "kECDHE": re.compile(r"ECDHE-"),
    "SHA1": re.compile(r".*AES(128|256)-SHA$"),
    "SHA256": re.compile(r".*AES(128|256)-SHA256$"),
    "SHA384": re.compile(r".*AES(128|256)-SHA384$"),
}
_ECDHE = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
_ECDHE_CBC = ("AES128-SHA256", "AES128-SHA", "AES256-SHA384", "AES256-SHA")
_CBC = ("AES128-SHA256", "AES128-SHA", "AES256-SHA256", "AES256-SHA")
# All suites of OpenSSL that are in none of the classes above that no strength has.
SUITES = (
    *(f"ECDHE-{key}-{rest}" for key in ("ECDSA", "RSA") for rest in (*_ECDHE, *_ECDHE_CBC)),
    *(f"DHE-RSA-{rest}" for rest in (*_ECDHE, *_CBC)),
    *("AES128-GCM-SHA256", "AES256-GCM-SHA384", *_CBC),
)


def exclusions(strength: Strength) -> tuple[str, ...]:
    """What to take out of any list of OpenSSL's, so that of TLS 1.2 only what a strength allows is left.

    Nothing where it does not allow TLS 1.2: the suites of TLS 1.3 are in no such list.
    """
    if not strength.ciphers:
        return ()
    classes = {word: pattern for word, pattern in _CLASSES.items() if not any(map(pattern.match, strength.ciphers))}
    single = (
        one
        for one in SUITES
        if one not in strength.ciphers and not any(pattern.match(one) for pattern in classes.values())
    )
    return (*_NEVER, *classes, *single)


def leave_no_more(words: Collection[str], others: Collection[str]) -> bool:
    """Whether a list without some words has no suite that it has without some others.

    Words that no strength is made of count as they are: the others must not have any that the first ones lack.
    """
    single = {*_NEVER, *SUITES}
    left, more = (single.difference(*map(_meant_by, some)) for some in (words, others))
    return left <= more and set(others) - single - set(_CLASSES) <= set(words)


def _meant_by(word: str) -> set[str]:
    """What a word takes out: itself, and the suites of the class that it stands for."""
    pattern = _CLASSES.get(word)
    return {word, *(one for one in SUITES if pattern and pattern.match(one))}
