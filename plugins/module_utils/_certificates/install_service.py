# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module for certificates does on one host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install import InstallPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.must_staple import (
    MUST_STAPLE,
    REMEDY_FOR_MUST_STAPLE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.service import (
    CertificateService,
    Options,
    together,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    check_distinct,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import WHY_NO_MORE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site


class Installations(CertificateService):
    """Certificates that are to be live.

    Args:
        site: the host.
        require_library: leaves the module where ``cryptography`` is missing.
        now: the time, UTC.
    """

    key = "certificates"
    noun = "certificates"

    def __init__(self, site: Site, require_library: Callable[[], None], now: datetime) -> None:
        super().__init__(site, require_library)
        self._now = now

    @cached_property
    def _planner(self) -> InstallPlanner:
        site = self.site
        return InstallPlanner(
            site.host,
            site.store,
            self._now,
            lambda: site.providers,  # not before the lock is taken
            check_mode=site.check_mode,
            require_library=self._require_library,
        )

    def look(self, things: Sequence[Options]) -> None:
        """Open what the CA and others have made."""
        for params in things:
            self._planner.look(params)

    def foreseen(self, thing: Options, provider: Provider) -> dict[str, Any]:
        """The certificate, and that it changes."""
        return {"name": thing["name"], "changed": True, "reason": WHY_NO_MORE.format(provider.name)}

    def plan(self, things: Sequence[Options]) -> ServicePlan:
        """The files that make the certificates live, and the daemons that must serve them."""
        check_distinct([params["name"] for params in things])
        plans = [self._planner.plan(params) for params in things]
        for plan in plans:
            self._refuse_down(plan)
            self._refuse_must_staple(plan)
        renewed: dict[str, set[str]] = {}
        for plan in plans:
            for daemon in plan.daemons:
                renewed.setdefault(daemon, set()).update([plan.result["name"]] if plan.leaf else ())
        planned = together(plans)
        served = [self.site.providers[daemon] for daemon in sorted(renewed)]
        for one in served:
            one.refuse_halted()
        planned.participants = served
        planned.proofs = self._proofs(renewed) if renewed else []
        planned.facts["activated"] = sorted(renewed)
        return planned

    def _proofs(self, renewed: Mapping[str, set[str]]) -> list[Callable[[], None]]:
        """For each daemon the proof that it serves what is renewed; names of certificates by daemon."""
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import prove_served
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import (
            dialogue_of,
        )

        for daemon in renewed:
            for protocol in self.site.providers[daemon].protocols:
                dialogue_of(protocol)  # loaded before anything is changed
        return [
            partial(prove_served, self.site.providers[daemon], names, self.site.store.leaf)
            for daemon, names in sorted(renewed.items())
            if names
        ]

    def _refuse_down(self, plan: Plan) -> None:
        """Raise Down where a daemon that gets the certificate has to be brought back first."""
        for provider in (self.site.providers[daemon] for daemon in plan.daemons):
            if not provider.running() and provider.mending():
                raise Down(provider)

    def _refuse_must_staple(self, plan: Plan) -> None:
        """Raise Problem where daemons would get a certificate that clients must refuse as these show it."""
        name = plan.result["name"]
        for daemon in plan.daemons if plan.result.get("must_staple") else ():
            provider = self.site.providers[daemon]
            for vserver in provider.read().values():
                if name in vserver.certificates and not provider.staples(vserver):
                    raise Problem(
                        f"it {MUST_STAPLE}, and {daemon}, which uses the live one for {vserver.title}, sends none",
                        REMEDY_FOR_MUST_STAPLE,
                        subject=title(name),
                    )
