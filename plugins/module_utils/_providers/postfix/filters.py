# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content filters on other hosts, through which mail goes before it takes its own way (FILTER_README, access(5)).

smtp(8) looks up a TLS policy by the name of the filter then, so that what is demanded for a domain would not be
demanded of the host that sees its mail first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import (
    Copy,
    NamedHop,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    falls_short,
    least,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    TABLES,
    Policy,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import Hop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several


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
        over = next((each for each in demanding if _is_about(one.recipient, each) and falls_short(policy, each)), None)
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


def weak_copies(
    policies: Sequence[DomainPolicy],
    copies: Iterable[Copy],
    ways: Callable[[Iterable[str]], Mapping[str, Sequence[Hop]]],
    policy_at: Callable[[Hop], Policy | None],
) -> Iterator[str]:
    """Warnings of addresses that get mail of a policy besides, or instead, with less TLS than the policy demands.

    Args:
        policies: all that are declared.
        copies: who gets mail besides others, or instead of them.
        ways: answers the next hops by which smtp(8) will send the mail of each domain.
        policy_at: answers what is demanded at a hop; None where mail does not leave this host by it.
    """
    demanding = [one for one in policies if one.encrypted and one.domain != EVERYTHING]
    some = list(dict.fromkeys(copies)) if demanding else []
    hops = ways(list(dict.fromkeys(_domain_of(one.address) for one in some))) if some else {}
    for one in some:
        for hop in hops.get(_domain_of(one.address), ()):
            found = policy_at(hop)
            about = (each for each in demanding if _is_about(one.recipient, each))
            over = next((each for each in about if found and falls_short(found, each)), None)
            if found and over:
                yield (
                    f"{one.place} sends mail for {over.domain} to {one.address}, too, or instead, and of that hop"
                    f" ({hop.next_hop}) only {falls_short(found, over)} is demanded"
                )
                break


def unknown_filters(policies: Sequence[DomainPolicy], unlisted: Mapping[str, str]) -> list[str]:
    """A warning of tables that may send mail through a filter, or elsewhere, which cannot be told.

    Args:
        policies: all that are declared.
        unlisted: where each is named.
    """
    demanding = [one for one in policies if one.encrypted]
    if not demanding or not unlisted:
        return []
    said = several(f"{one} ({place})" for one, place in unlisted.items())
    warning = (
        f"{said} cannot be listed: where it answers FILTER, REDIRECT or BCC, mail takes another way first, of which"
        f" nothing is known; the level {demanding[0].tls} of {demanding[0].title} is not known to hold there"
    )
    return [warning]


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _is_about(recipient: str, policy: DomainPolicy) -> bool:
    """Whether mail for a recipient, a key of access(5), may be the policy's."""
    domain = recipient.rpartition("@")[2].lstrip(".")
    if not domain or "." not in domain:
        return True
    return domain == policy.domain or policy.domain.endswith(f".{domain}") or domain.endswith(f".{policy.domain}")
