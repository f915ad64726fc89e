# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to change for virtual servers, for each daemon that serves them and each that helps one of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import (
    FileChange,
    SettingsChange,
    make_daemons_reload,
    needed,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down, Plan, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.capability_check import (
    refuse_unsupported,
    used_by_vservers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.certificates import Certificates
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import loosened
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.options import DEFAULT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import (
    Found,
    choose,
    names_by_port,
    refuse_taken_sockets,
)


@dataclass
class DaemonPlan:
    """What has to be done to one daemon.

    Attributes:
        provider: the daemon.
        vservers: the desired virtual servers.
        before: what it serves now.
        changes: files that differ.
        settings: settings kept elsewhere than in files that differ.
        helps: whether another daemon needs what it offers.
        stale: why it has to reload although its files are right; empty where it need not.
        lost: whom the administrator's own settings let in, and these do not, by virtual server.
        given_up: what the administrator's own settings demand of clients, and these do not, by virtual server.
    """

    provider: Provider
    vservers: Sequence[Vserver] = ()
    before: Found = field(default_factory=dict)
    changes: list[FileChange] = field(default_factory=list)
    settings: list[SettingsChange] = field(default_factory=list)
    helps: bool = False
    stale: str = ""
    lost: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    given_up: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether its configuration is to be changed."""
        return bool(self.changes or self.settings)

    def must_reload(self, host: Host) -> bool:
        """Whether what the daemon has loaded is to be changed, or it has not read what there is."""
        return bool(self.settings or self.stale) or make_daemons_reload(self.changes, host)

    @property
    def targets(self) -> list[str]:
        """Where its configuration is to be changed."""
        return [change.path for change in self.changes] + [settings.target for settings in self.settings]

    @property
    def afterwards(self) -> list[Vserver]:
        """The virtual servers that it will have."""
        desired = {one.key for one in self.vservers}
        others = [one for key, one in self.before.items() if key not in desired]
        return [*(one for one in self.vservers if one.present), *others]


def plan_daemons(
    site: Site, vservers: Sequence[Vserver], certificates: Certificates
) -> tuple[list[DaemonPlan], list[str]]:
    """What has to be done to each daemon concerned, and warnings.

    Args:
        site: the host.
        vservers: the desired virtual servers.
        certificates: the live certificates.

    Raises:
        Problem: no daemon can do what is asked.
    """
    serving = _serving(site, vservers)
    plans = dict(serving)
    warnings: list[str] = []
    changes: dict[str, list[FileChange]] = {name: [] for name in serving}
    for name, one in serving.items():
        warnings += _untried_version(one.provider)
        for vserver in one.vservers:
            if vserver.present:
                changes[name] += certificates.copies(one.provider, vserver)
                warnings += certificates.uncovered(one.provider, vserver)
        warnings += _weaker(one)
        planned = one.provider.plan(one.vservers)
        changes[name] += planned.changes
        leaving = not all(vserver.present for vserver in one.vservers)
        unused, kept = certificates.unused_copies(
            one.provider, planned, one.before.values(), one.afterwards, leaving=leaving
        )
        changes[name] += unused
        warnings += kept
        one.settings += planned.settings
        one.lost, one.given_up = planned.lost, planned.given_up
        warnings += planned.warnings
        for socket in planned.needs:
            helper, files = _offer(site, socket, one.provider, one.vservers[0])
            plans.setdefault(helper.name, DaemonPlan(helper)).helps = True
            changes.setdefault(helper.name, []).extend(files)
        for helper, files in _withdrawals(site.providers, planned):
            plans.setdefault(helper.name, DaemonPlan(helper))
            changes.setdefault(helper.name, []).extend(files)
    for name, some in changes.items():
        # where two virtual servers want the same file, the later one's is complete
        final = list({change.path: change for change in some}.values())
        plans[name].changes += needed([*final, *plans[name].provider.complete(final)], site.host)
    return [one for name, one in plans.items() if one.differs or name in serving], warnings


def _serving(site: Site, vservers: Sequence[Vserver]) -> dict[str, DaemonPlan]:
    """The virtual servers by the daemon that is to serve them, with what it serves now."""
    sockets = site.sockets()
    listening = names_by_port(sockets)
    served: dict[str, list[Vserver]] = {}
    for vserver in vservers:
        provider = choose(vserver, site.providers, site.known, listening)
        served.setdefault(provider.name, []).append(vserver)
    for name, some in served.items():
        refuse_unsupported(site.providers[name], used_by_vservers(some, DEFAULT))
    before = {name: site.providers[name].read() for name in served}
    refuse_taken_sockets(served, before, site.providers, sockets, site.host)
    return {name: _never_below(site.providers[name], some, before[name]) for name, some in served.items()}


def _never_below(provider: Provider, vservers: Sequence[Vserver], before: Found) -> DaemonPlan:
    """The plan for a daemon, in which options that are left out do not weaken what stands."""
    desired = [provider.never_below(one, before.get(one.key)) if one.present else one for one in vservers]
    return DaemonPlan(provider, desired, before)


def _weaker(plan: DaemonPlan) -> list[str]:
    """Warnings of what becomes weaker than it was."""
    return [
        f"{vserver.title} becomes weaker than before: {'; '.join(found)}"
        for vserver in plan.vservers
        if vserver.present
        for found in (loosened(plan.before.get(vserver.key), vserver),)
        if found
    ]


def _untried_version(provider: Provider) -> list[str]:
    capabilities = provider.capabilities()
    if capabilities.known:
        return []
    version = ".".join(str(part) for part in capabilities.version)
    return [f"{provider.name} {version} is newer than any version this collection was tested with"]


def _offer(site: Site, socket: SaslSocket, asking: Provider, vserver: Vserver) -> tuple[Provider, Sequence[FileChange]]:
    """The daemon that can check passwords at a socket, and the files with which it does."""
    for provider in site.providers.values():
        try:
            files = provider.offer(socket)
        except Problem as exc:
            if provider.running():
                raise
            raise Down(provider, subject=vserver.title, option="protocol") from exc
        if files is not None:
            return provider, files
    raise Problem(
        "nothing on this host can check the passwords of those who log in",
        asking.remedy_for_no_password_check(),
        subject=vserver.title,
        option="protocol",
    )


def _withdrawals(providers: Mapping[str, Provider], planned: Plan) -> Iterator[tuple[Provider, Sequence[FileChange]]]:
    """Files that take back offers which nobody needs any more."""
    for socket in planned.unneeded:
        for provider in providers.values():
            files = provider.withdraw(socket)
            if files:
                yield provider, files
