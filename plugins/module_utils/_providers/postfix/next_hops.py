# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a next hop of smtp(8) is: its host and port, and whether that is this host itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_names import OwnNames
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number

_SMTP_PORT = 25
_PLACE = re.compile(r"(?:\[(?:ipv6:)?(?P<fixed>[^][]+)\]|(?P<domain>[^][:]+))(?::(?P<port>\w+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a next hop is.

    Attributes:
        host: name or address.
        port: TCP port.
        fixed: whether it stands between brackets, so that no mail exchangers are looked up.
    """

    host: str
    port: int
    fixed: bool


def place_of(next_hop: str) -> Place | None:
    """The place of a next hop; None where it names no single one."""
    match = _PLACE.fullmatch(next_hop.removeprefix("inet:"))
    if not match:
        return None
    number = port_number(match["port"]) if match["port"] else None
    return Place(
        match["fixed"] or match["domain"], _SMTP_PORT if number is None else number, match["fixed"] is not None
    )


class ThisHost:
    """What stands for this host itself in a next hop.

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str]) -> None:
        self._own = OwnNames(host, lambda: (expanded("myhostname"), f"localhost.{expanded('mydomain')}"))

    def is_at(self, next_hop: str) -> bool:
        """Whether mail for a next hop stays on this host."""
        place = place_of(next_hop)
        return place is not None and self._own.has(place.host)
