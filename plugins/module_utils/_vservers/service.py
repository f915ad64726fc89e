# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual servers of one host, over all daemons that serve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import (
    WHY_NO_MORE,
    Service,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import GUIDELINE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import options
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.certificates import Certificates
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import (
    DaemonPlan,
    plan_daemons,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.proof import (
    Proof,
    refuse_overridden,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import (
    refuse_foreign_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.result import (
    rows,
    unknown_row,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import dialogue_of


class Vservers(Service[Vserver]):
    """Virtual servers.

    Args:
        site: the host.
        passphrases: open the keys of certificates, by the certificate's name.
    """

    key = "vservers"
    noun = "virtual servers"

    def __init__(self, site: Site, passphrases: Mapping[str, str] | None = None) -> None:
        super().__init__(site)
        self._passphrases = passphrases or {}

    def parse(self, element: Mapping[str, Any]) -> Vserver:
        """One object of the module as a virtual server."""
        return options.parse(element)

    def title(self, row: Mapping[str, Any]) -> str:
        """Protocol and name."""
        return f"{row['protocol']}/{row['name']}"

    def concerns(self, thing: Vserver, provider: Provider) -> bool:
        """Whether it may serve the virtual server."""
        return thing.protocol in provider.protocols and thing.provider in ("", provider.name)

    def foreseen(self, thing: Vserver, provider: Provider) -> dict[str, Any]:
        """Protocol and name, and that it changes."""
        return unknown_row(
            thing, provider.name if self.concerns(thing, provider) else "", WHY_NO_MORE.format(provider.name)
        )

    def plan(self, things: Sequence[Vserver]) -> ServicePlan:
        """The files and settings that must change, and the daemons that must reload."""
        _refuse_duplicates(things)
        refuse_foreign_addresses(one for one in things if one.present)
        site = self.site
        certificates = Certificates(site.host, site.store, self._passphrases, check_mode=site.check_mode)
        plans, warnings = plan_daemons(site, things, certificates)
        proof = Proof(site.host, site.store)
        for thing in things:
            dialogue_of(thing.protocol)  # loaded before anything is changed
        for one in plans:
            if not one.must_reload(site.host):
                refuse_overridden(one, one.before, site.store)
                one.stale = proof.not_in_effect(one)
        reloaded = self._reloaded(plans)
        changes = [change for one in plans for change in one.changes]
        return ServicePlan(
            rows=[row for one in plans for row in self._rows(one)],
            changes=sorted(changes, key=lambda change: not change.prerequisite),
            settings=[settings for one in plans for settings in one.settings],
            participants=[one.provider for one in reloaded],
            proofs=[partial(proof.confirm, plans)],
            facts={"activated": [one.provider.name for one in reloaded], "guideline": GUIDELINE},
            warnings=warnings,
            afterwards=partial(proof.note, plans),
        )

    def _reloaded(self, plans: Sequence[DaemonPlan]) -> list[DaemonPlan]:
        """The daemons that must reload. One that checks passwords for another must be ready when that one asks."""
        installed = list(self.site.providers)
        concerned = [one for one in plans if one.must_reload(self.site.host)]
        return sorted(concerned, key=lambda one: (not one.helps, installed.index(one.provider.name)))

    def _rows(self, plan: DaemonPlan) -> list[dict[str, Any]]:
        store, name = self.site.store, plan.provider.name
        copies = {store.deployed_path(name, each): each for each in store.names()}
        renewed = {copies[change.path] for change in plan.changes if change.path in copies}
        return rows(plan, renewed)


def _refuse_duplicates(vservers: Sequence[Vserver]) -> None:
    seen: set[tuple[str, str]] = set()
    for vserver in vservers:
        if vserver.key in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=vserver.title, option="protocol"
            )
        seen.add(vserver.key)
