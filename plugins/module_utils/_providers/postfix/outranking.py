# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others because of which smtp(8) would demand less than our policies say, or nothing at all.

They are refused, each with its place: what an administrator has written down is not overruled in silence, and a policy
that does not hold is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.fallback_relays import (
    refuse_weak_fallback,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.filters import (
    refuse_weak_filters,
    unknown_filters,
    weak_copies,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Rows
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import NamedHops
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.no_starttls import NoStarttls
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.other_tables import (
    OtherTables,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    Policy,
    by_key,
    keys_of,
    policies_of_others,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import Hop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand


class Outranking:
    """What goes before our policies.

    Args:
        host: the machine.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        settings: main.cf as it will be.
        rows: our TLS policy table as it will be.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], settings: Settings, rows: Rows) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._rows = rows

    def refuse(
        self,
        policies: Sequence[DomainPolicy],
        services: Mapping[str, Service],
        used: Iterable[Service],
        named: NamedHops,
        ways: Callable[[Iterable[str]], Mapping[str, Sequence[Hop]]],
    ) -> list[str]:
        """Warnings of what cannot be told, or is about single servers.

        Args:
            policies: all that are declared.
            services: the services of master.cf that are an smtp(8), by name.
            used: those by which mail of these domains leaves.
            named: the next hops that the configuration names.
            ways: answers the next hops by which the mail of each domain will leave.

        Raises:
            Problem: a setting goes before one of the policies.
        """
        other_tables = OtherTables(self._host, self._expanded, self._settings)
        if self._rows or any(policy.domain == EVERYTHING for policy in policies):
            other_tables.refuse_forgotten()
        warnings = NoStarttls(self._host, self._expanded, self._settings, used).refuse(policies)
        ours = by_key(self._rows)
        of_others = partial(policies_of_others, self._host, self._expanded)
        refuse_weak_fallback(policies, used, self._settings, ours, of_others)
        this_host = ThisHost(self._host, self._expanded)

        def policy_at(hop: Hop) -> Policy | None:
            service = services.get(hop.transport)
            if not service or this_host.is_at(hop.next_hop):
                return None

            def value(name: str) -> str:
                own = service.overrides.get(name) if service else None
                return expand(own.value, self._settings.value) if own else self._settings.expanded(name)

            policy = next((ours[key] for key in keys_of(hop.next_hop) if key in ours), Policy(value(LEVEL)))
            return in_effect(of_others([hop.next_hop]).get(hop.next_hop, policy), value)

        refuse_weak_filters(policies, (one for one in named.found() if one.filters), policy_at)
        warnings = [*warnings, *weak_copies(policies, named.copies, ways, policy_at)]
        warnings += unknown_filters(policies, named.unlisted_checks)
        return [*warnings, *other_tables.weaker_rows(policies, ours)]
