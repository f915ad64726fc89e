# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the names in a certificate request resolve to this host."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import Union

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_NOT_FOUND = 2  # getent(1): the key was not found


def expected_addresses(host: Host, given: Sequence[str] | None) -> set[Address]:
    """The addresses that names must resolve to.

    Args:
        host: the machine, whose own addresses are taken where none are given.
        given: the option ``expected_addresses``.

    Raises:
        Problem: one of them is not an address, or the host's own cannot be found.
    """
    if given:
        return {_address(one) for one in given}
    done = host.query(["ip", "-json", "address", "show"])
    try:
        links = json.loads(done.out)
        found = {ipaddress.ip_address(one["local"]) for link in links for one in link["addr_info"] if "local" in one}
    except (ValueError, KeyError, TypeError) as exc:
        raise Problem(
            f"this host's own addresses cannot be found ({done.complaint or exc})",
            "give the addresses that the names must resolve to",
            option="expected_addresses",
        ) from exc
    return {one for one in found if not (one.is_loopback or one.is_link_local)}


def dns_faults(host: Host, names: Sequence[str], expected: set[Address]) -> list[str]:
    """Names that resolve to nothing or to other addresses, one clause for each; wildcards are left out.

    Only the DNS is asked, not ``/etc/hosts``, where a host's own name usually has a loopback address.
    """
    faults = []
    for name in names:
        if name.startswith("*."):
            continue
        found = _resolved(host, name)
        strange = sorted(str(one) for one in found - expected)
        if not found:
            faults.append(f"{name} does not resolve")
        elif strange:
            faults.append(f"{name} resolves to {', '.join(strange)}")
    return faults


def shown(addresses: set[Address]) -> str:
    """Addresses for a message."""
    return ", ".join(sorted(str(one) for one in addresses)) or "none"


def _resolved(host: Host, name: str) -> set[Address]:
    done = host.query(["getent", "-s", "hosts:dns", "ahosts", name])
    if done.code not in (0, _NOT_FOUND):
        raise Problem(
            f"the DNS cannot be asked ({done.complaint or f'getent: exit code {done.code}'})",
            "check that this host resolves names, or leave check_dns off",
            option="check_dns",
        )
    return {ipaddress.ip_address(line.split()[0].partition("%")[0]) for line in done.out.splitlines() if line.strip()}


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError as exc:
        raise Problem(
            f"{text!r} is not an IP address",
            "give addresses such as 192.0.2.1 or 2001:db8::1",
            option="expected_addresses",
        ) from exc
