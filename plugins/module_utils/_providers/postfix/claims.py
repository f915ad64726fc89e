# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every service of master.cf that takes connections of a port: which are a virtual server's, and which must not be.

Several may listen on one port, as ``submission``, ``0.0.0.0:587`` and ``[::1]:587`` do. For one address, the service
with that address gets the connections; where two have the same, they get them by turns (master(8), SO_REUSEPORT).
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import is_here
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MASTER_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    ANY_IPV4,
    ANY_IPV6,
    Socket,
    by_socket,
    comment_of,
    inet_services,
    is_of_default,
    key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words

DEFAULT = "default"
_SERVERS = ("smtpd", "postscreen")


def has_ipv6() -> bool:
    """Whether this host can listen on addresses of IPv6."""
    return is_here(ANY_IPV6)


def claimed(master: str, vserver: Vserver, wanted: Socket, parameters: Mapping[str, str]) -> list[Socket]:
    """Where the services of a virtual server must be so that it has a socket, and nobody else a part of it.

    Args:
        master: content of master.cf.
        vserver: the virtual server.
        wanted: where it is to listen.
        parameters: those of main.cf.

    Raises:
        Problem: a service of somebody else's is there that cannot be this virtual server's.
    """
    there = [(place, one) for place, one in inet_services(master) if place.port == wanted.port]
    if vserver.name != DEFAULT:
        for place, service in there:
            if place == wanted and key_of(service) != vserver.key:
                raise _not_ours(vserver, service)
        return [wanted]
    found = []
    for place, service in there:
        if is_of_default(place, service):
            found.append(place)
        elif not key_of(service):
            raise Problem(
                f"{MASTER_CF} line {service.line} has a service {service.name} on port {place.port} for this host"
                " alone, to which other rules apply",
                f"move that service to another port, such as 1{place.port}, or remove it, and run again",
                subject=vserver.title,
                option=f"{MASTER_CF}:{service.line}",
            )
        if service.command != "smtpd" and not key_of(service):
            raise _no_server(vserver, service, place)
    return list(dict.fromkeys([*_uncovered(wanted, found, parameters), *found]))


def _uncovered(wanted: Socket, found: list[Socket], parameters: Mapping[str, str]) -> list[Socket]:
    """What must listen as well so that every address is served."""
    if wanted in found:
        return []

    def asked(name: str) -> list[str]:
        return words(expand(parameters.get(name, ""), lambda one: parameters.get(one, "")))

    protocols = asked("inet_protocols")
    needed = [Socket(ANY_IPV4, wanted.port)] if protocols != ["ipv6"] else []
    if protocols != ["ipv4"] and has_ipv6():
        needed.append(Socket(ANY_IPV6, wanted.port))
    missing = [one for one in needed if one not in found]
    # a service without an address keeps to inet_interfaces
    partly = len(missing) < len(needed) and asked("inet_interfaces") == ["all"]
    return missing if partly or not missing else [wanted]


def refuse_no_server(master: str, vserver: Vserver, port: int) -> None:
    """Raise Problem where something else than a mail server listens on a port."""
    for place, service in inet_services(master):
        if place.port == port and service.command not in _SERVERS:
            raise _no_server(vserver, service, place)


def _no_server(vserver: Vserver, service: master_cf.Service, place: Socket) -> Problem:
    return Problem(
        f"{MASTER_CF} line {service.line} has a service {service.name} on port {place.port} that runs"
        f" {service.command}, not smtpd",
        "remove that service, or give it another port, and run again",
        subject=vserver.title,
        option=f"{MASTER_CF}:{service.line}",
    )


def _not_ours(vserver: Vserver, service: master_cf.Service) -> Problem:
    return Problem(
        f"{MASTER_CF} line {service.line} has a service {service.name} that this collection did not create",
        "give this virtual server another address or port, or remove that service",
        subject=vserver.title,
        option=f"{MASTER_CF}:{service.line}",
    )


def without_doubles(master: str, vserver: Vserver, ports: set[int], label: str) -> tuple[str, list[str]]:
    """master.cf in which no two services of a virtual server have the same place, and what has been set aside.

    Args:
        master: content of master.cf.
        vserver: the virtual server.
        ports: its ports.
        label: for what services of others are set aside.
    """
    aside = []
    while True:
        last = by_socket(master)
        for place, service in inet_services(master):
            if place.port not in ports or service == last[place] or not is_of_default(place, service):
                continue
            if key_of(service):
                master = master_cf.remove(master, service, comment_of(vserver))
            else:
                aside.append(service.name)
                master = master_cf.set_aside(master, service, label)
            break
        else:
            return master, aside
