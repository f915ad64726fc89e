# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of mail_vserver_tls, parsed into the model. Nothing here looks at the host."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS, Protocol

DEFAULT = "default"
DEFAULT_STRENGTH = "intermediate"
_WEAKENING = ("require_secure_channel", "strength")  # options that could let go of what stands
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # it becomes part of file names
_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")  # RFC 4422 section 3.1
_LAST_PORT = 65535


def parse(element: Mapping[str, Any]) -> Vserver:
    """One object of the module as a virtual server.

    Raises:
        Problem: the options contradict each other.
    """
    subject = f"virtual server {element['protocol']}/{element['name']}"
    try:
        vserver = _parsed(element)
        if vserver.present:
            _refuse_contradictions(vserver, strangers_may_be_refused=element["refuse_strangers_in_clear"])
    except Problem as exc:
        raise exc.about(subject=subject) from exc
    return vserver


def _parsed(element: Mapping[str, Any]) -> Vserver:
    protocol = PROTOCOLS[element["protocol"]]
    name = element["name"]
    if not _NAME.fullmatch(name):
        raise Problem(
            f"{name!r} is not a valid name",
            "use at most 63 letters, digits, full stops, hyphens and underscores, beginning with a letter or a digit",
            option="name",
        )
    port, implicit = element["port"], element["implicit_tls_port"]
    if port is None and name != DEFAULT and protocol.starttls:
        port = protocol.port
    return Vserver(
        protocol=protocol.name,
        name=name,
        certificate=element["certificate"] or "",
        alternative_certificate=element["alternative_certificate"] or "",
        sni=_sni(element["sni"] or ()),
        require_secure_channel=bool(element["require_secure_channel"]),
        strength=element["strength"] or DEFAULT_STRENGTH,
        addresses=_addresses(element["addresses"] or ()),
        port=port,
        implicit_tls_port=protocol.implicit_tls_port if implicit is None else implicit,
        auth_clear=_mechanisms(element["auth_clear"] or (), "auth_clear"),
        auth_tls=None if element["auth_tls"] is None else _mechanisms(element["auth_tls"], "auth_tls"),
        present=element["state"] == "present",
        provider="" if element["provider"] == "auto" else element["provider"],
        require_128_bit=element["require_128_bit"],
        server_names=tuple(dict.fromkeys(ascii_name(one, "server_names") for one in element["server_names"] or ())),
        left_out=frozenset(one for one in _WEAKENING if element[one] is None),
    )


def _addresses(given: Sequence[str]) -> tuple[str, ...]:
    found = set()
    for text in given:
        try:
            found.add(str(ipaddress.ip_address(text.strip().strip("[]"))))
        except ValueError as exc:
            raise Problem(f"{text!r} is not an IP address", "give addresses of this host", option="addresses") from exc
    return tuple(sorted(found))


def _mechanisms(given: Sequence[str], option: str) -> tuple[str, ...]:
    found = {one.strip().upper() for one in given}
    for name in found:
        if not _MECHANISM.fullmatch(name):
            raise Problem(
                f"{name!r} is not the name of a SASL mechanism", "give names such as PLAIN or LOGIN", option=option
            )
    return tuple(sorted(found))


def _sni(given: Sequence[Mapping[str, Any]]) -> tuple[NamedCertificate, ...]:
    found: dict[str, NamedCertificate] = {}
    for one in given:
        name = ascii_name(one["name"], "sni")
        if name in found:
            raise Problem(f"{name} is listed twice", "list each host name once", option="sni")
        named = NamedCertificate(name, one["certificate"], one["alternative_certificate"] or "")
        if named.alternative_certificate == named.certificate:
            raise Problem(
                f"both certificates of {name} are the same",
                "name one with a key of another type, or leave alternative_certificate out",
                option="sni",
            )
        found[name] = named
    return tuple(found[name] for name in sorted(found))


def _refuse_contradictions(vserver: Vserver, *, strangers_may_be_refused: bool) -> None:
    protocol = PROTOCOLS[vserver.protocol]
    if not vserver.certificate:
        raise Problem("no certificate is given", "name one that mail_cert_install has installed", option="certificate")
    if vserver.alternative_certificate == vserver.certificate:
        raise Problem(
            "it is the same as certificate",
            "name one with a key of another type, or leave the option out",
            option="alternative_certificate",
        )
    _refuse_sockets(vserver, protocol)
    if vserver.require_secure_channel and vserver.auth_clear:
        raise Problem(
            "it offers logins before TLS, but clear text is to be refused",
            "leave auth_clear out, or set require_secure_channel to false",
            option="auth_clear",
        )
    if vserver.auth_tls is not None and set(vserver.auth_clear) - set(vserver.auth_tls):
        raise Problem(
            "it has a mechanism that auth_tls does not have",
            "add it to auth_tls, or take it out of auth_clear",
            option="auth_clear",
        )
    if protocol.strangers and vserver.require_secure_channel and not strangers_may_be_refused:
        raise Problem(
            "a public mail exchanger must not require TLS (RFC 3207 section 4): mail from senders without it would be"
            " lost",
            "leave the option out, or set refuse_strangers_in_clear to true if this server is not public",
            option="require_secure_channel",
        )


def _refuse_sockets(vserver: Vserver, protocol: Protocol) -> None:
    registered = {port for one in PROTOCOLS.values() for port in (one.port, one.implicit_tls_port)} - {0}
    taken = registered - {protocol.implicit_tls_port}
    if vserver.implicit_tls_port in taken or not 0 <= vserver.implicit_tls_port <= _LAST_PORT:
        raise Problem(
            f"port {vserver.implicit_tls_port} cannot be used for {protocol.name} with TLS from the start",
            f"leave the option out for the registered port ({protocol.implicit_tls_port or 'none'}),"
            " or give 0 for none",
            option="implicit_tls_port",
        )
    if protocol.strangers and vserver.implicit_tls_port:
        raise Problem(
            f"{protocol.name} has no port with TLS from the start",
            "use protocol submission for port 465, and leave the option out here",
            option="implicit_tls_port",
        )
    port = vserver.port
    if port is not None and (port in registered - {protocol.port} or not 0 <= port <= _LAST_PORT):
        raise Problem(
            f"port {port} cannot be used for {protocol.name} in clear text",
            f"leave the option out for the registered port ({protocol.port}), or give 0 for none",
            option="port",
        )
    if port == 0 and not vserver.implicit_tls_port:
        raise Problem("both ports are 0, so nobody could reach it", "give one of the two ports", option="port")
    if vserver.name == DEFAULT and port not in (None, 0, protocol.port):
        raise Problem(
            f"the default virtual server uses the registered port ({protocol.port}) or none",
            "give it another name",
            option="port",
        )
    if vserver.name == DEFAULT and vserver.addresses:
        raise Problem(
            "the default virtual server listens on every address of its daemon",
            "give it another name, or leave the addresses out",
            option="addresses",
        )
