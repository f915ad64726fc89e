# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot, serving imap and pop3, in both of its languages: 2.3 and 2.4.

Facts: doc.dovecot.org (SSL configuration, Settings), doveconf(1), and the upgrade guide from 2.3 to 2.4.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import (
    ELSEWHERE,
    own_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import (
    bring_up,
    is_active,
    is_wanted,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import read_again
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, SaslSocket, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    AccountDatabase,
    PasswordCheck,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Mending,
    Plan,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import start_requirements
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.checks import (
    refuse_impossible,
    refuse_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.daemon import DovecotDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.demands import Demands
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    CIPHERS,
    GROUPS,
    LANGUAGES,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.doveconf import (
    Doveconf,
    render,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.drop_in import (
    DEFAULT,
    DropIn,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.former_language import (
    translated,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.inclusion import (
    inclusion,
    is_ours,
    overlay_of,
    paths_of_ours,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.listeners import (
    clear_port,
    held,
    local_address,
    missing,
    proxied_ports,
    shared_ports,
    trusted_source,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.next_language import (
    at_start,
    in_all_languages,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import (
    Asked,
    Overrides,
    conflict,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    CONFIG_DIRECTORY,
    CONFIGURATION,
    DROP_IN,
    FIRST,
    MAIN,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.virtual_servers import (
    VirtualServers,
    path_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.lost_copies import (
    lost_copies,
    named_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    concerns,
    written_by,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    Strength,
)

_TRIES = 12  # looks whether all sockets are open
_PAUSE = 0.5  # seconds between them
_BALANCERS = "haproxy_trusted_networks"
_FREE = 3  # looks at which nobody holds a port, after which Dovecot must have tried to open it


class Dovecot(DovecotDaemon, AccountBackend):
    """The adapter for Dovecot. Each virtual server has a file of its own in conf.d.

    No other file is touched, but for one line in a dovecot.conf that does not read these.
    """

    trusts_its_own_address = True
    config_roots = (ConfigRoot(CONFIG_DIRECTORY, configuration=CONFIGURATION, first=FIRST, references=further_files),)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._version: tuple[int, ...] | None = None
        self._doveconf = Doveconf(host)

    # ---- reading

    def capabilities(self) -> Capabilities:
        if self._version is None:
            printed = self.host.query(["dovecot", "--version"]).out
            self._version = tuple(int(part) for part in re.findall(r"[0-9]{1,9}", printed.split("(")[0])[:3])
        if self._version[:2] < min(LANGUAGES):
            raise Problem(f"Dovecot {'.'.join(map(str, self._version))} is too old", "upgrade to Dovecot 2.3 or newer")
        return Capabilities(self._version, known=self._version[:2] in LANGUAGES, library=openssl_library())

    @property
    def language(self) -> Language:
        """The language of the installed version; a newer one than any known is taken to speak the newest."""
        version = self.capabilities().version[:2]
        return LANGUAGES[max(known for known in LANGUAGES if known <= version)]

    def running(self) -> bool:
        return is_active(self.host, UNIT)

    def _served(self) -> frozenset[str]:
        """Its protocols, as far as it is told to serve them."""
        return self.protocols & self._doveconf.served()

    @property
    def _drop_in(self) -> DropIn:
        return DropIn(self.name, self.store, self.language)

    @property
    def _virtual_servers(self) -> VirtualServers:
        return VirtualServers(self.host, self._doveconf, self._drop_in, self._strength)

    def read(self) -> dict[tuple[str, str], Vserver]:
        served = sorted(self._served())
        return self._virtual_servers.read(served)

    # ---- planning

    def _strength(self, strength: Strength, language: Language | None = None) -> dict[str, str]:
        """A strength in Dovecot's words, those of the installed version unless another language is given."""
        preference, client = (language or self.language).server_preference
        settings = {
            "ssl_min_protocol": f"TLSv{strength.minimum}",
            GROUPS: ":".join(strength.groups(self.capabilities().library)),
            preference: client,
        }
        if strength.ciphers:
            settings[CIPHERS] = ":".join(strength.ciphers)
        return settings

    @property
    def _demands(self) -> Demands:
        return Demands(self.host, self.language, self._addresses_of)

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        return self._demands.kept(vserver)

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        served = self._served()
        found = self.read()
        final = {**found, **{one.key: one for one in desired}}
        changes, gone = [], []
        named = {one.key for one in desired}
        left_alone = [self._virtual_servers.of_ours(*key) for key in found if key not in named]
        for vserver in desired:
            if vserver.present:
                refuse_impossible(self.language, vserver, final, found, served)
                refuse_mechanisms(vserver, [*desired, *left_alone])
                self._refuse_unproven(vserver)
        for vserver in sorted(final.values(), key=lambda one: (one.protocol, one.name != DEFAULT, one.name)):
            path = path_of(*vserver.key)
            if not vserver.present:
                gone += in_all_languages(path, self.language, None)
            elif vserver in desired:
                default = final.get((vserver.protocol, DEFAULT))
                render = partial(self._rendered, vserver, default, found)
                changes += in_all_languages(path, self.language, render)
        self._refuse_overrides(desired, final, (*changes, *gone))
        return Plan(changes=(*changes, *gone), warnings=self._demands.warnings(desired))

    def complete(self, changes: Sequence[FileChange]) -> Sequence[FileChange]:
        return (*inclusion(self.host, self.language, changes), *at_start(self.host, self.language, changes))

    def _refuse_overrides(
        self,
        desired: Sequence[Vserver],
        final: Mapping[tuple[str, str], Vserver],
        planned: Sequence[FileChange],
    ) -> None:
        """Raise Problem where settings of the administrator's own would override what is desired."""
        overlay = overlay_of((*planned, *inclusion(self.host, self.language, planned)))
        entries = Files(self.host, overlay).entries(MAIN)
        overrides = Overrides(entries, self.language, is_ours, self._addresses_of)
        for vserver in (one for one in desired if one.present):
            others = [one for one in final.values() if one.present and one.key != vserver.key]
            elsewhere = {each for one in others if one.protocol == vserver.protocol for each in one.addresses}
            overrides.refuse(Asked(vserver, path_of(*vserver.key), elsewhere, partial(self._names_of, vserver)))

    def _names_of(self, vserver: Vserver) -> list[str]:
        """The host names that a virtual server's own certificate is for, without those that stand for others."""
        bundle = self.store.entry(vserver.certificate).live.bundle or b""
        printed = self.host.query(["openssl", "x509", "-noout", "-ext", "subjectAltName"], stdin=bundle).out
        return [one for one in re.findall(r"DNS:([^\s,]+)", printed) if "*" not in one]

    def _addresses_of(self, host_name: str) -> list[str]:
        """The addresses of a host name that stands in a block of the administrator's."""
        lines = self.host.query(["getent", "ahosts", host_name]).out.splitlines()
        return [line.split()[0] for line in lines if line.strip()]

    def _rendered(
        self,
        vserver: Vserver,
        default: Vserver | None,
        found: Mapping[tuple[str, str], Vserver],
        language: Language,
    ) -> str:
        strength = self._strength(self._demands.strength(vserver), language)
        shared = shared_ports(default, found.get((vserver.protocol, DEFAULT)))
        return DropIn(self.name, self.store, language).render(vserver, strength, shared)

    def offer(self, socket: SaslSocket) -> Sequence[FileChange] | None:
        path = DROP_IN.format("auth")
        listener = f"unix_listener {socket.path}"
        service = self._doveconf.effective("service/auth").get("service auth", {})
        if listener in service and self.host.state(path) is None:
            return ()  # the administrator has arranged it already
        content = heading("password checks for the submission server") + render(
            {"service auth": {listener: {"mode": "0660", "user": socket.user, "group": socket.group}}}
        )
        return (FileChange(path, content.encode(), "root", "root", 0o644),)

    def withdraw(self, socket: SaslSocket) -> Sequence[FileChange]:
        return (FileChange(DROP_IN.format("auth"), None),)

    def account_database(self, check: PasswordCheck) -> AccountDatabase | None:
        if check.backend != self.name:
            return None
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.passwd_file import (
            DovecotAccounts,
        )

        return DovecotAccounts(self.host, self.name, self.language, self._doveconf.effective)

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        login = self._doveconf.login_service(vserver.protocol)
        port = clear_port(login, vserver.protocol) if vserver.port is None else vserver.port
        proxied = proxied_ports(login)
        source = self._load_balancer(vserver) if {port, vserver.implicit_tls_port} & proxied else ""
        return [
            Endpoint(
                address,
                number,
                vserver.protocol,
                implicit_tls=implicit,
                source=source if number in proxied else "",
                proxy_protocol=1 if number in proxied else 0,
            )
            for address in vserver.addresses or (local_address(self._doveconf.listen()),)
            for number, implicit in ((port, False), (vserver.implicit_tls_port, True))
            if number
        ]

    def _refuse_unproven(self, vserver: Vserver) -> None:
        """Raise Problem where load balancers are in front of it that this host cannot stand for."""
        self.endpoints(vserver)

    def _load_balancer(self, vserver: Vserver) -> str:
        """An address of this host from which Dovecot takes what load balancers say. Raises Problem."""
        networks = str(self._doveconf.effective(_BALANCERS)[_BALANCERS])
        found = trusted_source(networks, (ELSEWHERE, *own_addresses(self.host)))
        if not found:
            raise Problem(
                f"a listener has 'haproxy = yes', and {_BALANCERS} ({networks or 'empty'}) has no address of this host,"
                " so that nothing could be proven",
                f"add {ELSEWHERE} to {_BALANCERS}, then run again",
                subject=vserver.title,
                option=_BALANCERS,
            )
        return found

    def elsewhere(self, vserver: Vserver, others: Iterable[Vserver]) -> set[tuple[str, int]]:
        # what Dovecot has for an address holds for all of the protocol's ports there
        ports = {vserver.port or PROTOCOLS[vserver.protocol].port, vserver.implicit_tls_port}
        rest = [one for one in others if one.key != vserver.key and one.protocol == vserver.protocol]
        return {(address, port) for one in rest for address in one.addresses for port in ports}

    def unopened(self) -> list[tuple[str, int]]:
        listen, services = self._doveconf.told(self.protocols)
        return missing(self.host, listen, services, self.language.listen)

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        done = run(["doveconf", "-c", MAIN.replace(CONFIG_DIRECTORY, mirror), "-x", "-n"])
        if done.code != 0:
            complaint = done.complaint.replace(mirror, CONFIG_DIRECTORY)
            raise Problem(
                f"Dovecot refuses the configuration ({complaint})",
                f"fix the files below {CONFIG_DIRECTORY} until 'doveconf -x -n' accepts them, then run again",
                option=conflict(complaint, option=CONFIG_DIRECTORY),
            )

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        start_requirements.refuse_unmet(self.host, self._doveconf, written_by(changes))

    def mending(self) -> Mending | None:
        done = self.host.query(["doveconf", "-x", "-n"])
        if done.code == 0 or not is_wanted(self.host, UNIT):
            return None
        changes = [
            FileChange(path, text.encode("utf-8", "surrogateescape"), "root", "root", 0o644)
            for path in paths_of_ours(self.host)
            for before in (self.host.read_text(path),)
            for text in (translated(before, self.language),)
            if text != before
        ]
        permissions, is_named = self.capabilities().key_permissions, named_in(root.path for root in self.config_roots)
        changes += lost_copies(self.host, self.store, self.name, permissions, is_named)
        if not concerns(done.complaint, [one.path for one in changes]):
            return None
        changes += self.complete(changes)
        return Mending(done.complaint, changes, [one.diff(self.host) for one in changes])

    def activate(self, run: Callable[..., Completed]) -> None:
        read_again(run, self.host, UNIT)
        if self.running():
            done = run(["systemctl", "reload", UNIT])
            if done.code == 0 and self.running():
                self._open_all(run)
                return
        bring_up(run, UNIT, "Dovecot", self.running)

    def _open_all(self, run: Callable[..., Completed]) -> None:
        """Have it open what could not be opened at first.

        A port that was closed may still be held by a process of before that is about to end. Dovecot goes on without
        it, and tries again when it is told to reload. Since that ends logins that have just begun, it is told only
        once more, when nothing holds the port any longer. What stays closed is for the proof to judge.
        """
        free = 0
        for _time in range(_TRIES):
            closed = self.unopened()
            if not closed:
                return
            free = 0 if held(self.host, closed) else free + 1
            if free == _FREE:
                break
            time.sleep(_PAUSE)
        run(["systemctl", "reload", UNIT])
