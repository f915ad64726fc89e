# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which clients reach a server: each address at which its port is open."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import (
    is_here,
    own_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS

MOST_ADDRESSES = 16  # of one port that are looked at
_TOO_MANY = f"no more than {MOST_ADDRESSES} addresses of a port are looked at"
_NO_BALANCER = "it trusts no load balancer that has such an address"
_LOOPBACK, _LOOPBACK_IPV6 = "127.0.0.1", "::1"
_IN_TURN = 10  # connections where several sockets get them by turns; one of two is missed once in a thousand times


@dataclass(frozen=True)
class Way:
    """A way to a server.

    Attributes:
        endpoint: the server at one of its addresses.
        connections: how many it takes to meet everything that listens there.
        closed: why it cannot be taken from this host; empty where it can.
    """

    endpoint: Endpoint
    connections: int = 1
    closed: str = ""


class WaysIn:
    """Finds the ways to servers on this host.

    Args:
        host: the machine.
        remember: whether one look at its sockets is enough, since nothing is being changed.
    """

    def __init__(self, host: Host, *, remember: bool = False) -> None:
        self._host = host
        self._remember = remember
        self._sockets: Sequence[Listening] | None = None

    @cached_property
    def addresses(self) -> Sequence[str]:
        """The addresses by which others know this host."""
        return own_addresses(self._host)

    def to(self, endpoint: Endpoint, elsewhere: Collection[tuple[str, int]] = ()) -> list[Way]:
        """The ways to a server that is to listen on every address, as its port is open right now.

        Args:
            endpoint: the server at the address that its provider names. This is the only way where nothing listens.
            elsewhere: addresses and ports at which other servers are.
        """
        sockets = self._at_port(endpoint.port)
        addresses = [
            address
            for address in dict.fromkeys(self._addresses(sockets))
            if (address, endpoint.port) not in elsewhere and not ipaddress.ip_address(address).is_link_local
        ]
        if len(addresses) > 1 and not any(":" in one for one in self.addresses):
            # from itself, which is the only way to it then, some servers take a connection for secure
            addresses = [one for one in addresses if one != _LOOPBACK_IPV6]
        ways = [self._way(endpoint, one, sockets) for one in addresses]
        return ways[:MOST_ADDRESSES] + [replace(one, closed=_TOO_MANY) for one in ways[MOST_ADDRESSES:]] or [
            Way(endpoint)
        ]

    def at(self, endpoint: Endpoint) -> Way:
        """The way to a server at one address of its own."""
        sockets = self._at_port(endpoint.port)
        return self._way(endpoint, endpoint.address, sockets)

    @staticmethod
    def _way(endpoint: Endpoint, address: str, sockets: Sequence[Listening]) -> Way:
        # of the load balancers that a server trusts, this host stands for one
        stranger = endpoint.proxy_protocol and endpoint.source and (":" in endpoint.source) != (":" in address)
        return Way(_moved(endpoint, address), _connections(address, sockets), _NO_BALANCER if stranger else "")

    def _at_port(self, port: int) -> list[Listening]:
        if self._sockets is None or not self._remember:
            self._sockets = list(listening(self._host))
        return [one for one in self._sockets if one.port == port]

    def sources(self, endpoint: Endpoint) -> list[str]:
        """Where on this host to connect from: the usual place first (empty for the system's choice), then any other."""
        if endpoint.proxy_protocol and endpoint.source:
            return [endpoint.source]
        ipv6 = ":" in endpoint.address
        loopback = _LOOPBACK_IPV6 if ipv6 else _LOOPBACK
        own = [one for one in self.addresses if (":" in one) == ipv6] + [loopback] * is_here(loopback)
        usual = endpoint.source if (":" in endpoint.source) == ipv6 else ""
        return list(dict.fromkeys([usual, *(one for one in own if one != endpoint.address), endpoint.address]))

    def _addresses(self, sockets: Sequence[Listening]) -> Iterator[str]:
        for one in sockets:
            if one.own_address:
                yield one.own_address
                continue
            for loopback in (_LOOPBACK, _LOOPBACK_IPV6):
                if one.takes(loopback):
                    yield from [own for own in self.addresses if (":" in own) == (":" in loopback)] or [loopback]


def _moved(endpoint: Endpoint, address: str) -> Endpoint:
    if PROTOCOLS[endpoint.protocol].starttls or endpoint.server_name or address == endpoint.address:
        return replace(endpoint, address=address)
    return replace(endpoint, address=address, server_name=endpoint.address)  # a name that no site has


def _connections(address: str, sockets: Sequence[Listening]) -> int:
    taking = [one for one in sockets if one.takes(address)]
    bound = [one for one in taking if one.own_address]
    return _IN_TURN if len(bound or taking) > 1 else 1
