# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exim 4 as Debian packages it, serving smtp and submission, and sending mail to other hosts.

Facts: Exim specification, chapters 13 (where the daemon listens), 33 (authentication), 43 (TLS), 44 (ACLs); exim4(8),
update-exim4.conf(8).
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import ELSEWHERE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    Endpoint,
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    kept,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    command_line,
    expressions,
    listeners,
    start_requirements,
    vserver_listeners,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import domains_plan as outgoing
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.checks import (
    refuse_unknown_strength,
    warnings_about,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.daemon import EximDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.debian_config import Sources
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.effective import (
    Effective,
    servers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    CONFIGURATION,
    FIRST,
    GROUP,
    KEY_PERMISSIONS,
    LOGS,
    PACKAGES,
    SASL_SOCKET,
    UNIT,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.virtual_servers import (
    VirtualServers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import DOVECOT_PACKAGE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import (
    DomainPlan,
    DomainProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import written_by
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import (
    allows_only_tls13,
    within,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import MODERN, STRENGTHS

NEWEST = (4, 98)  # the newest version that the collection was tried with
OLDEST = (4, 94)  # the first that chooses a certificate by a name it does not trust
_SETTLES = 0.3  # seconds after which a reload has begun to have an effect
_COMES_UP = 10.0  # seconds in which it must have ended
_CIPHERS = "tls_require_ciphers"
_CLIENT = "127.0.0.2"  # from where this host looks at itself on a loopback address
_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # Exim finds the keys of its tables whatever their case


class Exim(EximDaemon, DomainProvider):
    """The adapter for Exim. All its options are shared by all ports; see the expressions."""

    config_roots = (ConfigRoot(CONFIG_DIRECTORY, configuration=CONFIGURATION, first=FIRST, references=further_files),)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._effective: Effective | None = None
        self._stuck = False
        self._sends = False
        self.sources = Sources(host)

    # ---- reading

    @functools.cached_property
    def _build(self) -> str:
        """What this Exim is and was built with."""
        return self._asked("-bV")

    def _asked(self, *words: str) -> str:
        done = self.host.query(["exim4", *words])
        if done.code != 0:
            raise Problem(
                f"Exim refuses its own configuration ({done.complaint})",
                f"fix the files below {CONFIG_DIRECTORY} until update-exim4.conf accepts them, then run again",
                option=CONFIG_DIRECTORY,
            )
        return done.out

    def capabilities(self) -> Capabilities:
        match = re.match(r"Exim version ([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?", self._build)
        version = tuple(int(part) for part in match.groups() if part) if match else ()
        if version[:2] < OLDEST:
            raise Problem(f"Exim {'.'.join(map(str, version))} is too old", "upgrade to Exim 4.94 or newer")
        features = re.search(r"^Support for:(.*)$", self._build, re.MULTILINE)
        if not features or "GnuTLS" not in features[1].split():
            raise Problem(
                f"this Exim was not built with GnuTLS, as {FAMILY}'s is",
                f"install the distribution's {' or '.join(PACKAGES.values())}",
            )
        return Capabilities(
            version,
            known=version[:2] <= NEWEST,
            library=TlsLibrary("GnuTLS", ()),
            key_permissions=KEY_PERMISSIONS,
        )

    @property
    def effective(self) -> Effective:
        """Exim's configuration in force, asked once."""
        if self._effective is None:
            self._effective = Effective.shown(self._asked)
        return self._effective

    def running(self) -> bool:
        return bool(self._listening())

    def read(self) -> dict[tuple[str, str], Vserver]:
        found = VirtualServers(self.effective, self.store, self.name, lambda: self._servers)
        return found.read(sorted(self.protocols))

    @property
    def _servers(self) -> dict[str, dict[str, str]]:
        """The administrator's authenticators for those who log in here."""
        return servers(self._asked("-bP", "authenticators"))

    # ---- planning

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        modern = allows_only_tls13(self.effective.former(_CIPHERS))
        return kept(vserver, replace(vserver, require_secure_channel=False, strength=MODERN if modern else ""))

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        effective, before = self.effective, self.read()
        tables = expressions.Tables.from_macros(effective.macros)
        wanted = vserver_listeners.of_ours(effective, tables)
        socket = SaslSocket(SASL_SOCKET, USER, GROUP)
        asked = (socket,) if _submission(tables) else ()
        for vserver in desired:
            tables.forget(vserver_listeners.identifier(vserver))
            wanted.pop(vserver_listeners.identifier(vserver), None)
        for vserver in (one for one in desired if one.present):
            _refuse_impossible(vserver)
            self._enter(tables, vserver)
            wanted[vserver_listeners.identifier(vserver)] = vserver_listeners.of_desired(
                vserver, before.get(vserver.key)
            )
        if not tables.certificates:
            return Plan(changes=self.sources.changes("", "", ()), unneeded=asked)
        tables.listeners = vserver_listeners.table(wanted)
        lists = vserver_listeners.options(effective, wanted)
        if lists.keys() & {"daemon_smtp_ports", "local_interfaces"}:
            command_line.refuse_listeners(self.host)
        former = {option: effective.former(option) for option in (*expressions.EXPANDED, *lists)}
        if tables.demanding:
            others = {option: effective.former(option) for option in expressions.OTHER_LISTS}
            former.update({option: value for option, value in others.items() if value})
        command_line.refuse_macros(self.host, split=self.sources.split)
        main = expressions.render(tables, former, lists)
        submission, warnings = _submission(tables), tuple(warnings_about(effective, desired))
        if not submission or self._servers:
            return Plan(changes=self.sources.changes(main, "", former), unneeded=asked, warnings=warnings)
        self._refuse_without_dovecot(submission[0])
        authenticators = expressions.authenticators(SASL_SOCKET)
        return Plan(changes=self.sources.changes(main, authenticators, former), needs=(socket,), warnings=warnings)

    def _enter(self, tables: expressions.Tables, vserver: Vserver) -> None:
        """Put a virtual server into the tables."""
        ident = vserver_listeners.identifier(vserver)

        def file(certificate: str) -> str:
            path = self.store.deployed_path(self.name, certificate)
            if not _PATH.fullmatch(path):
                raise Problem(
                    f"Exim's tables cannot contain the path {path!r}",
                    "use a store whose path has letters, digits, hyphens, full stops and underscores only",
                    subject=vserver.title,
                    option="store",
                )
            return path

        both = (vserver.certificate, vserver.alternative_certificate)
        tables.certificates[ident] = ":".join(file(one) for one in both if one)
        own, strength = self.effective.former(_CIPHERS), STRENGTHS[vserver.strength]
        refuse_unknown_strength(vserver, own)
        tables.ciphers[ident] = within(strength, own if "strength" in vserver.left_out else "")
        if vserver.require_secure_channel:
            tables.demanding[ident] = "yes"
        for one in vserver.sni:
            tables.named[f"{ident}/{one.name}"] = ":".join(map(file, one.certificates))

    def _refuse_without_dovecot(self, ident: str) -> None:
        drivers = re.search(r"^Authenticators:(.*)$", self._build, re.MULTILINE)
        if not drivers or "dovecot" not in drivers[1].split():
            raise Problem(
                "there is nothing to check passwords with:"
                " Exim has no server authenticator, and this build has no dovecot driver",
                f"install the package {PACKAGES['submission']} and Dovecot, or set up an authenticator",
                subject=f"virtual server {ident}",
                option="protocol",
            )

    def plan_domains(
        self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, mta_sts: bool | None
    ) -> DomainPlan:
        self.capabilities()  # raises where this Exim is too old, or of another kind
        sending = outgoing.Sending(self.host, self._asked, self.effective.macros, self._build)
        plan = sending.plan(policies, purge=purge, ca_file=ca_file, split=self.sources.split)
        self._sends = bool(plan.levels)
        return plan

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        before = self.read().get(vserver.key)
        port = before.port if vserver.port is None and before else vserver.port
        proxy = 1 if self._proxied() else 0
        verified = self._asked("-bP", "tls_verify_hosts").partition("=")[2]
        return [
            Endpoint(
                address,
                number,
                vserver.protocol,
                implicit_tls=implicit,
                proxy_protocol=proxy,
                wants_certificate=listeners.lists(verified, address) or listeners.lists(verified, _CLIENT),
            )
            for number, implicit in ((port, False), (vserver.implicit_tls_port, True))
            for address in vserver.addresses or (self._local_address(),)
            if number
        ]

    def _proxied(self) -> bool:
        """Whether Exim takes this host for a load balancer, which has to say first who connects."""
        if "PROXY" not in self._build:
            return False
        listed = self._asked("-bP", "hosts_proxy").partition("=")[2]
        return listeners.lists(listed, ELSEWHERE)

    def unopened(self) -> list[tuple[str, int]]:
        return sorted(self.effective.sockets - self._listening())

    def _local_address(self) -> str:
        """An address that Exim listens on."""
        found = [one.address for one in listeners.interfaces(self.effective.former("local_interfaces"))]
        if "0.0.0.0" in found:
            return "127.0.0.1"
        return "::1" if "::0" in found or not found else found[0]

    def remedy_for_no_password_check(self) -> str:
        return f"install {DOVECOT_PACKAGE}, or set up an authenticator"

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        made = f"{mirror}/made-of-it"

        def ask(*words: str) -> str:
            done = run(list(words))
            if done.code != 0:
                complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY) or "it does not say why"
                raise Problem(
                    f"Exim refuses the configuration ({complaint})",
                    f"fix the files below {CONFIG_DIRECTORY}, then run again",
                    option=CONFIG_DIRECTORY,
                )
            return done.out

        ask("update-exim4.conf", "--confdir", mirror, "--output", made)
        ask("exim4", "-C", made, "-bV")

        def shown(*words: str) -> str:
            return ask("exim4", "-C", made, *words)

        found = Effective.shown(shown)
        routers = outgoing.foreign_routers(self.host, shown, found.macros, split=self.sources.split)
        outgoing.refuse_without_effect(routers, declared=self._sends)
        for option in found.expected:
            if not found.ours(option):
                raise Problem(
                    f"something below {CONFIG_DIRECTORY} sets {option} after this collection's files do",
                    "find the line that sets this option or its macro, and remove it",
                    option=CONFIG_DIRECTORY,
                )

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        start_requirements.refuse_unmet(self.host, written_by(changes))

    def activate(self, run: Callable[..., Completed]) -> None:
        self._effective = None
        if self.running() and not self._stuck:
            done = run(["systemctl", "reload", UNIT])
            if done.code == 0 and self._comes_up():
                return
        # a daemon that cannot listen waits for half a minute, takes no notice of a reload, and looks as if it ran
        self._stuck = True
        unless = "it exited at once, or cannot listen"
        bring_up(run, UNIT, "Exim", self._comes_up, why=lambda: unless, logs=LOGS)
        self._stuck = False

    def _comes_up(self) -> bool:
        """Whether the daemon, told to restart, listens on all its sockets; it closes them for a moment."""
        end = time.monotonic() + _COMES_UP
        time.sleep(_SETTLES)
        wanted = self.effective.sockets
        while not wanted <= self._listening():
            if time.monotonic() >= end:
                return False
            time.sleep(0.1)
        return True

    def _listening(self) -> set[tuple[str, int]]:
        """Addresses and ports at which Exim listens right now."""
        return {(one.address, one.port) for one in listening(self.host, processes=True) if "exim4" in one.processes}


def _submission(tables: expressions.Tables) -> list[str]:
    """The submission servers among our virtual servers."""
    return [one for one in tables.certificates if one.startswith("submission/")]


def _refuse_impossible(vserver: Vserver) -> None:
    """What Exim cannot do. Raises Problem."""
    if not _NAME.fullmatch(vserver.name):
        raise Problem(
            f"Exim's tables cannot contain the name {vserver.name!r}",
            "use lower-case letters, digits, hyphens, full stops and underscores",
            subject=vserver.title,
            option="name",
        )
