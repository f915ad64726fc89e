# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Dovecot listens, and where it is told to and does not."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver

_EVERYWHERE = {"*": "0.0.0.0", "::": "::"}  # as ss(8) shows it


def missing(host: Host, listen: str, services: Iterable[Mapping[str, Any]], key: str) -> list[tuple[str, int]]:
    """Addresses and ports at which no socket is open; host names are left out.

    Args:
        host: the machine.
        listen: the addresses for listeners that name none.
        services: the settings of login services.
        key: the setting in which a listener names addresses.
    """
    there = {(one.address.partition("%")[0], one.port) for one in listening(host)}
    wanted = set()
    for listener in (one for service in services for one in _inet_listeners(service)):
        for address in _words(listener.get(key) or listen) if port_of(listener) else ():
            with contextlib.suppress(ValueError):
                shown = _EVERYWHERE.get(address) or str(ipaddress.ip_address(address.strip("[]")))
                wanted.add((shown, port_of(listener)))
    with_ipv6 = any(":" in address for address, _port in there)  # a kernel may have none, which Dovecot does not mind
    return sorted(one for one in wanted - there if with_ipv6 or ":" not in one[0])


def _inet_listeners(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for name, one in service.items() if name.startswith("inet_listener ")]


def held(host: Host, places: Iterable[tuple[str, int]]) -> bool:
    """Whether somebody listens on a port of these, at any address."""
    ports = {port for _address, port in places}
    return any(one.port in ports for one in listening(host))


def _words(addresses: str) -> list[str]:
    return addresses.replace(",", " ").split()


def port_of(listener: Mapping[str, Any]) -> int:
    """The port of a listener; 0 where it has none."""
    return port_number(str(listener.get("port") or "0")) or 0


def clear_port(login: Mapping[str, Any], protocol: str) -> int:
    """The port on which a login service starts in clear text; 0 where the administrator has closed it."""
    return port_of(login.get(f"inet_listener {protocol}", {}))


def implicit_tls_port(login: Mapping[str, Any], protocol: str) -> int:
    """The port on which a login service starts TLS at once; 0 where it has none."""
    listener = login.get(f"inet_listener {protocol}s", {})
    return port_of(listener) if listener.get("ssl") == "yes" else 0


def proxied_ports(login: Mapping[str, Any]) -> set[int]:
    """Ports on which a login service wants load balancers to say who connects (PROXY protocol)."""
    return {port_of(one) for one in _inet_listeners(login) if one.get("haproxy") == "yes"}


def trusted_source(networks: str, own: Sequence[str]) -> str:
    """An address of this host from which Dovecot takes that; empty where there is none.

    Args:
        networks: the networks of the load balancers.
        own: addresses of this host.
    """
    for word in _words(networks):
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(word, strict=False)
            for address in own:
                if ipaddress.ip_address(address) in network:
                    return address
    return ""


def local_address(listen: str) -> str:
    """An address of this host at which Dovecot can be reached.

    Args:
        listen: the addresses for listeners that name none.
    """
    addresses = _words(listen)
    if not addresses or "*" in addresses:
        return "127.0.0.1"
    return "::1" if addresses[0] == "::" else addresses[0]


def shared_ports(default: Vserver | None, found: Vserver | None) -> set[int]:
    """Ports at which Dovecot's own listeners serve every address, also those of a further virtual server.

    Args:
        default: the protocol's default virtual server as it will be; None where there is none.
        found: the default one as it is now.
    """
    if default is None or found is None:
        return set()
    port = found.port if default.port is None or not default.present else default.port
    implicit = default.implicit_tls_port if default.present else found.implicit_tls_port
    return {port or 0, implicit} - {0}
