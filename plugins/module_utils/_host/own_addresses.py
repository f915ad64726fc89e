# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses by which others know this host."""

from __future__ import annotations

import json
import socket

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import OF_LIMITS

ELSEWHERE = "127.0.0.2"  # an address of every host that no server is bound to
_UNUSABLE = ("tentative", "dadfailed")


def own_addresses(host: Host) -> list[str]:
    """The host's addresses but for loopback and link-local ones, IPv4 first; none where they cannot be told."""
    try:
        interfaces = json.loads(host.query(["ip", "-j", "address"]).out or "[]")
    except ValueError:
        return []
    found = [one for interface in interfaces for one in interface.get("addr_info", ())]
    usable = [
        one["local"]
        for one in found
        if one.get("scope") == "global" and "local" in one and not any(one.get(flag) for flag in _UNUSABLE)
    ]
    return sorted(usable, key=lambda one: ":" in one)


def is_here(address: str) -> bool:
    """Whether a connection can be made from an address, which need not be so even for a loopback one."""
    try:  # the kernel may know nothing of IPv6 at all (ipv6.disable=1)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.bind((address, 0))
    except OSError as exc:
        if exc.errno in OF_LIMITS:
            raise
        return False
    return True
