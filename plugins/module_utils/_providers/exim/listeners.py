# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Exim listens: lists of addresses and ports (Exim specification, chapter 13)."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number

# How Exim writes "every address". It knows the one of IPv6 in this form only, and wants it before the other.
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::0"


def words(text: str) -> list[str]:
    """The items of a list in Exim's notation: separated by colons, or by what follows a ``<``."""
    text = text.strip()
    separator = ":"
    if text.startswith("<") and len(text) > 1:
        separator, text = text[1], text[2:]
    doubled = text.replace(separator * 2, "\0")
    items = (item.replace("\0", separator).strip() for item in doubled.split(separator))
    return [item for item in items if item]


def lists(hosts: str, address: str) -> bool:
    """Whether a list of hosts has an address, as far as it names addresses and networks."""
    for word in words(hosts):
        if word == "*":
            return True
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(address) in ipaddress.ip_network(word, strict=False):
                return True
    return False


def ports(text: str) -> list[int]:
    """Port numbers of a list of numbers and service names; a name that the host does not know is left out."""
    numbers = (port_number(word) for word in words(text))
    return [number for number in numbers if number is not None]


@dataclass(frozen=True)
class Interface:
    """One item of ``local_interfaces``.

    Attributes:
        address: IP address, ``0.0.0.0`` or ``::0`` for every one.
        port: TCP port; None for all of ``daemon_smtp_ports``.
    """

    address: str
    port: int | None


def interfaces(text: str) -> list[Interface]:
    """The items of ``local_interfaces``."""
    found = []
    for word in words(text):
        bracketed = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?", word)
        dotted = re.fullmatch(r"(\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]+)\.([0-9]{1,5})", word)
        match = bracketed or dotted
        address, port = (match[1], match[2]) if match else (word, None)
        if address == "::":
            address = _EVERY_IPV6
        found.append(Interface(address, int(port) if port else None))
    return found


def pairs(some: Iterable[Interface], numbers: Iterable[int]) -> set[tuple[str, int]]:
    """Addresses and ports of these interfaces, where these are the ports of those without one."""
    return {(one.address, port) for one in some for port in (numbers if one.port is None else [one.port])}


def render_interfaces(places: Iterable[tuple[str, int]]) -> str:
    """``local_interfaces`` with a port at each address."""
    ordered = sorted((port, address != _EVERY_IPV6, address) for address, port in places)
    return "<; " + " ; ".join(f"[{address}]:{port}" for port, _other, address in ordered)


def render_ports(numbers: Iterable[int]) -> str:
    """A list of ports."""
    return " : ".join(str(number) for number in sorted(set(numbers)))


@dataclass(frozen=True)
class Listener:
    """What one virtual server listens on.

    Attributes:
        addresses: IP addresses; empty for those that Exim listens on anyway.
        port: TCP port on which the conversation starts in clear text; 0 for none.
        implicit_port: TCP port on which TLS starts at once; 0 for none.
        standard: ports that are given up where they are none of these; empty unless it is the daemon's own one.
    """

    addresses: tuple[str, ...]
    port: int
    implicit_port: int
    standard: frozenset[int]

    @property
    def ports(self) -> set[int]:
        """Both ports, where there are both."""
        return {self.port, self.implicit_port} - {0}


def wildcard(address: str) -> str:
    """The address that covers all of its family."""
    return _EVERY_IPV6 if ipaddress.ip_address(address).version == 6 else _EVERY_IPV4


def combined(
    former: Sequence[Interface], former_ports: Sequence[int], wanted: Sequence[Listener]
) -> tuple[set[tuple[str, int]] | None, set[int]]:
    """What Exim must listen on for these virtual servers and for all else that it served before.

    Returns:
        Pairs of address and port, None where the former addresses do; and the ports of addresses without one.
    """
    everywhere = {one.address for one in former if one.port is None}
    fixed = {(one.address, one.port) for one in former if one.port is not None}
    found = pairs(former, former_ports)
    used = {port for one in wanted for port in one.ports}
    for one in sorted(wanted, key=lambda some: not some.standard):  # those that listen everywhere first
        found -= set(product(everywhere, one.standard - used))
        for address, port in product(one.addresses or everywhere, one.ports):
            if (wildcard(address), port) not in found:
                found.add((address, port))
    numbers = {port for _address, port in found - fixed}
    if found == fixed | set(product(everywhere, numbers)):
        return None, numbers
    return found, {port for _address, port in found}
