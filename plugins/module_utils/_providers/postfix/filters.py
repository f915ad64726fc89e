# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content filters on other hosts, through which mail goes before it takes its own way (FILTER_README, access(5)).

smtp(8) looks up a TLS policy by the name of the filter then, so that what is demanded for a domain would not be
demanded of the host that sees its mail first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import NamedHop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    falls_short,
    least,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    TABLES,
    Policy,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import Hop


def refuse_weak_filters(
    policies: Sequence[DomainPolicy], filters: Iterable[NamedHop], policy_at: Callable[[Hop], Policy | None]
) -> None:
    """Raise Problem where mail may go through a filter with less TLS than one of the policies demands.

    Args:
        policies: all that are declared. That for all mail holds for filters, too.
        filters: the content filters that the configuration names.
        policy_at: answers what is demanded at a hop; None where mail does not leave this host by it.
    """
    demanding = [one for one in policies if one.encrypted and one.domain != EVERYTHING]
    for one in filters if demanding else ():
        policy = policy_at(one.hop) if one.hop.next_hop else None
        if policy is None:
            continue
        over = next((each for each in demanding if _is_about(one, each) and falls_short(policy, each)), None)
        if over:
            next_hop = one.hop.next_hop
            raise Problem(
                f"{one.place} has mail go by {one.hop.transport}:{next_hop} first, of which only"
                f" {falls_short(policy, over)} is demanded",
                f"let that host speak TLS and give '{next_hop} {least(over).value}' to a table in {TABLES}, or take"
                " that filter out",
                subject=over.title,
                option="tls",
            )


def _is_about(hop: NamedHop, policy: DomainPolicy) -> bool:
    """Whether the mail that takes a filter may be the policy's."""
    domain = hop.recipient.rpartition("@")[2].lstrip(".")
    if not domain or "." not in domain:
        return True
    return domain == policy.domain or policy.domain.endswith(f".{domain}") or domain.endswith(f".{policy.domain}")
