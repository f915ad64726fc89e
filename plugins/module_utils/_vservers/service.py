# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers of one host: read -> plan -> apply -> probe, over all daemons that serve them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import (
    FileChange,
    SettingsChange,
    needed,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Plan, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.certificates import (
    Certificates,
    refuse_beyond,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import differences
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.options import DEFAULT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.probe import PATIENCE, expected, prove
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import (
    choose,
    listeners,
    refuse_foreign_addresses,
    refuse_taken_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.result import reports

Found = Mapping[tuple[str, str], Vserver]


@dataclass
class Outcome:
    """What a call did, or would do in check mode.

    Attributes:
        vservers: for each virtual server ``protocol``, ``name``, ``provider``, ``changed``, ``reason``, ``before``
            and ``after`` (None where it is not there), ``oldest_clients`` and ``cut_off``.
        files: paths written.
        diff: entries for the module's diff.
        activated: daemons that were made to read their configuration again.
        warnings: what the administrator should know.
    """

    vservers: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    activated: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Work:
    """What has to be done to one daemon.

    Attributes:
        vservers: the desired virtual servers.
        before: what it serves now.
        changes: files that differ.
        settings: settings kept elsewhere that differ.
        stale: why it has to read its files again although they are right; empty where it has not.
    """

    vservers: list[Vserver]
    before: Found
    changes: list[FileChange] = field(default_factory=list)
    settings: list[SettingsChange] = field(default_factory=list)
    stale: str = ""

    @property
    def differs(self) -> bool:
        """Whether its configuration is to be changed."""
        return bool(self.changes or self.settings)


class VserverCall:
    """One call over all virtual servers that it names.

    Args:
        host: the machine.
        store: its certificate store.
        providers: the daemons on it.
        known: all daemons that there are adapters for.
        passphrases: open the keys of certificates, by the certificate's name.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        providers: Mapping[str, Provider],
        known: Sequence[type[Provider]],
        passphrases: Mapping[str, str] | None = None,
    ) -> None:
        self._host = host
        self._store = store
        self._providers = providers
        self._known = known
        self._passphrases = passphrases or {}

    def run(self, vservers: Sequence[Vserver], transaction: Transaction) -> Outcome:
        """Make the host's virtual servers as they are desired.

        Raises:
            Problem: it cannot be done, or the wire does not show it; the host is as it was.
        """
        _without_doubles(vservers)
        refuse_foreign_addresses(one for one in vservers if one.present)
        work = self._by_provider(vservers)
        outcome = Outcome()
        helpers = self._plan(work, outcome, check_mode=transaction.check_mode)
        for name, one in work.items():
            if not one.differs:
                self._refuse_hidden(name, one.before, one.vservers)
                one.stale = self._not_in_effect(name, one.vservers)
        # a daemon that checks passwords for another one must be there when that one asks
        names = sorted(self._providers, key=lambda name: name not in helpers)
        disturbed = [
            self._providers[name] for name in names if name in work and (work[name].differs or work[name].stale)
        ]
        changes = sorted((one for some in work.values() for one in some.changes), key=lambda one: not one.material)
        outcome.files = [change.path for change in changes]
        outcome.diff = [change.diff(self._host) for change in changes]
        outcome.diff += [settings.diff() for some in work.values() for settings in some.settings]
        outcome.activated = [provider.name for provider in disturbed]
        for name, one in work.items():
            copies = {self._store.deployed_path(name, each): each for each in self._store.names()}
            renewed = {copies[change.path] for change in one.changes if change.path in copies}
            where = [change.path for change in one.changes] + [settings.target for settings in one.settings]
            outcome.vservers += reports(name, one.vservers, one.before, where, renewed, one.stale)
        if disturbed:
            transaction.apply(changes, disturbed, probe=lambda: self._confirm(work))
        return outcome

    def _confirm(self, work: Mapping[str, _Work]) -> None:
        """Raise Problem unless the daemons' effective settings, and then the wire, are as desired."""
        for name, one in work.items():
            self._refuse_hidden(name, self._providers[name].read(), one.vservers)
        for name, one in work.items():
            self._prove(name, one.vservers, PATIENCE)

    def _refuse_hidden(self, provider: str, found: Found, desired: Sequence[Vserver]) -> None:
        """Raise Problem where a daemon's files are right, but its effective settings are not."""
        for vserver in desired:
            there = found.get(vserver.key)
            if not vserver.present:
                left = [name for name in (there.certificates if there else ()) if name in self._store.names()]
                wrong = [f"it still shows the certificate {name}" for name in left]
            else:
                wrong = differences(there, vserver)
            if wrong:
                raise Problem(
                    f"the settings are in its files, but {provider} does not take them over ({'; '.join(wrong)})",
                    "look for a file that sets the same and is read later, such as local.conf, and remove it there",
                    subject=vserver.title,
                )

    def _by_provider(self, vservers: Sequence[Vserver]) -> dict[str, _Work]:
        """The virtual servers by the daemon that is to serve them."""
        listening = listeners(self._host)
        served: dict[str, list[Vserver]] = {}
        for vserver in vservers:
            provider = choose(vserver, self._providers, self._known, listening)
            served.setdefault(provider.name, []).append(vserver)
        for name, some in served.items():
            refuse_beyond(self._providers[name], some, DEFAULT)
        before = {name: self._providers[name].read() for name in served}
        refuse_taken_sockets(served, before, self._providers, listening)
        return {name: _Work(some, before[name]) for name, some in served.items()}

    def _plan(self, work: dict[str, _Work], outcome: Outcome, *, check_mode: bool) -> set[str]:
        """Find out what differs; the names of the daemons that others need."""
        helpers = set()
        certificates = Certificates(self._host, self._store, self._passphrases, check_mode=check_mode)
        changes: dict[str, list[FileChange]] = {name: [] for name in work}
        for name, one in list(work.items()):
            provider = self._providers[name]
            capabilities = provider.capabilities()
            if not capabilities.known:
                version = ".".join(str(part) for part in capabilities.version)
                outcome.warnings.append(f"{name} {version} is newer than any version this collection was tried with")
            for vserver in (each for each in one.vservers if each.present):
                changes[name] += certificates.copies(provider, vserver)
            plan = provider.plan(one.vservers)
            changes[name] += plan.changes
            changes[name] += certificates.unused_copies(name, one.before.values(), _afterwards(one))
            one.settings += plan.settings
            outcome.warnings += plan.warnings
            for helper, files in self._offers(plan, one.vservers[0]):
                helpers.add(helper)
                changes.setdefault(helper, []).extend(files)
            for helper, files in self._withdrawals(plan):
                changes.setdefault(helper, []).extend(files)
        for name, some in changes.items():
            different = needed(list({change.path: change for change in some}.values()), self._host)
            if different or name in work:
                work.setdefault(name, _Work([], {})).changes += different
        return helpers

    def _offers(self, plan: Plan, asker: Vserver) -> Iterable[tuple[str, Sequence[FileChange]]]:
        return [self._offered(socket, asker) for socket in plan.needs]

    def _withdrawals(self, plan: Plan) -> Iterable[tuple[str, Sequence[FileChange]]]:
        """Files of offers that nobody needs any more."""
        return [
            (provider.name, files)
            for socket in plan.unneeded
            for provider in self._providers.values()
            for files in (provider.withdraw(socket),)
            if files
        ]

    def _offered(self, socket: SaslSocket, asker: Vserver) -> tuple[str, Sequence[FileChange]]:
        for provider in self._providers.values():
            files = provider.offer(socket)
            if files is not None:
                return provider.name, files
        raise Problem(
            "nothing on this host can check the passwords of those who log in",
            "install dovecot-core, or set up SASL for this service in main.cf yourself",
            subject=asker.title,
            option="protocol",
        )

    def _prove(self, name: str, vservers: Sequence[Vserver], patience: float) -> None:
        """Raise Problem unless the wire shows every virtual server of a daemon as desired."""
        for vserver in (one for one in vservers if one.present):
            for endpoint, expectation in expected(self._providers[name], vserver, self._store.leaf):
                prove(endpoint, expectation, vserver.title, patience)

    def _not_in_effect(self, name: str, vservers: Sequence[Vserver]) -> str:
        """Why a daemon whose files are right does not show it: it has not read them yet. Empty where it shows it."""
        try:
            self._prove(name, vservers, patience=0.0)
        except Problem as exc:
            return exc.found
        return ""


def _without_doubles(vservers: Sequence[Vserver]) -> None:
    seen: set[tuple[str, str]] = set()
    for vserver in vservers:
        if vserver.key in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=vserver.title, option="protocol"
            )
        seen.add(vserver.key)


def _afterwards(work: _Work) -> list[Vserver]:
    """The virtual servers that a daemon will have."""
    desired = {one.key for one in work.vservers}
    others = [one for key, one in work.before.items() if key not in desired]
    return [*(one for one in work.vservers if one.present), *others]


def summarised(outcome: Outcome) -> str:
    """One sentence over all virtual servers."""
    changed = [one for one in outcome.vservers if one["changed"]]
    if changed:
        return "; ".join(f"{one['protocol']}/{one['name']}: {one['reason']}" for one in changed)
    if outcome.files:
        return f"files differ: {', '.join(outcome.files)}"
    return f"all {len(outcome.vservers)} virtual servers are as desired"
