# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain security of one host: read -> plan -> apply, for the daemon that sends its mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.preflight import (
    FAIL,
    OFF,
    foresee,
    stuck,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import DomainProvider, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.levels import exceptions, unauthenticated
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.cleartext_audit import uncovered


@dataclass
class Outcome:
    """What a call did, or would do in check mode.

    Attributes:
        domains: for each domain ``domain``, ``next_hop``, ``other_next_hops``, ``tls``, ``authenticated``,
            ``inbound``, ``changed`` and ``reason``.
        files: paths written.
        diff: entries for the module's diff.
        provider: the daemon.
        uncovered: virtual servers that let this host's own users in in clear text, while mail to others must be
            encrypted.
        unreachable: for each domain whose servers will not take its mail any more ``domain``, ``next_hop``, ``cause``
            and ``reason``.
        untried: how many domains the preflight has not looked at.
        stuck: for each domain with mail that waits for want of TLS ``domain``, ``messages``, ``queue_ids`` and
            ``reason``.
        mta_sts: whether the MTA-STS policies of domains without an entry are followed.
        warnings: what the administrator should know.
    """

    provider: str
    domains: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    unreachable: list[dict[str, Any]] = field(default_factory=list)
    untried: int = 0
    stuck: list[dict[str, Any]] = field(default_factory=list)
    mta_sts: bool = False
    warnings: list[str] = field(default_factory=list)


def _sender(providers: Mapping[str, Provider], wanted: str) -> DomainProvider:
    """The daemon that sends this host's mail: the one that is asked for, or the one that runs."""
    able = [one for one in providers.values() if isinstance(one, DomainProvider) and wanted in ("auto", one.name)]
    for provider in able:
        if provider.running():
            return provider
    if able:
        raise Problem(
            f"{able[0].name} is installed but does not run",
            able[0].remedy_where_down(),
            option="provider" if wanted != "auto" else "",
        )
    if wanted != "auto":
        raise Problem(f"{wanted} is not installed on this host", "install it, or leave provider out", option="provider")
    raise Problem("no daemon that sends mail is installed on this host", "install one (Debian: apt install postfix)")


def _refuse_doubles(policies: Sequence[DomainPolicy]) -> None:
    seen = set()
    for policy in policies:
        if policy.domain in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=policy.title, option="domain"
            )
        seen.add(policy.domain)


def _inbound_of(policy: DomainPolicy) -> str:
    """What is demanded of the domain's own mail, as the result says it."""
    if policy.inbound is None:
        return ""
    return "certificate" if policy.inbound.fingerprints else "tls"


def secure_domains(
    host: Host,
    providers: Mapping[str, Provider],
    transaction: Transaction,
    policies: Sequence[DomainPolicy],
    *,
    purge: bool,
    ca_file: str,
    mta_sts: bool | None,
    preflight: str = OFF,
    wanted: str = "auto",
) -> Outcome:
    """Make the host treat each remote domain as its policy says, by the provider that is wanted.

    Args:
        host: the machine.
        providers: the installed daemons.
        transaction: what carries the plan out.
        policies: what is demanded of each domain.
        purge: whether our entries for any other domain are removed.
        ca_file: PEM file of the roots that peers are verified against; empty to keep the daemon's own.
        mta_sts: whether the MTA-STS policies of domains without an entry are followed; None to leave that as it is.
        preflight: ``off``, ``warn`` or ``fail``: whether destinations are looked at before TLS is demanded of them.
        wanted: name of the daemon that is to send, or ``auto``.

    Raises:
        Problem: it cannot be done; the host is as it was.
    """
    _refuse_doubles(policies)
    provider = _sender(providers, wanted)
    for demanding in policies:
        if demanding.present and demanding.inbound and not provider.inbound:
            raise Problem(
                f"{provider.name}, which this host's mail goes through, cannot be told to demand TLS of one partner",
                "leave inbound out; only Postfix can do that",
                subject=demanding.title,
                option="inbound",
            )
    if ca_file and host.state(ca_file) is None and not transaction.check_mode:
        raise Problem(f"{ca_file} is not there", "name a file of CA certificates on the host", option="ca_file")
    plan = provider.plan_domains(policies, purge=purge, ca_file=ca_file, mta_sts=mta_sts)
    if preflight == FAIL and plan.demands is None:
        raise Problem(
            f"whom a demand would cut off cannot be foreseen for {provider.name}",
            "set preflight to warn or off; only for Postfix there is more",
            option="preflight",
        )
    changes = needed(plan.changes, host)
    outcome = Outcome(
        provider=provider.name,
        files=[change.path for change in changes],
        diff=[change.diff(host) for change in changes],
        mta_sts=plan.mta_sts,
        warnings=list(plan.warnings),
    )
    by_domain = {policy.domain: policy for policy in policies}
    for one in plan.outcomes:
        policy = by_domain.get(one.domain)
        present = policy is not None and policy.present
        outcome.domains.append(
            {
                "domain": one.domain,
                "next_hop": one.next_hop,
                "other_next_hops": list(one.other_next_hops),
                "tls": policy.tls if policy and present else "",
                "authenticated": bool(policy and present and policy.authenticated),
                "inbound": _inbound_of(policy) if policy and present else "",
                "changed": bool(one.reason),
                "reason": one.reason or "as desired",
            }
        )
    outcome.warnings += unauthenticated(policies)
    declared = {policy.domain for policy in policies if policy.present}
    # a new level for all other mail is measured against the entries of earlier calls as well
    looked_at = plan.levels if EVERYTHING in declared else {name: plan.levels.get(name, "") for name in declared}
    outcome.warnings += exceptions(looked_at, plan.default_level)
    if any(policy.present and policy.encrypted for policy in policies):
        outcome.uncovered, silent = uncovered(providers.values())
        if outcome.uncovered:
            outcome.warnings.append(
                "mail to others must be encrypted, but users of this host use it in clear text:"
                f" {', '.join(outcome.uncovered)}; require the secure channel with mail_vserver_tls"
            )
        outcome.warnings += [f"whether users use this host in clear text is not known ({one})" for one in silent]
    if changes and preflight != OFF:
        foreseen = foresee(host, provider, plan, policies, check_mode=transaction.check_mode)
        if preflight == FAIL:
            foreseen.refuse()
        outcome.unreachable, outcome.untried = foreseen.unreachable, foreseen.untried
        outcome.warnings += foreseen.warnings
    if changes:
        transaction.apply(changes, [provider])
    if preflight != OFF:
        outcome.stuck, told = stuck(provider, policies)
        outcome.warnings += told
    return outcome
