# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which domains a new TLS requirement cuts off: tried beforehand, and seen in the queue afterwards."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains import preflight_client as _preflight
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    EVERYTHING,
    DomainPolicy,
    QueuedMail,
    TlsRequirement,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import (
    DomainPlan,
    DomainProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_also, trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.resolver import servers_in

OFF, WARN, FAIL = "off", "warn", "fail"
MOST_QUEUE_IDS = 20  # shown for each domain
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]{1,3}")
_REASONS_SHOWN = 5
_VERIFYING = ("verify", "secure")
_WORDS = {
    _preflight.NO_TLS: "mail to {} will stay in the queue because TLS is not available there",
    _preflight.CERTIFICATE: "mail to {} will stay in the queue because the certificates there are not as required",
    _preflight.NO_LOGIN: "mail to {} will stay in the queue because no login is possible there",
    _preflight.NO_ANSWER: "cannot tell whether mail to {} can be sent as required, because no server answers there now",
}


@dataclass
class Foreseen:
    """What a plan will lead to.

    Attributes:
        unreachable: for each domain that could no longer be sent to ``domain``, ``next_hop``, ``cause`` and ``reason``.
        untried: how many domains were not tried.
        cut_off: what could no longer be sent, in words, each with what was seen.
        silent: what no server answers for at the moment, in words.
        warnings: what the administrator should know.
    """

    unreachable: list[dict[str, Any]] = field(default_factory=list)
    untried: int = 0
    cut_off: list[tuple[str, str]] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self) -> None:
        """Raise Problem where a domain would be cut off. A server that does not answer now is no reason."""
        if not self.cut_off:
            return
        told = "; ".join(f"{whose}: {reason}" for whose, reason in self.cut_off[:_REASONS_SHOWN])
        more = f"; and {len(self.cut_off) - _REASONS_SHOWN} more" if len(self.cut_off) > _REASONS_SHOWN else ""
        also = f", and no server answers at the moment for {several(self.silent)}" if self.silent else ""
        raise Problem(
            f"mail could no longer be sent to {several(whose for whose, _reason in self.cut_off)} ({told}{more}){also}",
            "have it fixed there, give these domains an entry with a weaker level, or set preflight to warn",
            option="preflight",
        )


def _hashed(host: Host, directory: str) -> bytes:
    """The certificates in a directory, from the files that OpenSSL would find there (openssl-rehash(1))."""
    names = [name for name in host.names_in(directory) if _HASHED.fullmatch(name)]
    return b"\n".join(host.read(os.path.join(directory, name)) or b"" for name in names)


def foresee(
    host: Host, provider: DomainProvider, plan: DomainPlan, policies: Sequence[DomainPolicy], *, check_mode: bool
) -> Foreseen:
    """Connect to the servers of which a plan requires more than before.

    Raises:
        Problem: the queue or the file of roots cannot be read.
    """
    requirements = _new_requirements(provider, plan, policies)
    if not requirements or plan.demands is None:
        return Foreseen()
    found = Foreseen()
    # where nothing is verified the roots do not matter, and may be unreadable
    verifies = any(one.level in _VERIFYING for one in requirements)
    ca_file = plan.demands.ca_file if verifies else ""
    if check_mode and ca_file and host.state(ca_file) is None:  # an earlier task may put it there
        found.warnings.append(
            f"{ca_file} does not exist yet, so the preflight has not verified certificates against it"
        )
        requirements = [replace(one, level="encrypt") if one.level in _VERIFYING else one for one in requirements]
        ca_file = ""
    more = _hashed(host, plan.demands.ca_directory) if verifies and plan.demands.ca_directory else b""

    def trust() -> ssl.SSLContext:
        context = trust_store(ca_file)
        if more:
            trust_also(context, more)
        return context

    seen = _preflight.look(requirements, trust, servers_in(host.read_text(plan.demands.resolv_conf)))
    found.unreachable = [
        {"domain": one.domain, "next_hop": one.next_hop, "cause": fault.cause, "reason": fault.reason}
        for one, fault in seen.faults
    ]
    found.cut_off = [(_said(one), fault.reason) for one, fault in seen.faults if fault.cause != _preflight.NO_ANSWER]
    found.silent = [_said(one) for one, fault in seen.faults if fault.cause == _preflight.NO_ANSWER]
    for cause, words in _WORDS.items():
        whose = dict.fromkeys(_said(one) for one, fault in seen.faults if fault.cause == cause)
        if whose:
            found.warnings.append(f"{words.format(several(whose))}; see unreachable_domains")
    untried = dict.fromkeys(_said(one) for one in seen.untried)
    found.untried = len(untried)
    if untried:
        found.warnings.append(
            f"the preflight has not tried {several(untried)}: there were too many destinations, or they took too long"
        )
    return found


def _said(requirement: TlsRequirement) -> str:
    """Whose mail a requirement is about."""
    if requirement.named_in:
        return f"{requirement.next_hop} ({requirement.named_in})"
    return "all other domains" if requirement.domain == EVERYTHING else requirement.domain


def _new_requirements(
    provider: DomainProvider, plan: DomainPlan, policies: Sequence[DomainPolicy]
) -> list[TlsRequirement]:
    """New requirements: for the declared domains first, then for those that have mail in the queue."""
    if plan.demands is None:
        return []
    domains = [policy.domain for policy in policies if policy.present]
    domains += plan.demands.updated
    if plan.demands.of_others:
        domains += [one.domain for one in provider.queue()]
    return list(plan.demands.of(list(dict.fromkeys(domains))))


# ---- afterwards


def stuck(provider: DomainProvider, policies: Sequence[DomainPolicy]) -> tuple[list[dict[str, Any]], list[str]]:
    """Mail that waits because TLS is not available as these policies require it, by domain; and warnings."""
    present = {policy.domain: policy for policy in policies if policy.present}
    if not any(_requires_tls(policy) for policy in present.values()):
        return [], []
    try:
        queue = provider.queue()
    except Problem as exc:  # the change itself has been made by now
        return [], [f"cannot tell whether mail is waiting for TLS: {exc.found}"]
    by_domain: dict[str, list[QueuedMail]] = {}
    for one in queue:
        policy = _policy_for(one.domain, present) if one.wants_tls else None
        if policy and _requires_tls(policy):
            by_domain.setdefault(one.domain, []).append(one)
    found = []
    for domain, waiting in sorted(by_domain.items()):
        ids = list(dict.fromkeys(one.queue_id for one in waiting))
        found.append(
            {
                "domain": domain,
                "messages": len(ids),
                "queue_ids": ids[:MOST_QUEUE_IDS],
                "reason": waiting[0].reason,
            }
        )
    if not found:
        return [], []
    messages = len({one.queue_id for waiting in by_domain.values() for one in waiting})
    how_many = "1 message is" if messages == 1 else f"{messages} messages are"
    return found, [
        f"{how_many} waiting in the queue because TLS is not available as required: for {several(sorted(by_domain))}"
    ]


def _requires_tls(policy: DomainPolicy) -> bool:
    return policy.encrypted or policy.tls == "dane"


def _policy_for(domain: str, present: dict[str, DomainPolicy]) -> DomainPolicy | None:
    """The policy for a domain: its own, that of a domain above it, or that of all outgoing mail."""
    if domain in present:
        return present[domain]
    above = domain
    while "." in above:
        above = above.partition(".")[2]
        if above in present and present[above].subdomains:
            return present[above]
    return present.get(EVERYTHING)
