# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of mail_domain_security, parsed into policies. Contradictions are refused here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.inbound_options import parse_inbound
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    EVERYTHING,
    DomainPolicy,
    SaslAccount,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name

DEFAULT_STRENGTH = "intermediate"
SUBMISSIONS_PORT = 465
_SHA256_DIGITS = 64


def parse(element: Mapping[str, Any]) -> DomainPolicy:
    """One object of the module as a policy.

    Raises:
        Problem: the options contradict each other.
    """
    domain = _domain(element["domain"])
    subject = f"domain {domain}"
    implicit = element["implicit_tls"]
    policy = DomainPolicy(
        domain=domain,
        tls=element["tls"],
        match=tuple(_pattern(one, subject) for one in element["match"] or ()),
        fingerprints=tuple(fingerprint(one, subject) for one in element["fingerprints"] or ()),
        subdomains=element["subdomains"],
        relay_host=_host(element["relay_host"] or "", "relay_host", subject),
        relay_port=element["relay_port"],
        implicit_tls=element["relay_port"] == SUBMISSIONS_PORT if implicit is None else implicit,
        servername=_host(element["servername"] or "", "servername", subject),
        account=_account(element, subject),
        keep_password=element["update_password"] in ("on_create",),
        auth_cleartext=element["auth_cleartext"],
        strength=element["strength"] or DEFAULT_STRENGTH,
        require_128_bit=element["require_128_bit"],
        inbound=parse_inbound(element["inbound"], domain, fingerprint),
        present=element["state"] == "present",
    )
    if element["strength"]:
        _refuse_idle_strength(policy)
    for check in (_check_scope, _check_peer, _check_servername, _check_account, _check_relay, _check_keys):
        check(policy)
    return policy


def _domain(given: str) -> str:
    if given.strip() == EVERYTHING:
        return EVERYTHING
    try:
        return ascii_name(given, "domain")
    except Problem as exc:
        raise exc.about(subject=f"domain {given}") from exc


def _host(given: str, option: str, subject: str) -> str:
    """A host's name or address in the form in which it is kept, however it is written."""
    bare = re.sub(r"^\[(?:ipv6:)?(.*)\]$", r"\1", given.strip(), flags=re.IGNORECASE)
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if re.fullmatch(r"[A-Za-z0-9._-]*", bare):  # names in private networks may have what others must not have
        return bare.lower().removesuffix(".")
    if re.search(r"[\[\]:]", bare):
        raise Problem(
            f"{given!r} is not a host name or an address",
            "give it without brackets and without a port",
            subject=subject,
            option=option,
        )
    try:
        return ascii_name(bare, option)
    except Problem as exc:
        raise exc.about(subject=subject) from exc


def _pattern(given: str, subject: str) -> str:
    """A name that a certificate may have; a leading full stop stands for all names below."""
    below = "." if given.strip().startswith(".") else ""
    return below + _host(given.strip().removeprefix("."), "match", subject)


def fingerprint(given: str, subject: str) -> str:
    """A SHA-256 digest in upper case, with a colon after every two digits.

    Args:
        given: with or without colons, in either case, with or without ``sha256:`` in front.
        subject: the object that it belongs to, for messages.

    Raises:
        Problem: it is no such digest.
    """
    digits = re.sub(r"(?i)^sha-?256[:=]", "", re.sub(r"\s", "", given)).replace(":", "").upper()
    if len(digits) != _SHA256_DIGITS or not re.fullmatch("[0-9A-F]+", digits):
        raise Problem(
            f"{given!r} is not a SHA-256 fingerprint",
            "give its 64 hexadecimal digits, as 'openssl x509 -noout -fingerprint -sha256' prints them",
            subject=subject,
            option="fingerprints",
        )
    return ":".join(digits[start : start + 2] for start in range(0, _SHA256_DIGITS, 2))


def _account(element: Mapping[str, Any], subject: str) -> SaslAccount | None:
    username, password = element["username"], element["password"]
    if username is None and password is None:
        return None
    if username is None or password is None:
        missing = "username" if username is None else "password"
        raise Problem(
            f"the account has no {missing}",
            "give both; a blank password is given as an empty string",
            subject=subject,
            option=missing,
        )
    if not username or ":" in username or re.search(r"[\r\n\0]", username) or username != username.strip():
        raise Problem(
            "the user name is empty, contains a colon or a line break, or has white space around it",
            "give the name exactly as the other server has it",
            subject=subject,
            option="username",
        )
    if re.search(r"[\r\n\0]", password) or password != password.strip():
        raise Problem(
            "the password contains a line break or has white space around it, which a lookup table cannot store",
            "choose another password",
            subject=subject,
            option="password",
        )
    return SaslAccount(username, password)


def _check_scope(policy: DomainPolicy) -> None:
    """Which mail it applies to."""
    if policy.domain.startswith("*.") or (policy.domain != EVERYTHING and "*" in policy.domain):
        raise Problem(
            f"{policy.domain} is a pattern, not a domain",
            "name the domain and set subdomains; '*' alone means all outgoing mail",
            subject=policy.title,
            option="domain",
        )
    if policy.domain == EVERYTHING and policy.subdomains:
        raise Problem(
            "all outgoing mail has no subdomains", "leave subdomains out", subject=policy.title, option="subdomains"
        )


def _check_peer(policy: DomainPolicy) -> None:
    """What the peer must show."""
    if policy.match and policy.tls not in ("verify", "secure"):
        raise Problem(
            f"match is given, but the level {policy.tls} does not check the peer's name",
            "set tls to secure or verify, or leave match out",
            subject=policy.title,
            option="match",
        )
    if any(not re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in policy.match):
        raise Problem(
            f"not all of these are host names: {', '.join(policy.match)}",
            "give host names, or a domain with a leading full stop for all names below it",
            subject=policy.title,
            option="match",
        )
    if bool(policy.fingerprints) != (policy.tls == "fingerprint") and policy.present:
        raise Problem(
            "fingerprints and tls=fingerprint only work together",
            "give both, or choose another level",
            subject=policy.title,
            option="fingerprints",
        )


def _refuse_idle_strength(policy: DomainPolicy) -> None:
    """Raise Problem where a strength is given by name, and would count for nothing."""
    if policy.present and not policy.encrypted:
        raise Problem(
            f"strength is given, but the level {policy.tls} does not demand TLS",
            "set tls to encrypt or a stricter level, or leave strength out",
            subject=policy.title,
            option="strength",
        )


def _check_keys(policy: DomainPolicy) -> None:
    """How long the peer's keys must be."""
    if policy.present and policy.require_128_bit and policy.tls not in ("verify", "secure"):
        raise Problem(
            f"require_128_bit is given, but the level {policy.tls} does not look at the length of the peer's keys",
            "set tls to secure or verify, or leave require_128_bit out",
            subject=policy.title,
            option="require_128_bit",
        )


def _check_servername(policy: DomainPolicy) -> None:
    """Which name the peer is told."""
    if policy.servername and policy.tls in ("none", "dane", "dane-only"):
        why = (
            "there is no TLS in which to tell it" if policy.tls == "none" else "DANE tells the name of the TLSA records"
        )
        raise Problem(
            f"servername is given, but at the level {policy.tls} {why}",
            "leave servername out, or choose another level",
            subject=policy.title,
            option="servername",
        )


def _check_account(policy: DomainPolicy) -> None:
    """How the password travels."""
    if policy.auth_cleartext and not policy.account and policy.present:
        raise Problem(
            "there is no account to log in with",
            "give username and password, or leave auth_cleartext out",
            subject=policy.title,
            option="auth_cleartext",
        )
    if not policy.account or policy.encrypted:
        return
    if not policy.auth_cleartext:
        raise Problem(
            f"at the level {policy.tls} the account's password could be sent in clear text",
            "set tls to encrypt or a stricter level, or allow it with auth_cleartext",
            subject=policy.title,
            option="tls",
        )
    if not policy.relay_host:
        raise Problem(
            "a password is sent in clear text only to a host that is named",
            "give relay_host",
            subject=policy.title,
            option="relay_host",
        )


def _check_relay(policy: DomainPolicy) -> None:
    """Which host takes the mail, and how it is spoken to."""
    if not policy.relay_host and (policy.relay_port != 25 or policy.implicit_tls):
        raise Problem(
            "relay_port or implicit_tls is given without a host",
            "give relay_host as well",
            subject=policy.title,
            option="relay_port",
        )
    if not 1 <= policy.relay_port <= 65535:
        raise Problem(
            f"{policy.relay_port} is not a TCP port",
            "give a number from 1 to 65535, such as 587",
            subject=policy.title,
            option="relay_port",
        )
    if policy.implicit_tls and not policy.encrypted and policy.present:
        raise Problem(
            f"TLS starts at once on port {policy.relay_port}, so the level {policy.tls} makes no sense",
            "set tls to encrypt or a stricter level, or use port 587 or 25",
            subject=policy.title,
            option="tls",
        )
