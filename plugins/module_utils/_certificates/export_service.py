# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module for backups does on one host."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export import ExportPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.service import (
    CertificateService,
    Options,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan


class Exports(CertificateService):
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
