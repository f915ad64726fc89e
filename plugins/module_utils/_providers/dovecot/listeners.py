# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Dovecot listens, and where it is told to and does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver

_EVERYWHERE = {"*": "0.0.0.0", "::": "[::]"}  # as ss(8) shows it


def missing(host: Host, listen: str, services: Iterable[Mapping[str, Any]], key: str) -> set[str]:
    """Sockets that are not open, such as ``0.0.0.0:993``.

    Args:
        host: the machine.
        listen: the addresses for listeners that name none.
        services: the settings of login services.
        key: the setting in which a listener names addresses.
    """
    shown = {one.place for one in listening(host)}
    wanted = set()
    for service in services:
        for name, listener in service.items():
            port = port_of(listener) if name.startswith("inet_listener ") else 0
            for address in _words(listener.get(key) or listen) if port else ():
                wanted.add(f"{_EVERYWHERE.get(address, f'[{address}]' if ':' in address else address)}:{port}")
    with_ipv6 = any(one.startswith("[") for one in shown)  # a kernel may have none, which Dovecot takes no notice of
    return {one for one in wanted - shown if with_ipv6 or not one.startswith("[")}


def held(host: Host, sockets: Iterable[str]) -> bool:
    """Whether somebody listens on a port of these sockets, at any address."""
    ports = {int(one.rpartition(":")[2]) for one in sockets}
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
