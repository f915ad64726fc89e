# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain security of one host, set up in the daemon that sends its mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains import options
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.cleartext_audit import (
    cleartext_vservers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.preflight import (
    FAIL,
    OFF,
    Foreseen,
    foresee,
    stuck,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.sender import sender
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import (
    FileChange,
    make_daemons_reload,
    needed,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import (
    DomainOutcome,
    DomainPlan,
    DomainProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.capability_check import (
    refuse_unsupported,
    used_by_domains,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import Note, ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import (
    WHY_NO_MORE,
    Service,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import (
    exceptions,
    unauthenticated,
)


@dataclass(frozen=True)
class CallOptions:
    """The options of a call that are about no single domain.

    Attributes:
        purge: whether our entries for all other domains are removed.
        ca_file: PEM file of the roots that peers are verified against; empty to keep the daemon's own.
        mta_sts: whether the MTA-STS policies of domains without an entry are followed; None to leave that as it is.
        preflight: ``off``, ``warn`` or ``fail``: whether to connect to the servers concerned before TLS is required
            of them.
        provider: name of the daemon that sends the host's mail, or ``auto``.
    """

    purge: bool = False
    ca_file: str = ""
    mta_sts: bool | None = None
    preflight: str = OFF
    provider: str = "auto"

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> CallOptions:
        """From the options of the module."""
        return cls(
            purge=params["purge"],
            ca_file=params["ca_file"] or "",
            mta_sts=params["mta_sts"],
            preflight=params["preflight"],
            provider=params["provider"],
        )


class Domains(Service[DomainPolicy]):
    """How this host sends mail to remote domains, and takes theirs.

    Args:
        site: the host.
        call: the options of the whole call.
    """

    key = "domains"
    noun = "domains"

    def __init__(self, site: Site, call: CallOptions) -> None:
        super().__init__(site)
        self._call = call

    def parse(self, element: Mapping[str, Any]) -> DomainPolicy:
        """One object of the module as a policy."""
        return options.parse(element)

    def title(self, row: Mapping[str, Any]) -> str:
        """The domain."""
        return str(row["domain"])

    def foreseen(self, thing: DomainPolicy, provider: Provider) -> dict[str, Any]:
        """The domain, and that it changes."""
        return {"domain": thing.domain, "changed": True, "reason": WHY_NO_MORE.format(provider.name)}

    def plan(self, things: Sequence[DomainPolicy]) -> ServicePlan:
        """The files of the sending daemon that must change, and whose mail would be cut off."""
        _refuse_duplicates(things)
        provider = sender(self.site, self._call.provider)
        uses = used_by_domains(things, mta_sts=self._call.mta_sts, preflight_fails=self._call.preflight == FAIL)
        refuse_unsupported(provider, uses)
        self._check_ca_file()
        planned = provider.plan_domains(
            things, purge=self._call.purge, ca_file=self._call.ca_file, mta_sts=self._call.mta_sts
        )
        changes = needed(planned.changes, self.site.host)
        open_vservers, audit_warnings = self._cleartext_audit(things)
        foreseen = self._preflight(provider, planned, things, changes)
        return ServicePlan(
            rows=_rows(planned.outcomes, things),
            changes=changes,
            participants=[provider] if make_daemons_reload(changes, self.site.host) else [],
            facts={
                "provider": provider.name,
                "mta_sts": planned.mta_sts,
                "uncovered_vservers": open_vservers,
                "unreachable_domains": foreseen.unreachable,
                "untried_domains": foreseen.untried,
                "stuck_mail": [],
            },
            warnings=[
                *planned.warnings,
                *unauthenticated(things),
                *_exceptions(planned, things),
                *audit_warnings,
                *foreseen.warnings,
            ],
            afterwards=self._queue_check(provider, things),
        )

    def _check_ca_file(self) -> None:
        ca_file = self._call.ca_file
        if not ca_file:
            return
        try:
            there = self.site.host.read(ca_file) is not None
        except Problem as exc:
            raise exc.about(option="ca_file") from exc
        if not there and not self.site.check_mode:
            raise Problem(f"{ca_file} does not exist", "name a file of CA certificates on the host", option="ca_file")

    def _cleartext_audit(self, policies: Sequence[DomainPolicy]) -> tuple[list[str], list[str]]:
        """Virtual servers that the host's own users use in clear text, where others must encrypt; and warnings."""
        if not any(policy.present and policy.encrypted for policy in policies):
            return [], []
        found, unknown = cleartext_vservers(self.site.providers.values())
        warnings = [f"cannot tell whether users connect to this host in clear text ({one})" for one in unknown]
        if found:
            warnings.insert(
                0,
                "mail to others must be encrypted, but this host's own users can connect in clear text to:"
                f" {', '.join(found)}; require the secure channel with mail_vserver_tls",
            )
        return found, warnings

    def _preflight(
        self,
        provider: DomainProvider,
        planned: DomainPlan,
        policies: Sequence[DomainPolicy],
        changes: Sequence[FileChange],
    ) -> Foreseen:
        if not changes or self._call.preflight == OFF:
            return Foreseen()
        foreseen = foresee(self.site.host, provider, planned, policies, check_mode=self.site.check_mode)
        if self._call.preflight == FAIL:
            foreseen.refuse()
        return foreseen

    def _queue_check(self, provider: DomainProvider, policies: Sequence[DomainPolicy]) -> Callable[[], Note] | None:
        """Looks for mail that waits because the policies cannot be met."""
        if self._call.preflight == OFF:
            return None

        def look() -> Note:
            mail, warnings = stuck(provider, policies)
            return Note({"stuck_mail": mail}, warnings)

        return look


def _refuse_duplicates(policies: Sequence[DomainPolicy]) -> None:
    seen = set()
    for policy in policies:
        if policy.domain in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=policy.title, option="domain"
            )
        seen.add(policy.domain)


def _rows(outcomes: Sequence[DomainOutcome], policies: Sequence[DomainPolicy]) -> list[dict[str, Any]]:
    declared = {policy.domain: policy for policy in policies if policy.present}
    return [_row(one, declared.get(one.domain)) for one in outcomes]


def _row(outcome: DomainOutcome, policy: DomainPolicy | None) -> dict[str, Any]:
    return {
        "domain": outcome.domain,
        "next_hop": outcome.next_hop,
        "other_next_hops": list(outcome.other_next_hops),
        "tls": policy.tls if policy else "",
        "authenticated": bool(policy and policy.authenticated),
        "strength": policy.strength if policy and policy.encrypted else "",
        "require_128_bit": bool(policy and policy.require_128_bit),
        "inbound": _inbound_of(policy) if policy else "",
        "changed": bool(outcome.reason),
        "reason": outcome.reason or "as desired",
    }


def _inbound_of(policy: DomainPolicy) -> str:
    """What is required of the domain's own mail, as the result says it."""
    if policy.inbound is None:
        return ""
    return "certificate" if policy.inbound.fingerprints else "tls"


def _exceptions(planned: DomainPlan, policies: Sequence[DomainPolicy]) -> list[str]:
    """Warnings of domains that are protected less than all other mail."""
    declared = {policy.domain for policy in policies if policy.present}
    # a new level for all other mail is measured against the entries of earlier calls as well
    compared = planned.levels if EVERYTHING in declared else {name: planned.levels.get(name, "") for name in declared}
    return exceptions(compared, planned.default_level)
