# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a name or an address, as daemons are told it, is this host itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Union

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import (
    is_here,
    own_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import HOSTNAME, HOSTS

_LOCALHOST = ("localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback")
_TOP = ".localhost"  # all names below it are this host's (RFC 6761 section 6.3)

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def _bare(given: str) -> str:
    """A name or an address without what daemons write around it."""
    return given.strip().lower().removeprefix("[").removesuffix("]").removeprefix("ipv6:").rstrip(".")


def _address(bare: str) -> Address | None:
    """An address; one of IPv4 also where it is written as one of IPv6."""
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_always(bare: str) -> bool:
    """Whether it is every host's name or address for itself."""
    address = _address(bare)
    if address:
        return address.is_loopback or address.is_unspecified
    return bare in _LOCALHOST or bare.endswith(_TOP)


def leads_here(given: str) -> bool:
    """Whether a connection to a name or an address comes to this host, as its resolver has it now."""
    bare = _bare(given)
    if _is_always(bare):
        return True
    try:
        found = socket.getaddrinfo(bare, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(is_here(str(address[0])) for _family, _kind, _protocol, _name, address in found)


class OwnNames:
    """The names and addresses of this host, as far as it knows them itself. It is asked only where need be, and once.

    Args:
        host: the machine.
        told: answers the names by which a daemon is told to know the host.
    """

    def __init__(self, host: Host, told: Callable[[], Collection[str]] = tuple) -> None:
        self._host = host
        self._told = told

    def has(self, given: str) -> bool:
        """Whether a name or an address is this host.

        Args:
            given: also in brackets, in capital letters, or with a full stop at the end.
        """
        bare = _bare(given)
        if _is_always(bare):
            return True
        address = _address(bare)
        return address in self._addresses if address else bare in self._names

    @cached_property
    def _addresses(self) -> frozenset[Address]:
        return frozenset(found for found in map(_address, own_addresses(self._host)) if found)

    @cached_property
    def _names(self) -> frozenset[str]:
        """Those that it is told, its own, and such as have one of its addresses."""
        found = {_bare(one) for one in (*self._told(), self._host.read_text(HOSTNAME))}
        for line in self._host.read_text(HOSTS).split("\n"):
            address, *names = line.partition("#")[0].split() or [""]
            if _address(address) and self.has(address):
                found.update(map(_bare, names))
        return frozenset(found - {""})
