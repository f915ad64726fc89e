# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways that mail of declared domains takes, and the next hops by which smtp(8) looks up what is demanded there.

Source: transport(5), TLS_README ("TLS policy table").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    smtp_clients as clients,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.address_ways import (
    AddressWays,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Rows
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
    relay_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TRANSPORT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import (
    Hop,
    Route,
    Routing,
    overlaid,
    parents_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several


class DomainWays:
    """The ways of domains.

    Args:
        host: the machine.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        settings: main.cf as it will be.
        services: the names of the services that are an smtp(8), ours among them.

    Attributes:
        used_services: the services that mail is sent by.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], settings: Settings, services: Sequence[str]) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._services = services
        self._this_host = ThisHost(host, expanded)
        self._routing = Routing(host, expanded, TRANSPORT, services)
        self._address_ways = AddressWays(host, expanded, TRANSPORT)
        self._routes: dict[str, Route] = {}
        self._hops_of_addresses: dict[str, list[Hop]] = {}
        self._unlisted_ways: set[str] = set()
        self.used_services: set[str] = {clients.PLAIN}

    def usual(self, domain: str) -> Route | None:
        """The way of a domain's mail; None where it has not been asked for."""
        return self._routes.get(domain)

    def work_out(self, present: Sequence[DomainPolicy]) -> None:
        """Work out the way of all domains for which none is asked."""
        names = []
        for policy in present:
            if policy.domain == EVERYTHING or not policy.relay_host:
                names.append(policy.domain)
                names += ["." + policy.domain] if policy.subdomains else []
        planned = {name: self._settings.value(name) for name in self._settings.changed}
        self._routing = Routing(self._host, overlaid(self._expanded, planned), TRANSPORT, self._services)
        self._routes = self._routing.routes(names)
        for policy in present:
            if policy.encrypted and policy.domain != EVERYTHING:
                self._hops_of_addresses[policy.domain] = self._of_addresses(policy)
        ways = [hop for route in self._routes.values() for hop in (route.usual, *route.by_sender)]
        ways += [hop for several in self._hops_of_addresses.values() for hop in several]
        self.used_services |= {hop.transport for hop in ways}
        self.used_services |= set(clients.STOCK) if EVERYTHING in self._routes else set()

    def _of_addresses(self, policy: DomainPolicy) -> list[Hop]:
        """The other next hops by which mail for single addresses of a domain leaves."""
        routes = self.routes_of(policy)
        usual = routes[0].usual.transport if routes else clients.PLAIN
        hops = []
        for way in self._address_ways.of(policy.domain, subdomains=policy.subdomains):
            hop = Hop(way.hop.transport or usual, way.hop.next_hop)
            if hop.transport not in self._services or self._this_host.is_at(hop.next_hop):
                continue
            if policy.relay_host and hop.next_hop != relay_of(policy):
                raise Problem(
                    f"{way.place} sends mail for {way.key} to {hop.next_hop}, which goes before relay_host",
                    "remove that row, or leave relay_host out",
                    subject=policy.title,
                    option="relay_host",
                )
            hops.append(hop)
        self._unlisted_ways.update(self._address_ways.unlisted)
        return list(dict.fromkeys(hops))

    def routes_of(self, policy: DomainPolicy) -> list[Route]:
        """The ways of a domain and of what is below it."""
        found = (self._routes.get(name) for name in (policy.domain, "." + policy.domain))
        return [one for one in found if one]

    def of(self, domains: Iterable[str], transports: Rows) -> dict[str, list[Hop]]:
        """The next hops by which smtp(8) will send the mail of each domain; a domain whose mail it does not is missing.

        Args:
            domains: also such as have no entry.
            transports: our rows of the transport table.
        """
        ours = {row.key: row.value for rows in transports.values() for row in rows}
        found: dict[str, list[Hop]] = {}
        for domain in domains:
            keys = (domain, *("." + one for one in parents_of(domain)))
            transport, colon, next_hop = next((ours[key] for key in keys if key in ours), "").partition(":")
            found[domain] = [Hop(transport, next_hop)] if colon else []
        unknown = [domain for domain, hops in found.items() if not hops and domain not in self._routes]
        routes = {**self._routes, **self._routing.routes_of_sent(unknown)}
        for domain, hops in found.items():
            if not hops and domain in routes:
                hops += [routes[domain].usual, *routes[domain].by_sender]
        for domain, some in self._hops_of_addresses.items():
            if domain in found:
                found[domain] += some
        return {
            domain: [hop for hop in hops if hop.transport in self._services] for domain, hops in found.items() if hops
        }

    def warnings(self, present: Sequence[DomainPolicy]) -> list[str]:
        """What a policy holds for beyond its domain, and what mail of its domain it does not hold for."""
        warnings = []
        uncovered: dict[str, list[str]] = defaultdict(list)
        sharing: dict[str, list[str]] = defaultdict(list)
        without_account = []
        for policy in present:
            routes = self.routes_of(policy)
            if policy.domain == EVERYTHING:
                continue  # it holds for every way, by main.cf
            shared = {
                hop.next_hop
                for route in routes
                for hop in (route.usual, *route.by_sender, *self._hops_of_addresses.get(policy.domain, ()))
                if hop.next_hop.lstrip(".") != policy.domain and hop.transport in self._services
            }
            for next_hop in shared:
                sharing[next_hop].append(policy.domain)
            for route in routes:
                unknown = [*route.unknown]
                unknown += [
                    f"the transport {one.transport}" for one in route.by_sender if one.transport not in self._services
                ]
                if unknown:
                    uncovered[" or ".join(dict.fromkeys(unknown))].append(policy.domain)
            if policy.account and any(route.by_sender for route in routes):
                without_account.append(policy.domain)
        for next_hop, domains in sorted(sharing.items()):
            whose = f"policy for {domains[0]} holds" if len(domains) == 1 else f"policies for {several(domains)} hold"
            warnings.append(f"the {whose} for all mail that leaves by {next_hop}")
        for ways, domains in uncovered.items():
            warnings.append(
                f"mail from senders that {ways} routes differently does not follow the policies for"
                f" {several(dict.fromkeys(domains))}; give these a relay_host to include it"
            )
        if self._unlisted_ways:
            warnings.append(
                f"{several(sorted(self._unlisted_ways))} cannot be listed: mail for single addresses that it sends"
                " another way does not follow the policy for their domain"
            )
        if without_account:
            warnings.append(
                f"mail from senders routed differently does not use the account for {several(without_account)};"
                " give these a relay_host to include it"
            )
        return warnings

    def hops(self, policy: DomainPolicy) -> tuple[str, list[str]]:
        """The usual next hop of a domain's mail, and all that smtp(8) may look its policy up by."""
        relay = relay_of(policy)
        if policy.domain != EVERYTHING:
            if relay:
                return relay, [relay]
            routes = self.routes_of(policy)
            others = (hop for route in routes for hop in route.by_sender if hop.transport in self._services)
            return routes[0].usual.next_hop, [
                *(route.usual.next_hop for route in routes),
                *(one.next_hop for one in others),
                *(one.next_hop for one in self._hops_of_addresses.get(policy.domain, ())),
            ]
        usual = self._routes[EVERYTHING].usual
        if relay and usual.next_hop != relay:
            raise Problem(
                f"a transport table or default_transport sends all mail to {usual.next_hop} and overrides relay_host",
                "remove it, or leave relay_host out",
                subject=policy.title,
                option="relay_host",
            )
        # without a host of its own each domain is its own next hop, and main.cf alone decides
        return usual.next_hop, [] if usual.next_hop == EVERYTHING else [usual.next_hop]

    def transports(self, policy: DomainPolicy) -> set[str]:
        """The services of master.cf by which a domain's mail leaves."""
        if policy.domain == EVERYTHING or policy.relay_host:
            return {clients.PLAIN}
        routes = self.routes_of(policy)
        some = [hop for route in routes for hop in (route.usual, *route.by_sender)]
        return {hop.transport for hop in (*some, *self._hops_of_addresses.get(policy.domain, ()))}
