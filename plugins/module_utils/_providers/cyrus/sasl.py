# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SASL mechanisms as the Cyrus SASL library offers them (cyrus-sasl.org, "Options" and "Authentication Mechanisms")."""

from __future__ import annotations

import glob
import os

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import (
    GSSAPI_PACKAGE,
    OTP_PACKAGE,
    PLUGIN,
    PLUGIN_PACKAGE,
)

PLAIN_TEXT = frozenset({"PLAIN", "LOGIN"})  # hand over the password itself
# Mechanisms that can encrypt what follows by themselves.
LAYERED = frozenset({"DIGEST-MD5", "GSSAPI", "GSS-SPNEGO", "SRP"})

# Mechanisms by the plug-in that brings them, and the package of the plug-in.
_BROUGHT_BY = {
    "anonymous": (("ANONYMOUS",), PLUGIN_PACKAGE),
    "crammd5": (("CRAM-MD5",), PLUGIN_PACKAGE),
    "digestmd5": (("DIGEST-MD5",), PLUGIN_PACKAGE),
    "gs2": (("GS2-KRB5", "GS2-IAKERB"), GSSAPI_PACKAGE),
    "gssapiv2": (("GSSAPI", "GSS-SPNEGO"), GSSAPI_PACKAGE),
    "login": (("LOGIN",), PLUGIN_PACKAGE),
    "ntlm": (("NTLM",), PLUGIN_PACKAGE),
    "otp": (("OTP",), OTP_PACKAGE),
    "plain": (("PLAIN",), PLUGIN_PACKAGE),
    "scram": (
        ("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
        PLUGIN_PACKAGE,
    ),
    "srp": (("SRP",), PLUGIN_PACKAGE),
}


def installed() -> frozenset[str]:
    """The mechanisms whose plug-ins are on this host."""
    stems = {os.path.basename(path)[len("lib") : -len(".so")] for path in glob.glob(PLUGIN.format("*"))}
    return frozenset(name for stem in stems for name in _BROUGHT_BY.get(stem, ((), ""))[0])


def package_of(mechanism: str) -> str:
    """The package that brings a mechanism, empty where none is known."""
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


def login_options(vserver: Vserver, listed: frozenset[str] | None) -> dict[str, str]:
    """The options of imapd.conf that say how users may log in, and when.

    Args:
        vserver: what is desired.
        listed: the mechanisms that are set now; None where none are.

    Raises:
        Problem: Cyrus cannot offer just these.
    """
    settings = {} if vserver.auth_tls is None else {"sasl_mech_list": " ".join(vserver.auth_tls)}
    if not vserver.auth_clear:
        # with tls_required nothing is taken before TLS; allowplaintext then only tells whether that was demanded
        settings["tls_required"] = "yes"
        settings["allowplaintext"] = "no" if vserver.require_secure_channel else "yes"
        return settings
    settings["tls_required"] = "no"
    settings["allowplaintext"] = "yes" if _plain_text_in_clear(vserver, listed) else "no"
    settings["sasl_minimum_layer"] = "0"
    if vserver.protocol == "pop3":
        settings["allowapop"] = "no"  # a login of POP3's own that nobody asked for
    return settings


def _plain_text_in_clear(vserver: Vserver, listed: frozenset[str] | None) -> bool:
    """Whether passwords as they are are among what is offered before TLS. Raises Problem where that cannot be had."""
    mechanisms = listed if vserver.auth_tls is None else frozenset(vserver.auth_tls)
    if mechanisms is None:
        raise Problem(
            "Cyrus has a single list of mechanisms for use before and inside TLS, and it is not set",
            "give auth_tls as well",
            subject=vserver.title,
            option="auth_tls",
        )
    if "ANONYMOUS" in mechanisms:
        raise Problem(
            "in Cyrus, ANONYMOUS is switched by allowanonymouslogin, not by the list of mechanisms",
            "leave ANONYMOUS out",
            subject=vserver.title,
            option="auth_clear",
        )
    asked, rest = frozenset(vserver.auth_clear), mechanisms - PLAIN_TEXT
    if asked == rest:
        return False
    if asked == mechanisms:
        return True
    allowed = " or ".join(", ".join(sorted(some)) for some in (mechanisms, rest) if some)
    raise Problem(
        "except for PLAIN and LOGIN, Cyrus offers the same mechanisms before TLS as inside it",
        f"set auth_clear to {allowed}, or leave it out",
        subject=vserver.title,
        option="auth_clear",
    )
