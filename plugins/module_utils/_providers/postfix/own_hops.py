# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hops within this host, such as to its content filter: they are no other host's, and need not speak TLS.

Where all outgoing mail must be encrypted they get rows of their own in our TLS policy table, with the level that has
held for them before. What is handed to a relay is not among them, even if a program of this host takes it: it may well
go out from there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Row
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import NamedHop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    Settings,
    level_in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    OutgoingStrength,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import Policy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand

OWNER = "(own)"  # to whom these rows belong in our table; no domain has such a name


def own_hops(
    named: Sequence[NamedHop], this_host: ThisHost, affected: Mapping[str, Service], others: Collection[str]
) -> set[str]:
    """The next hops within this host.

    Args:
        named: the hops that the configuration names.
        this_host: what stands for this host.
        affected: the services that are an smtp(8) and follow main.cf's level, by name.
        others: next hops that take mail for others.
    """
    return {
        one.hop.next_hop
        for one in named
        if one.hop.transport in affected
        and not one.relays
        and one.hop.next_hop not in others
        and this_host.is_at(one.hop.next_hop)
    }


def own_rows(hops: Collection[str], settings: Settings, strength: OutgoingStrength) -> tuple[Row, ...]:
    """The rows for next hops within this host."""
    value = strength.as_before(Policy(level_before(settings))).value
    return tuple(Row(one, value) for one in sorted(hops))


def level_before(settings: Settings) -> str:
    """The level of all mail without an entry, before it was ours."""
    return level_in_effect(expand(settings.before(LEVEL), settings.value), settings.value)


def follow_main_cf(services: Mapping[str, Service]) -> dict[str, Service]:
    """Of some services those without a level of their own."""
    return {name: one for name, one in services.items() if LEVEL not in one.overrides}
