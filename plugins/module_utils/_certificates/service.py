# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for requests, certificates and backups have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site

Options = Mapping[str, Any]  # one object of a module


class CertificateService(Service[Options]):
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


def together(plans: Sequence[Plan]) -> ServicePlan:
    """What several objects come to. A check run may foresee a change without knowing the files' contents."""
    return ServicePlan(
        rows=[plan.result for plan in plans],
        changes=[change for plan in plans for change in plan.changes],
        warnings=[warning for plan in plans for warning in plan.warnings],
        diff=[plan.diff() for plan in plans],
        files=[path for plan in plans for path in plan.result["files"]],
        foreseen=any(plan.result["changed"] for plan in plans),
    )
