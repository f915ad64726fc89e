# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports of a daemon that no virtual server is about, and at which a declared protocol is spoken in clear text."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import WaysIn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import DaemonPlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import ClearText
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import TurnedAway, WireError

_TIMEOUT = 3.0  # seconds for a port that may speak something else


def in_clear(ways_in: WaysIn, sockets: Sequence[Listening], plan: DaemonPlan) -> Iterator[str]:
    """Warnings of ports that stay open in clear text beside those that are declared.

    Args:
        ways_in: finds the ways to ports.
        sockets: what listens on the host now, with its processes.
        plan: a daemon, with its virtual servers.
    """
    asked = {one.protocol: one for one in plan.vservers if one.present and PROTOCOLS[one.protocol].starttls}
    if not asked:
        return
    for socket in _unclaimed(sockets, plan):
        for vserver in asked.values():
            way = ways_in.to(Endpoint("127.0.0.1", socket.port, vserver.protocol, implicit_tls=False))[0]
            trusting = plan.provider.trusts_its_own_address
            fault = _fault(way.endpoint, vserver, ways_in.sources(way.endpoint), trusting=trusting)
            if fault:
                yield (
                    f"{vserver.title}: {plan.provider.name} also listens on {socket.place}, which no virtual server is"
                    f" about, and {fault} there; declare it, or close that port"
                )


def _unclaimed(sockets: Sequence[Listening], plan: DaemonPlan) -> list[Listening]:
    """One socket for each port of the daemon that others can reach and no virtual server has."""
    claimed = {port for one in (*plan.afterwards, *plan.before.values()) for port in (one.port, one.implicit_tls_port)}
    claimed |= {PROTOCOLS[one.protocol].port for one in plan.vservers}
    found = {
        one.port: one
        for one in sockets
        if one.port not in claimed
        and one.processes & plan.provider.processes
        and not (one.own_address and ipaddress.ip_address(one.own_address).is_loopback)
    }
    return [one for _port, one in sorted(found.items())]


def _fault(endpoint: Endpoint, vserver: Vserver, sources: Sequence[str], *, trusting: bool) -> str:
    """What a client without TLS can do there, as a part of a sentence; empty for nothing that matters.

    Where the server trusts its own address, what it offers to that says nothing of what it offers to others.
    """
    for source in sources:
        start = replace(endpoint, source=source)
        try:
            # whoever starts with TLS, or speaks something else, does not answer the protocol's first command
            if clear_text(replace(start, implicit_tls=True), timeout=_TIMEOUT).refused:
                return ""
            found = clear_text(start, timeout=_TIMEOUT)
            return "" if trusting and found.own_address else _open(found, vserver)
        except TurnedAway:
            continue
        except WireError:
            break
    return ""


def _open(found: ClearText, vserver: Vserver) -> str:
    if found.auth_offered and not vserver.auth_clear:
        return f"offers a login in clear text ({found.evidence})"
    # mail from strangers comes in clear text on other ports, too
    mail = vserver.protocol in ("smtp", "submission")
    if vserver.require_secure_channel and not mail and found.refused is False:
        return f"does not refuse clear text ({found.evidence})"
    return ""
