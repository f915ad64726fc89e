# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix, serving smtp and submission, and sending mail to other hosts.

Facts: TLS_README, SASL_README, postconf(5), master(5).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import slowness
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    Endpoint,
    QueuedMail,
    SaslSocket,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    AccountDatabase,
    PasswordCheck,
    SubmissionProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Plan,
    kept,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    demands,
    master_cf,
    start_requirements,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.claims import has_ipv6
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.daemon import PostfixDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.further_files import (
    further_files,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.open_sockets import (
    unopened,
    wanted,
    would_open,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    CONFIG_DIRECTORY,
    CONFIGURATION,
    FIRST,
    INSTANCE_UNIT,
    MAIN_CF,
    MASTER_CF,
    UNIT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.services import (
    found_vservers,
    is_loopback,
    serving,
    wanted_sockets,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.smtpd import Smtpd
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.virtual_servers import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import (
    DOVECOT_PACKAGE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import (
    DomainPlan,
    DomainProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import place_in

if TYPE_CHECKING:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.sender_logins import (
        Logins,
    )

# What only some calls need is imported in their methods; see the page on the architecture.
DEFAULT = "default"
OLDEST, NEWEST = (3, 6), (3, 10)  # >=TLSv1.2 needs 3.6; newer ones than the newest tried get a warning

_PATIENCE, _PAUSE = 3.0, 0.1  # seconds that a reload may take until all sockets are open, and between two looks
_PROXIED = "upstream_proxy_protocol"  # ends the name of the parameter of smtpd(8) and that of postscreen(8)
_CHECK = "postmaster-check"  # the name under which a test of configuration appears in the log


class Postfix(PostfixDaemon, DomainProvider, SubmissionProvider, AccountBackend):
    """The adapter for Postfix.

    The default virtual server ``smtp`` is kept in main.cf, where an administrator looks for it; any other one is kept
    as ``-o`` settings of its own entries in master.cf.
    """

    reads_files_by_itself = True  # main.cf, by each process that starts
    config_roots = (ConfigRoot(CONFIG_DIRECTORY, configuration=CONFIGURATION, first=FIRST, references=further_files),)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._parameters: dict[str, str] | None = None
        self._expanded: dict[str, str] | None = None
        self._defaults: dict[str, str] | None = None

    # ---- reading

    def _asked(self, argv: Sequence[str]) -> dict[str, str]:
        """What postconf(1) prints, by parameter."""
        done = self.host.query(argv)
        if done.code != 0:
            raise Problem(
                f"Postfix refuses its own configuration ({done.complaint})",
                f"fix {MAIN_CF} or {MASTER_CF} until 'postconf -n' and 'postfix check' report no error, then run again",
                option=place_in(done.complaint) or MAIN_CF,
            )
        pairs = (line.partition(" =") for line in done.out.split("\n"))
        return {name: value.strip() for name, equals, value in pairs if equals}

    @property
    def parameters(self) -> dict[str, str]:
        """Every parameter of main.cf with its effective value, asked of Postfix once."""
        if self._parameters is None:
            self._parameters = self._asked(["postconf"])
        return self._parameters

    def expanded(self, name: str) -> str:
        """A parameter's effective value in which Postfix has put in the parameters that it names."""
        if self._expanded is None:
            self._expanded = self._asked(["postconf", "-x"])
        return self._expanded.get(name, "")

    def _default(self, name: str) -> str:
        """A parameter's default."""
        if self._defaults is None:
            self._defaults = self._asked(["postconf", "-d"])
        return self._defaults.get(name, "")

    def capabilities(self) -> Capabilities:
        version = tuple(int(part) for part in re.findall(r"[0-9]{1,9}", self.parameters["mail_version"])[:3])
        if version[:2] < OLDEST:
            raise Problem(f"Postfix {self.parameters['mail_version']} is too old", "upgrade to Postfix 3.6 or newer")
        return Capabilities(
            version,
            known=version[:2] <= NEWEST,
            library=openssl_library(),
        )

    def running(self) -> bool:
        master = os.path.join(self.parameters["daemon_directory"], "master")
        return self.host.query([master, "-t"]).code != 0

    @property
    def _smtpd(self) -> Smtpd:
        return Smtpd(self.host, self.store, self.name, self.capabilities().library)

    def read(self) -> dict[tuple[str, str], Vserver]:
        return {
            vserver.key: self._smtpd.read(vserver, self._view(vserver, service))
            for vserver, service in found_vservers(self.host.read_text(MASTER_CF))
        }

    def _view(self, vserver: Vserver, service: master_cf.Service) -> Callable[[str], str]:
        """The parameters as a virtual server's service sees them; those of the server on port 25 are main.cf's."""
        overrides = {} if vserver.key == ("smtp", DEFAULT) else service.overrides

        def effective(name: str) -> str:
            return overrides[name].value if name in overrides else self.parameters.get(name, "")

        return effective

    # ---- planning

    def _files(self, saved: SavedSettings) -> Files:
        main, master = self.host.read_text(MAIN_CF), self.host.read_text(MASTER_CF)
        return Files(main, master, self.parameters, self._smtpd, saved, self._default)

    def never_below(self, vserver: Vserver, found: Vserver | None) -> Vserver:
        saved = SavedSettings(self.host, self.store, self.name)
        return kept(vserver, self._files(saved).standing(vserver))

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        saved = SavedSettings(self.host, self.store, self.name)
        files = self._files(saved)
        tables: list[FileChange] = []
        # the server on port 25 first, because the others see what is set in main.cf
        for vserver in sorted(desired, key=lambda one: (one.present, one.key != ("smtp", DEFAULT), one.key)):
            files.take_over(vserver)
            tables += self._smtpd.sni_changes(vserver)
        files.finish()
        needed_before, needed = self._sasl_sockets(self.host.read_text(MASTER_CF)), self._sasl_sockets(files.master)
        return Plan(
            changes=(
                *(change for change in tables if change.content is not None),
                FileChange(MAIN_CF, files.main.encode("utf-8", "surrogateescape")),
                FileChange(MASTER_CF, files.master.encode("utf-8", "surrogateescape")),
                *(change for change in tables if change.content is None),
                saved.change(),
            ),
            needs=needed,
            unneeded=[one for one in needed_before if one not in needed],
            warnings=[*files.warnings, *files.losses.warnings, *self._out_of_reach(files.master, desired)],
            lost=files.losses.lost,
            given_up=files.losses.given_up,
        )

    def _out_of_reach(self, master: str, desired: Sequence[Vserver]) -> list[str]:
        """Warnings of virtual servers that no other host can reach."""
        found = []
        sockets = set(wanted(master, self.parameters))
        for vserver in (one for one in desired if one.present):
            ports = {place.port for place in wanted_sockets(vserver)}
            addresses = {address for address, port in sockets if port in ports}
            if addresses and all(map(is_loopback, addresses)):
                value = self.parameters.get("inet_interfaces", "")
                found.append(
                    f"{vserver.title} can be reached from this host alone: inet_interfaces is {value} in {MAIN_CF};"
                    " after you have changed it, restart Postfix"
                )
        return found

    def _sasl_sockets(self, master: str) -> list[SaslSocket]:
        """The sockets at which submission servers of ours ask for passwords, where they are another daemon's."""
        found = []
        for vserver, _service in found_vservers(master):
            for service in serving(master, vserver).values() if vserver.protocol == "submission" else ():
                effective = self._view(vserver, service)
                path = effective("smtpd_sasl_path").removeprefix("unix:")
                ours = self.store.name_of_deployed(self.name, (words(effective("smtpd_tls_chain_files")) or [""])[0])
                if ours and effective("smtpd_sasl_type") == "dovecot" and not path.startswith("inet:"):
                    owner = self.parameters["mail_owner"]
                    found.append(SaslSocket(os.path.join(self.parameters["queue_directory"], path), owner, owner))
        return list(dict.fromkeys(found))

    def plan_domains(
        self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, mta_sts: bool | None
    ) -> DomainPlan:
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.domains_plan import (
            Sending,
        )

        sending = Sending(self.host, self.parameters, self.expanded, SavedSettings(self.host, self.store, self.name))
        return sending.plan(policies, purge=purge, ca_file=ca_file, mta_sts=mta_sts)

    def queue(self) -> Sequence[QueuedMail]:
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.queue import queued

        return queued(self.host)

    # ---- logins

    def remedy_for_no_password_check(self) -> str:
        return f"install {DOVECOT_PACKAGE}, or set up SASL for this service in main.cf yourself"

    @property
    def _logins(self) -> Logins:
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import sender_logins

        saved = SavedSettings(self.host, self.store, self.name)
        return sender_logins.Logins(self.host, self.parameters, self.expanded, saved)

    def password_check(self) -> PasswordCheck:
        return self._logins.password_check()

    def sender_limits(self) -> dict[str, tuple[str, ...]]:
        return self._logins.limits()

    def limit_senders(
        self, limits: Mapping[str, tuple[str, ...]], logins: Mapping[str, tuple[str, ...]]
    ) -> Sequence[FileChange]:
        return self._logins.changes(limits, logins)

    def account_database(self, check: PasswordCheck) -> AccountDatabase | None:
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.sasldb import (
            SaslDatabase,
        )

        return SaslDatabase(self.host, self.store, check) if check.backend == "sasldb" else None

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        services = serving(self.host.read_text(MASTER_CF), vserver)
        found = []
        for place, implicit in wanted_sockets(vserver).items():
            seen = [self._seen_by(one) for at, one in services.items() if at.port == place.port]
            found.append(
                Endpoint(
                    place.address or self._local_address(),
                    place.port,
                    vserver.protocol,
                    implicit_tls=implicit,
                    proxy_protocol=int(any(one[_PROXIED] for one in seen)),  # both versions are understood
                    wants_certificate=any(map(demands.wants_certificate, seen)),
                )
            )
        return found

    def _seen_by(self, service: master_cf.Service) -> dict[str, str]:
        """What a service demands of clients, and whether a load balancer must say first who connects."""
        seen = {**self.parameters, **{name: one.value for name, one in service.overrides.items()}}
        proxied = expand(seen.get(f"{service.command}_{_PROXIED}", ""), lambda one: seen.get(one, ""))
        return {**demands.expanded(seen), _PROXIED: "1" if proxied else ""}

    def _local_address(self) -> str:
        """An address that smtpd(8) listens on."""
        named = words(self.expanded("inet_interfaces"))
        everywhere = not named or named[0] in ("all", "loopback-only")
        only_ipv6 = words(self.expanded("inet_protocols")) == ["ipv6"]
        if everywhere:
            return "::1" if only_ipv6 else "127.0.0.1"
        return named[0].strip("[]")

    def unopened(self) -> list[tuple[str, int]]:
        master = self.host.read_text(MASTER_CF)
        return unopened(master, self.parameters, listening(self.host), has_ipv6=has_ipv6())

    # ---- acting

    @property
    def units(self) -> tuple[str, ...]:
        return (UNIT, INSTANCE_UNIT)

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[CONFIG_DIRECTORY]
        smtpd = os.path.join(self.parameters["daemon_directory"], "smtpd")
        # postfix check sees faults of syntax, smtpd -S those of values
        for argv, stdin, environment in (
            (["postconf", "-c", mirror], b"", {}),
            (["postfix", "-c", mirror, "check"], b"", {}),
            ([smtpd, "-S", "-o", f"syslog_name={_CHECK}"], b"EHLO localhost\r\nQUIT\r\n", {"MAIL_CONFIG": mirror}),
        ):
            done = run(argv, stdin=stdin, environment=environment)
            if done.code != 0:
                complaint = (done.complaint or self._logged_complaint(run)).replace(mirror, CONFIG_DIRECTORY)
                raise Problem(
                    f"Postfix refuses the configuration ({complaint})",
                    f"fix {MAIN_CF} and {MASTER_CF}, then run again",
                    option=CONFIG_DIRECTORY,
                )

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        start_requirements.refuse_unmet(self.host, self.parameters, changes)

    @staticmethod
    def _logged_complaint(run: Callable[..., Completed]) -> str:
        """What smtpd(8) has against the configuration: it says that to the log and nowhere else."""
        run(["journalctl", "--sync"])
        lines = run(["journalctl", "--quiet", "--output=cat", "--lines=1", f"--identifier={_CHECK}/smtpd"])
        return lines.complaint if lines.code == 0 and lines.out else "its reason is in the mail log"

    def activate(self, run: Callable[..., Completed]) -> None:
        self._parameters = self._expanded = None
        if self.running():
            done = run(["postfix", "reload"])
            if done.code == 0 and self.running() and self._listens():
                return
        kind = run(["systemctl", "show", "--property=Type", "--value", UNIT]).out.strip()
        unit = INSTANCE_UNIT if kind == "oneshot" else UNIT
        bring_up(run, unit, "Postfix", self.running)

    def _listens(self) -> bool:
        """Whether it has opened its sockets, a moment after a reload, but for those that it could not open anyway."""
        end = time.monotonic() + _PATIENCE * slowness()
        while time.monotonic() < end:
            if not self.unopened():
                return True
            time.sleep(_PAUSE)
        closed = self.unopened()
        return not closed or not would_open(closed, listening(self.host, processes=True), self.processes)
