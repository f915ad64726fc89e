# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which services of master.cf (master(5)) belong to which virtual server."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf

# Names that /etc/services gives to the ports; that file is not on every small host.
_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "ssmtp": 465, "urd": 465}
_NAMES = {587: "submission", 465: "submissions"}
_COMMENT = "{}/{}, added by the Ansible collection postmaster.secure_channel"
_OURS = re.compile(_COMMENT.format(r"(\w+)", r"([\w.-]+)"))
SUBMISSION = PROTOCOLS["submission"]
SMTP_PORT = PROTOCOLS["smtp"].port
ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"


@dataclass(frozen=True)
class Socket:
    """Where a service listens; the address is empty for every one."""

    address: str
    port: int


def port_of(service: str) -> int | None:
    """TCP port of a master.cf service that listens on every address; None for a specific address or unknown name."""
    place = socket_of(service)
    return place.port if place and not place.address else None


def socket_of(service: str) -> Socket | None:
    """Where an inet service of this name listens; None where the name means nothing to this host."""
    address, _colon, port = service.rpartition(":")
    address = address.strip("[]")
    number = port_number(port, _PORTS)
    return None if number is None else Socket(address, number)


def name_of(place: Socket) -> str:
    """A service's name: the registered one where this host can resolve it, since an unknown one would stop Postfix."""
    if place.address:
        return f"[{place.address}]:{place.port}" if ":" in place.address else f"{place.address}:{place.port}"
    name = _NAMES.get(place.port, "")
    try:
        return name if name and socket.getservbyname(name, "tcp") == place.port else str(place.port)
    except OSError:
        return str(place.port)


def comment_of(vserver: Vserver) -> str:
    """What stands above the services that we add."""
    return _COMMENT.format(vserver.protocol, vserver.name)


def key_of(service: master_cf.Service) -> tuple[str, str] | None:
    """Protocol and name of the virtual server for which we have added a service; None for a foreign one."""
    match = _OURS.fullmatch(service.comment)
    return (match.group(1), match.group(2)) if match else None


def wanted_sockets(vserver: Vserver) -> dict[Socket, bool]:
    """Where a virtual server is to listen, each with whether it has implicit TLS."""
    port = PROTOCOLS[vserver.protocol].port if vserver.port is None else vserver.port
    found = {}
    for address in vserver.addresses or ("",):
        if port:
            found[Socket(address, port)] = False
        if vserver.implicit_tls_port:
            found[Socket(address, vserver.implicit_tls_port)] = True
    return found


def inet_services(text: str) -> list[tuple[Socket, master_cf.Service]]:
    """The inet services of a master.cf with where they listen; several in one place get connections by turns."""
    return [
        (place, service)
        for service in master_cf.services(text)
        if service.type == "inet"
        for place in (socket_of(service.name),)
        if place is not None
    ]


def by_socket(text: str) -> dict[Socket, master_cf.Service]:
    """The inet services of a master.cf by where they listen; of two, the last one counts."""
    return dict(inet_services(text))


def is_loopback(address: str) -> bool:
    """Whether an address, as the name of a service has it, is one that only this host itself can reach."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def is_of_default(place: Socket, service: master_cf.Service) -> bool:
    """Whether a service belongs to the virtual server that Postfix has by itself on that port.

    All do that take part of its connections: with every address, with all of one version of IP, or with a single one.
    Those of virtual servers of ours with a name do not. On port 25 all are governed by main.cf; on others, what this
    host hands in to itself is somebody else's.
    """
    key = key_of(service)
    if key:
        return key[1] == "default"
    return place.port == SMTP_PORT or not is_loopback(place.address)


def serving(text: str, vserver: Vserver) -> dict[Socket, master_cf.Service]:
    """The services of a virtual server, by where they listen.

    Args:
        text: content of master.cf.
        vserver: it, with its ports.
    """
    ports = {place.port for place in wanted_sockets(vserver)}
    return {
        place: service
        for place, service in by_socket(text).items()
        if key_of(service) == vserver.key
        or (vserver.name == "default" and place.port in ports and is_of_default(place, service))
    }


def _on(services: dict[Socket, master_cf.Service], port: int) -> master_cf.Service | None:
    """The service of Postfix' own virtual server on a port; of several, the one with every address."""
    found = {place: one for place, one in services.items() if place.port == port and is_of_default(place, one)}
    return found.get(Socket("", port)) or next(iter(found.values()), None)


def _implicit_tls_port(services: dict[Socket, master_cf.Service]) -> int:
    """The port on which the default submission starts TLS at once, 0 for none. One other than 465 is one of ours."""
    if _on(services, SUBMISSION.implicit_tls_port):
        return SUBMISSION.implicit_tls_port
    mine = (place.port for place, service in services.items() if key_of(service) == (SUBMISSION.name, "default"))
    return min((port for port in mine if port != SUBMISSION.port), default=0)


def found_vservers(text: str) -> Iterator[tuple[Vserver, master_cf.Service]]:
    """The virtual servers in a master.cf: protocol, name, addresses and ports, each with one of its services."""
    services = by_socket(text)
    mx = _on(services, SMTP_PORT)
    if mx:
        yield Vserver("smtp", port=SMTP_PORT), mx
    implicit = _implicit_tls_port(services)
    clear = _on(services, SUBMISSION.port)
    one = clear or (_on(services, implicit) if implicit else None)
    if one:
        yield Vserver("submission", port=SUBMISSION.port if clear else 0, implicit_tls_port=implicit), one
    yield from _named(services)


def _named(services: dict[Socket, master_cf.Service]) -> Iterator[tuple[Vserver, master_cf.Service]]:
    groups: dict[tuple[str, str], dict[Socket, master_cf.Service]] = {}
    for place, service in services.items():
        key = key_of(service)
        if key and key[1] != "default":
            groups.setdefault(key, {})[place] = service
    for (protocol, name), group in sorted(groups.items()):
        implicit = {place.port for place, one in group.items() if _starts_tls(one)}
        clear = {place.port for place in group} - implicit
        addresses = tuple(sorted({place.address for place in group} - {""}))
        first, *_others = group.values()
        yield (
            Vserver(
                protocol,
                name,
                addresses=addresses,
                port=min(clear, default=0),
                implicit_tls_port=min(implicit, default=0),
            ),
            first,
        )


def _starts_tls(service: master_cf.Service) -> bool:
    wrapper = service.overrides.get("smtpd_tls_wrappermode")
    return wrapper is not None and wrapper.value == "yes"
