# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Postfix listens where its files say.

master(8) opens the sockets of new services when it reloads, but what inet_interfaces and inet_protocols say it heeds
only when it starts.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import is_here
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    ANY_IPV4,
    ANY_IPV6,
    inet_services,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words

_EVERYWHERE = {"all": (ANY_IPV4, ANY_IPV6), "loopback-only": ("127.0.0.1", "::1")}


def wanted(master: str, parameters: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Addresses and ports at which Postfix is to listen; those that are named in another way are left out.

    Args:
        master: content of master.cf.
        parameters: those of main.cf.
    """

    def asked(name: str) -> list[str]:
        return words(expand(parameters.get(name, ""), lambda one: parameters.get(one, "")))

    protocols = asked("inet_protocols")
    interfaces = [each for one in asked("inet_interfaces") for each in _EVERYWHERE.get(one, (one,))]
    for place, _service in inet_services(master):
        for name in [place.address] if place.address else interfaces:
            with contextlib.suppress(ValueError):
                address = ipaddress.ip_address(name.strip("[]"))
                if {"all", f"ipv{address.version}"} & set(protocols):
                    yield str(address), place.port


def unopened(
    master: str, parameters: Mapping[str, str], sockets: Iterable[Listening], *, has_ipv6: bool
) -> list[tuple[str, int]]:
    """Addresses and ports at which Postfix is to listen, and does not.

    Args:
        master: content of master.cf.
        parameters: those of main.cf.
        sockets: all that listens on this host.
        has_ipv6: whether this host has addresses of IPv6; Postfix does without where it has none.
    """
    there = {(one.address.partition("%")[0], one.port) for one in sockets}
    return sorted(place for place in set(wanted(master, parameters)) - there if has_ipv6 or ":" not in place[0])


def would_open(places: Iterable[tuple[str, int]], sockets: Iterable[Listening], ours: Collection[str]) -> bool:
    """Whether a restart would open sockets, rather than fail: master(8) exits where it cannot.

    Args:
        places: addresses and ports.
        sockets: all that listens on this host, with its processes.
        ours: names of Postfix' processes.
    """
    taken = {one.port for one in sockets if not one.processes <= set(ours)}
    return all(port not in taken and is_here(address) for address, port in places)
