# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for requests, certificates and backups do on one host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export import ExportPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install import InstallPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.must_staple import (
    MUST_STAPLE,
    REMEDY_FOR_MUST_STAPLE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    RequestPlanner,
    check_copies,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    check_distinct,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import prove_served
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import (
    WHY_NO_MORE,
    Service,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site

Options = Mapping[str, Any]  # one object of a module


class _CertificateService(Service[Options]):
    """What the three have in common.

    Args:
        site: the host.
        require_library: leaves the module where ``cryptography`` is missing.
    """

    def __init__(self, site: Site, require_library: Callable[[], None]) -> None:
        super().__init__(site)
        self._require_library = require_library

    def parse(self, element: Mapping[str, Any]) -> Options:
        """The options as they are: what they mean depends on what the store holds."""
        return element

    def summary(self, plan: ServicePlan) -> str:
        """Why each object changes or does not."""
        return "; ".join(f"{self.title(row)}: {row['reason']}" for row in plan.rows)


class Requests(_CertificateService):
    """Certificate requests.

    Args:
        site: the host.
        require_library: leaves the module where ``cryptography`` is missing.
        now: the time, UTC.
    """

    key = "requests"
    noun = "requests"

    def __init__(self, site: Site, require_library: Callable[[], None], now: datetime) -> None:
        super().__init__(site, require_library)
        self._planner = RequestPlanner(site.host, site.store, now, check_mode=site.check_mode)

    def plan(self, things: Sequence[Options]) -> ServicePlan:
        """The requests to be made or cancelled."""
        check_distinct([params["name"] for params in things])
        check_copies(things)
        return _together([_explained(self._planned(params), params) for params in things])

    def _planned(self, params: Options) -> Plan:
        if params["state"] == "present" and not has_cryptography():
            foreseen = self._planner.foresee(params) if self.site.check_mode else None
            if foreseen:
                return foreseen
            self._require_library()
        return self._planner.plan(params)


def _explained(plan: Plan, params: Options) -> Plan:
    """A plan with a warning where what is asked for is of no use to the daemons."""
    if params["state"] != "present" or not params["must_staple"]:
        return plan
    warning = f"{title(params['name'])}: with must_staple it {MUST_STAPLE}; mail_vserver_tls and mail_cert_install"
    warning += " refuse to bind it to a daemon that sends none, which is every one but a web server set up to staple"
    return replace(plan, warnings=[*plan.warnings, warning])


class Installations(_CertificateService):
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
        planned = _together(plans)
        served = [self.site.providers[daemon] for daemon in sorted(renewed)]
        for one in served:
            one.refuse_halted()
        planned.participants = served
        planned.proofs = [
            partial(prove_served, self.site.providers[daemon], names, self.site.store.leaf)
            for daemon, names in sorted(renewed.items())
            if names
        ]
        planned.facts["activated"] = sorted(renewed)
        return planned

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


class Exports(_CertificateService):
    """The backup of one certificate."""

    key = None
    noun = "backups"

    @cached_property
    def _planner(self) -> ExportPlanner:
        site = self.site
        return ExportPlanner(site.host, site.store, check_mode=site.check_mode, require_library=self._require_library)

    def look(self, things: Sequence[Options]) -> None:
        """Open the backup that is there already."""
        for params in things:
            self._planner.look(params)

    def plan(self, things: Sequence[Options]) -> ServicePlan:
        """The backup, where it has to be written."""
        plans = [self._planner.plan(params) for params in things]
        return ServicePlan(
            rows=[plan.result for plan in plans],
            changes=[change for plan in plans for change in plan.changes],
            files=[path for plan in plans for path in plan.result["files"]],
            foreseen=any(plan.result["changed"] for plan in plans),
        )

    def summary(self, plan: ServicePlan) -> str:
        """Why the backup is written or not."""
        return str(plan.rows[0]["reason"])


def _together(plans: Sequence[Plan]) -> ServicePlan:
    """What several objects come to. A check run may foresee a change without knowing the files' contents."""
    return ServicePlan(
        rows=[plan.result for plan in plans],
        changes=[change for plan in plans for change in plan.changes],
        warnings=[warning for plan in plans for warning in plan.warnings],
        diff=[plan.diff() for plan in plans],
        files=[path for plan in plans for path in plan.result["files"]],
        foreseen=any(plan.result["changed"] for plan in plans),
    )
