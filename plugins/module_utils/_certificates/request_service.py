# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module for requests does on one host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.must_staple import MUST_STAPLE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    RequestPlanner,
    check_copies,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.service import (
    CertificateService,
    Options,
    together,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    check_distinct,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site


class Requests(CertificateService):
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
        return together([_explained(self._planned(params), params) for params in things])

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
