# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which virtual server listens where: as it is, and as it is desired."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    expressions,
    listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.effective import Effective


def identifier(vserver: Vserver) -> str:
    """How the tables name a virtual server."""
    return f"{vserver.protocol}/{vserver.name}"


def of_ours(effective: Effective, tables: expressions.Tables) -> dict[str, listeners.Listener]:
    """Where our virtual servers listen."""
    found = {}
    for ident in tables.certificates:
        pairs = [expressions.address_and_port(one) for one, owner in tables.listeners.items() if owner == ident]
        ports = {port for _address, port in pairs} & effective.ports
        implicit = ports & effective.implicit_ports
        found[ident] = listeners.Listener(
            tuple(sorted({address for address, _port in pairs if address})),
            min(ports - implicit, default=0),
            min(implicit, default=0),
            _standard(*ident.split("/", 1)),
        )
    return found


def _standard(protocol: str, name: str) -> frozenset[int]:
    """Ports that are the virtual server's where it is the daemon's own one."""
    if name != "default":
        return frozenset()
    return frozenset({PROTOCOLS[protocol].port, PROTOCOLS[protocol].implicit_tls_port} - {0})


def of_desired(vserver: Vserver, before: Vserver | None) -> listeners.Listener:
    """Where a desired virtual server listens."""
    port = vserver.port
    if port is None:
        port = PROTOCOLS[vserver.protocol].port if before is None or before.port is None else before.port
    if not port and not vserver.implicit_tls_port:
        raise Problem("it would have no port", "name one", subject=vserver.title, option="port")
    standard = _standard(vserver.protocol, vserver.name)
    return listeners.Listener(tuple(sorted(vserver.addresses)), port, vserver.implicit_tls_port, standard)


def table(wanted: Mapping[str, listeners.Listener]) -> dict[str, str]:
    """Virtual servers by endpoint. Raises Problem where two are at the same place."""
    found: dict[str, str] = {}
    for ident, one in sorted(wanted.items()):
        subject = f"virtual server {ident}"
        for other, another in sorted(wanted.items()):
            if one.port and one.port == another.implicit_port:
                raise Problem(
                    f"port {one.port} of the virtual server {other} has implicit TLS, so it would here too:"
                    " Exim does not distinguish addresses there",
                    "give one of the two another port",
                    subject=subject,
                    option="port",
                )
        for address in one.addresses or ("",):
            for port in sorted(one.ports):
                place = expressions.endpoint(address, port)
                if place in found:
                    raise Problem(
                        f"the virtual server {found[place]} has port {port} of {address or 'every address'} already",
                        "give one of the two another address or port",
                        subject=subject,
                        option="port",
                    )
                found[place] = ident
    return found


def options(effective: Effective, wanted: Mapping[str, listeners.Listener]) -> dict[str, str]:
    """The options that say where Exim listens, as far as they must change.

    Args:
        effective: the configuration in force.
        wanted: where our virtual servers are to listen.
    """
    former = listeners.ports(effective.former("daemon_smtp_ports"))
    interfaces = listeners.interfaces(effective.former("local_interfaces"))
    pairs, ports = listeners.combined(interfaces, former, list(wanted.values()))
    found = {}
    if ports != set(former):
        found["daemon_smtp_ports"] = listeners.render_ports(ports)
    if pairs is not None:
        found["local_interfaces"] = listeners.render_interfaces(pairs)
    before = set(listeners.ports(effective.former("tls_on_connect_ports")))
    standard = {port for one in wanted.values() for port in one.standard | one.ports}
    implicit = (before - standard) | {one.implicit_port for one in wanted.values()} - {0}
    if implicit != before:
        found["tls_on_connect_ports"] = listeners.render_ports(implicit)
    return found
