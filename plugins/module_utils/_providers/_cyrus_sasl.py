# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SASL mechanisms as the Cyrus SASL library offers them (cyrus-sasl.org, "Options" and "Authentication Mechanisms")."""

from __future__ import annotations

import glob
import os

PLUGINS = "/usr/lib/*/sasl2/lib*.so"
PLAIN_TEXT = frozenset({"PLAIN", "LOGIN"})  # hand over the password itself
# Mechanisms that can encrypt what follows by themselves.
LAYERED = frozenset({"DIGEST-MD5", "GSSAPI", "GSS-SPNEGO", "SRP"})

# Mechanism by the plug-in that brings it, and the Debian package of the plug-in.
_BROUGHT_BY = {
    "anonymous": (("ANONYMOUS",), "libsasl2-modules"),
    "crammd5": (("CRAM-MD5",), "libsasl2-modules"),
    "digestmd5": (("DIGEST-MD5",), "libsasl2-modules"),
    "gs2": (("GS2-KRB5", "GS2-IAKERB"), "libsasl2-modules-gssapi-mit"),
    "gssapiv2": (("GSSAPI", "GSS-SPNEGO"), "libsasl2-modules-gssapi-mit"),
    "login": (("LOGIN",), "libsasl2-modules"),
    "ntlm": (("NTLM",), "libsasl2-modules"),
    "otp": (("OTP",), "libsasl2-modules-otp"),
    "plain": (("PLAIN",), "libsasl2-modules"),
    "scram": (
        ("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
        "libsasl2-modules",
    ),
    "srp": (("SRP",), "libsasl2-modules"),
}


def installed() -> frozenset[str]:
    """The mechanisms whose plug-ins are on this host."""
    stems = {os.path.basename(path)[len("lib") : -len(".so")] for path in glob.glob(PLUGINS)}
    return frozenset(name for stem in stems for name in _BROUGHT_BY.get(stem, ((), ""))[0])


def package_of(mechanism: str) -> str:
    """The Debian package that brings a mechanism, empty where none is known."""
    return next((package for names, package in _BROUGHT_BY.values() if mechanism in names), "")


def offered_in_clear(mechanisms: frozenset[str], *, plain_text: bool, anonymous: bool, layer: int) -> frozenset[str]:
    """What of a list is offered before TLS, where nothing is said to the contrary.

    Args:
        mechanisms: the list.
        plain_text: whether passwords may be sent as they are.
        anonymous: whether logins without a name are allowed.
        layer: least strength of encryption in bits.
    """
    found = mechanisms if plain_text else mechanisms - PLAIN_TEXT
    if not anonymous:
        found -= {"ANONYMOUS"}
    return found & LAYERED if layer else found
