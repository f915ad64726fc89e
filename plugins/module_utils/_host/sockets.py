# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listening TCP sockets of this host, as ss(8) shows them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

_ANY_IPV4, _ANY_IPV6, _ANY = "0.0.0.0", "::", "*"  # the last takes connections of both versions


@dataclass(frozen=True)
class Listening:
    """A listening TCP socket.

    Attributes:
        place: address and port as shown, such as ``0.0.0.0:25``, ``[::]:25`` or ``*:25``.
        processes: names of the processes that hold it; empty where they were not asked for.
        pids: their numbers.
    """

    place: str
    processes: frozenset[str]
    pids: frozenset[int] = frozenset()

    @property
    def address(self) -> str:
        """The address, without brackets."""
        return self.place.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.place.rpartition(":")[2])

    @property
    def own_address(self) -> str:
        """The one address that it is bound to, in the usual form; empty for every address."""
        address = self._plain
        if address in (_ANY_IPV4, _ANY_IPV6, _ANY):
            return ""
        ip = ipaddress.ip_address(address)
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return str(mapped or ip)

    def takes(self, address: str) -> bool:
        """Whether a connection to an IP address of this host, and to its port, may end up here."""
        if self.own_address:
            return self.own_address == str(ipaddress.ip_address(address.partition("%")[0]))
        return self._plain in (_ANY, _ANY_IPV6 if ":" in address else _ANY_IPV4)

    @property
    def _plain(self) -> str:
        """The address without the interface."""
        return self.address.partition("%")[0].strip("[]")


def is_open(address: str, port: int, sockets: Iterable[Listening]) -> bool:
    """Whether somebody listens at an address and port.

    Args:
        address: an IP address; empty for every one; a host name stands for any.
        port: the port.
        sockets: all that listens.
    """
    there = [one for one in sockets if one.port == port]
    if not address:
        return any(not one.own_address for one in there)
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return bool(there)
    if ip.is_unspecified:
        return any(not one.own_address and one.takes(str(ip)) for one in there)
    return any(one.takes(str(ip)) for one in there)


def listening(host: Host, *, processes: bool = False) -> Iterator[Listening]:
    """All listening TCP sockets, also several in one place, which get connections in turn (SO_REUSEPORT).

    Args:
        host: the machine.
        processes: whether the processes are looked up too, which takes longer.
    """
    for line in host.query(["ss", "-Hltnp" if processes else "-Hltn"]).out.splitlines():
        words = line.split()
        if len(words) > 3 and words[3].rpartition(":")[2].isdecimal():
            holders = re.findall(r'\("([^"]+)",pid=(\d+)', line)
            yield Listening(
                words[3], frozenset(name for name, _pid in holders), frozenset(int(pid) for _name, pid in holders)
            )
