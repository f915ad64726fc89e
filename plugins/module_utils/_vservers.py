# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers of one host: parse -> read -> plan -> apply -> probe, over all daemons that serve them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._keys import daemon_copy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._openssl import refuse_unusable
from ansible_collections.postmaster.secure_channel.plugins.module_utils._probe import Expectation, prove
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import Store, leaf_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._transaction import Transaction


def parse(element: Mapping[str, Any]) -> Vserver:
    """One object of the module as a virtual server.

    Raises:
        Problem: the options contradict each other.
    """
    protocol = PROTOCOLS[element["protocol"]]
    port = element["implicit_tls_port"]
    vserver = Vserver(
        protocol=protocol.name,
        name=element["name"],
        certificate=element["certificate"] or "",
        require_secure_channel=element["require_secure_channel"],
        strength=element["strength"],
        implicit_tls_port=protocol.implicit_tls_port if port is None else port,
    )
    if not vserver.certificate:
        raise Problem(
            "no certificate is named",
            "name one that mail_cert_install has installed",
            subject=vserver.title,
            option="certificate",
        )
    registered = {port for one in PROTOCOLS.values() for port in (one.port, one.implicit_tls_port)}
    taken = registered - {0, protocol.implicit_tls_port}
    if vserver.implicit_tls_port in taken or not 0 <= vserver.implicit_tls_port <= 65535:
        raise Problem(
            f"{vserver.implicit_tls_port} is not a port on which TLS can start at once for {protocol.name}",
            f"leave the option out for the registered port ({protocol.implicit_tls_port or 'none'}),"
            " or give 0 for none",
            subject=vserver.title,
            option="implicit_tls_port",
        )
    if protocol.strangers and vserver.implicit_tls_port:
        raise Problem(
            f"{protocol.name} has no port on which TLS starts at once",
            "use protocol submission for port 465, and leave the option out here",
            subject=vserver.title,
            option="implicit_tls_port",
        )
    if protocol.strangers and vserver.require_secure_channel and not element["refuse_strangers_in_clear"]:
        raise Problem(
            "a server that takes mail from strangers must not demand TLS of them (RFC 3207 section 4):"
            " mail from every sender without TLS would be lost",
            "leave the option out, or set refuse_strangers_in_clear to true if this server is not a public one",
            subject=vserver.title,
            option="require_secure_channel",
        )
    return vserver


def _without_doubles(vservers: Sequence[Vserver]) -> None:
    seen: set[tuple[str, str]] = set()
    for vserver in vservers:
        if (vserver.protocol, vserver.name) in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=vserver.title, option="protocol"
            )
        seen.add((vserver.protocol, vserver.name))


@dataclass
class Outcome:
    """What a call did, or would do in check mode.

    Attributes:
        vservers: for each virtual server ``protocol``, ``name``, ``provider``, ``changed``, ``reason``, ``before``
            (None where it was not there) and ``after``.
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


class VserverCall:
    """One call over all virtual servers that it names.

    Args:
        host: the machine.
        store: its certificate store.
        providers: the daemons on it.
        passphrases: open the keys of certificates, by the certificate's name.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        providers: Mapping[str, Provider],
        passphrases: Mapping[str, str] | None = None,
    ) -> None:
        self._host = host
        self._store = store
        self._providers = providers
        self._passphrases = passphrases or {}

    def run(self, vservers: Sequence[Vserver], transaction: Transaction) -> Outcome:
        """Make the host's virtual servers as they are desired.

        Raises:
            Problem: it cannot be done, or the wire does not show it; the host is as it was.
        """
        _without_doubles(vservers)
        served = self._by_provider(vservers)
        before = {name: self._providers[name].read() for name in served}
        changes_of, helpers, outcome = self._planned(served, check_mode=transaction.check_mode)
        unchanged = {name: some for name, some in served.items() if not changes_of[name]}
        for name, some in unchanged.items():
            self._refuse_hidden(name, before[name], some)
        stale = self._not_in_effect(unchanged)
        # a daemon that checks passwords for another one must be there when that one asks
        names = sorted(self._providers, key=lambda one: one not in helpers)
        disturbed = [self._providers[name] for name in names if changes_of.get(name) or name in stale]
        changes = sorted((one for some in changes_of.values() for one in some), key=lambda one: not one.material)
        outcome.files = [change.path for change in changes]
        outcome.diff = [change.diff(self._host) for change in changes]
        outcome.activated = [provider.name for provider in disturbed]
        for name, some in served.items():
            outcome.vservers += self._reports(name, some, before[name], changes_of[name], stale.get(name, ""))
        if disturbed:
            transaction.apply(changes, disturbed, probe=lambda: self._confirm(served))
        return outcome

    def _confirm(self, served: Mapping[str, list[Vserver]]) -> None:
        """Raise Problem unless the daemons' effective settings, and then the wire, are as desired."""
        for name, vservers in served.items():
            self._refuse_hidden(name, self._providers[name].read(), vservers)
        self._prove(served, patience=20.0)

    @staticmethod
    def _refuse_hidden(provider: str, found: Mapping[tuple[str, str], Vserver], desired: Sequence[Vserver]) -> None:
        """Raise Problem where a daemon's files are right, but its effective settings are not."""
        for vserver in desired:
            differences = _differences(found.get((vserver.protocol, vserver.name)), vserver)
            if differences:
                raise Problem(
                    f"the settings are in its files, but {provider} does not take them over ({'; '.join(differences)})",
                    "look for a file that sets the same and is read later, such as local.conf, and remove it there",
                    subject=vserver.title,
                )

    def _by_provider(self, vservers: Sequence[Vserver]) -> dict[str, list[Vserver]]:
        """The virtual servers by the daemon that is to serve them."""
        served: dict[str, list[Vserver]] = {}
        for vserver in vservers:
            able = [one for one in self._providers.values() if vserver.protocol in one.protocols]
            if not able:
                raise Problem(
                    f"no daemon that can serve {vserver.protocol} is installed on this host",
                    "install one (Debian: apt install postfix for smtp and submission, dovecot-imapd for imap,"
                    " dovecot-pop3d for pop3), or leave this virtual server out",
                    subject=vserver.title,
                    option="protocol",
                )
            if not able[0].running():
                raise Problem(
                    f"{able[0].name} is installed but does not run",
                    f"start it ('systemctl start {able[0].name}') and run again",
                    subject=vserver.title,
                    option="protocol",
                )
            served.setdefault(able[0].name, []).append(vserver)
        return served

    def _planned(
        self, served: Mapping[str, list[Vserver]], *, check_mode: bool
    ) -> tuple[dict[str, list[FileChange]], set[str], Outcome]:
        """The files that differ, by the daemon that reads them; and the daemons that others need."""
        outcome = Outcome()
        helpers = set()
        changes: dict[str, list[FileChange]] = {name: [] for name in served}
        for name, vservers in served.items():
            provider = self._providers[name]
            capabilities = provider.capabilities()
            if not capabilities.known:
                version = ".".join(str(part) for part in capabilities.version)
                outcome.warnings.append(f"{name} {version} is newer than any version this collection was tried with")
            for vserver in vservers:
                changes[name] += self._deployment(provider, vserver, check_mode=check_mode)
            plan = provider.plan(vservers)
            changes[name] += plan.changes
            outcome.warnings += plan.warnings
            for socket in plan.needs:
                helper, files = self._offered(socket, vservers[0])
                helpers.add(helper)
                changes.setdefault(helper, []).extend(files)
        unique = {name: list({change.path: change for change in some}.values()) for name, some in changes.items()}
        return {name: needed(some, self._host) for name, some in unique.items()}, helpers, outcome

    def _deployment(self, provider: Provider, vserver: Vserver, *, check_mode: bool) -> list[FileChange]:
        """The daemon's own copy of the certificate."""
        owner, group, mode = provider.capabilities().reader
        bundle = self._store.live(vserver.certificate)
        if bundle is None:
            if check_mode:
                # in the real run an earlier task will have installed it
                bundle = b""
            else:
                known = ", ".join(self._store.names()) or "none"
                raise Problem(
                    f"there is no live certificate {vserver.certificate!r} on this host (there are: {known})",
                    "install it with mail_cert_install first",
                    subject=vserver.title,
                    option="certificate",
                )
        live_path, passphrase = self._store.live_path(vserver.certificate), self._passphrases.get(vserver.certificate)
        copy_path = self._store.deployed_path(provider.name, vserver.certificate)
        try:
            content = daemon_copy(self._host, bundle, live_path, copy_path, passphrase) if bundle else b""
        except Problem as exc:
            raise exc.about(subject=vserver.title) from exc
        change = FileChange(
            copy_path,
            content,
            owner,
            group,
            mode,
            secret=True,
            material=True,
            summary=f"certificate {vserver.certificate} with its key",
        )
        if bundle and change.needed(self._host):
            try:
                refuse_unusable(self._host, live_path, passphrase)
            except Problem as exc:
                raise exc.about(subject=vserver.title) from exc
        return [change]

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

    def _prove(self, served: Mapping[str, list[Vserver]], patience: float) -> None:
        """Raise Problem unless the wire shows every virtual server as desired."""
        for name, vservers in served.items():
            provider = self._providers[name]
            for vserver in vservers:
                bundle = self._store.live(vserver.certificate) or b""
                expectation = Expectation(leaf_of(bundle), vserver.require_secure_channel)
                for endpoint in provider.endpoints(vserver):
                    prove(endpoint, expectation, vserver.title, patience)

    def _not_in_effect(self, served: Mapping[str, list[Vserver]]) -> dict[str, str]:
        """Daemons whose files are right, but which do not show it: they have not read them yet."""
        stale = {}
        for name, vservers in served.items():
            try:
                self._prove({name: vservers}, patience=0.0)
            except Problem as exc:
                stale[name] = exc.found
        return stale

    def _reports(
        self,
        provider: str,
        vservers: Sequence[Vserver],
        before: Mapping[tuple[str, str], Vserver],
        changes: Sequence[FileChange],
        stale: str,
    ) -> list[dict[str, Any]]:
        """The results for one daemon's virtual servers."""
        paths = {change.path for change in changes}
        reasons = {}
        for vserver in vservers:
            old = before.get((vserver.protocol, vserver.name))
            differences = _differences(old, vserver)
            if self._store.deployed_path(provider, vserver.certificate) in paths and not differences:
                differences.append(f"certificate: {vserver.certificate} has been renewed")
            reasons[vserver] = "; ".join(differences)
        if stale:
            reasons = dict.fromkeys(vservers, f"the running daemon has not read its files: {stale}")
        elif paths and not any(reasons.values()):
            reasons = dict.fromkeys(vservers, f"settings differ in {', '.join(sorted(paths))}")
        return [
            {
                "protocol": vserver.protocol,
                "name": vserver.name,
                "provider": provider,
                "changed": bool(reason),
                "reason": reason or "as desired",
                "before": old.as_result() if old else None,
                "after": vserver.as_result(),
            }
            for vserver, reason in reasons.items()
            for old in (before.get((vserver.protocol, vserver.name)),)
        ]


def _differences(before: Vserver | None, after: Vserver) -> list[str]:
    """In words, what changes from one to the other."""
    if before is None:
        return ["absent -> present"]
    old, new = before.as_result(), after.as_result()
    shown = {key: "none of ours" if value == "" else value for key, value in old.items()}
    return [f"{key}: {shown[key]} -> {new[key]}" for key in new if old[key] != new[key]]


def summarised(outcome: Outcome) -> str:
    """One sentence over all virtual servers."""
    changed = [one for one in outcome.vservers if one["changed"]]
    if changed:
        return "; ".join(f"{one['protocol']}/{one['name']}: {one['reason']}" for one in changed)
    if outcome.files:
        return f"files differ: {', '.join(outcome.files)}"
    return f"all {len(outcome.vservers)} virtual servers are as desired"
