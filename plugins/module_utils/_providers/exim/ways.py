# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Exim's routers lead to: whether mail can leave this host by one, and to which hosts.

Every router whose transport speaks SMTP leads away from this host, unless it names this host itself; so does one that
leaves it open.

Facts: Exim specification, chapters 15 (options of all routers), 20 (manualroute), 22 (redirect), 30 (smtp transport).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.drivers import Driver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.smarthost import Smarthost

_KEPT_HERE = ("appendfile", "autoreply", "lmtp")  # transports with which mail stays here, whatever it is about
UNFIT = re.compile(r"[${}\\\"]")  # what cannot be told without knowing a message


class Ways:
    """Where routers lead to.

    Args:
        transports: all transports.
        is_here: tells whether a host is this one.
    """

    def __init__(self, transports: Sequence[Driver], is_here: Callable[[str], bool]) -> None:
        self._transports = {one.name: one for one in transports}
        self._is_here = is_here

    def transport_of(self, router: Driver) -> Driver | None:
        """The transport that a router names; None for none, or one that depends on the message."""
        return self._transports.get(router.option("transport"))

    def leads_away(self, router: Driver) -> bool:
        """Whether mail can leave this host by a router; in doubt it can."""
        if router.kind == "redirect" or router.option("verify_only"):
            return False  # what it makes of an address is routed anew
        if not router.option("transport") and router.kind not in ("manualroute", "queryprogram"):
            return False  # these may name one otherwise
        transport = self.transport_of(router)
        if transport and transport.kind in _KEPT_HERE:
            return False
        hosts = self.hosts_of(router)
        fallback = router.option("fallback_hosts") or (transport.option("fallback_hosts") if transport else "")
        return not hosts or not all(self._is_here(one) for one in hosts) or bool(fallback)

    @staticmethod
    def rules_of(router: Driver) -> list[tuple[str, str]]:
        """Domains and hosts of a router; the hosts are empty where it does not say, or says it for each message."""
        data, listed = router.option("route_data"), router.option("route_list")
        if data or not listed:
            return [("*", "" if UNFIT.search(data) else data)]
        separator, listed = (listed[1], listed[2:]) if re.match(r"<\S", listed) else (";", listed)
        if '"' in listed or "\\" in listed:
            return [("*", "")]
        pairs = (one.strip().partition(" ") for one in listed.split(separator) if one.strip())
        return [(domains, "" if UNFIT.search(hosts) else hosts.strip()) for domains, _blank, hosts in pairs]

    def hosts_of(self, router: Driver) -> tuple[str, ...]:
        """The hosts that mail goes to by a router; none where they cannot be told, or depend on the domain."""
        transport = self.transport_of(router)
        own = transport.option("hosts") if transport else ""
        listed = [hosts for _domains, hosts in self.rules_of(router)] if router.kind == "manualroute" else []
        if own and transport and (transport.option("hosts_override") or router.kind == "accept"):
            listed = [own]
        if not all(listed) or any(UNFIT.search(one) for one in listed):
            return ()
        return tuple(host for one in listed for host in Smarthost.from_route(one).hosts)
