# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option inbound of mail_domain_security, parsed. Contradictions are refused here."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, InboundRequirement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name


def parse_inbound(
    given: Mapping[str, Any] | None, domain: str, fingerprint: Callable[[str, str], str]
) -> InboundRequirement | None:
    """What incoming sessions of a partner must use; None for no requirement.

    Args:
        given: the option.
        domain: the partner's domain.
        fingerprint: returns a digest in the form in which it is stored.

    Raises:
        Problem: the options contradict each other.
    """
    if given is None:
        return None
    subject = f"domain {domain}"
    if domain == EVERYTHING:
        raise Problem(
            "this option cannot refuse clear text from everybody",
            "use mail_vserver_tls with require_secure_channel instead, or name the domains",
            subject=subject,
            option="inbound",
        )
    if not given["required"]:
        if given["addresses"] or given["certificate_fingerprints"]:
            raise Problem(
                "addresses or certificates are given, but TLS is not required",
                "set inbound.required to true, or leave the others out",
                subject=subject,
                option="inbound",
            )
        return None
    networks, hosts = set(), set()
    for one in given["addresses"] or ():
        text = one.strip()
        if _looks_numeric(text):
            networks.add(_network(text, subject))
        else:
            hosts.add(_host(text, subject))
    digests = (fingerprint(one, subject) for one in given["certificate_fingerprints"] or ())
    return InboundRequirement(tuple(sorted(networks)), tuple(sorted(hosts)), tuple(sorted(set(digests))))


def _looks_numeric(text: str) -> bool:
    return ":" in text or "/" in text or text.replace(".", "").isdigit()


def _network(text: str, subject: str) -> str:
    try:
        found = ipaddress.ip_network(text)
    except ValueError as exc:
        raise Problem(
            f"{text!r} is neither an address nor a network ({exc})",
            "give addresses such as 192.0.2.1, or networks such as 192.0.2.0/24 and 2001:db8::/32",
            subject=subject,
            option="inbound",
        ) from exc
    if not found.prefixlen:
        raise Problem(
            f"{text} includes every address",
            "give the partner's own networks; to refuse clear text from everybody, use mail_vserver_tls with"
            " require_secure_channel",
            subject=subject,
            option="inbound",
        )
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def _host(text: str, subject: str) -> str:
    below = text.startswith(".")
    try:
        name = ascii_name(text[1:] if below else text, "inbound")
    except Problem as exc:
        raise exc.about(subject=subject) from exc
    if name.startswith("*."):
        below, name = True, name[2:]
    return f".{name}" if below else name
