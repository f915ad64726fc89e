# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix, serving smtp and submission, and sending mail to other hosts.

Facts: TLS_README, SASL_README, postconf(5), master(5).
"""

from __future__ import annotations

import glob
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    Endpoint,
    SaslSocket,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._openssl import openssl_library
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import (
    _postfix_main_cf as main_cf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import (
    _postfix_master_cf as master_cf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import (
    Capabilities,
    DomainPlan,
    DomainProvider,
    Plan,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_domains import DomainTables
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_main_cf import MAIN_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_meaning import same, words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strength import STRENGTHS, Strength

MASTER_CF = "/etc/postfix/master.cf"
OLDEST, NEWEST = (3, 6), (3, 10)  # >=TLSv1.2 needs 3.6; newer ones than the newest tried get a warning

# Names that /etc/services gives to the ports; that file is not on every small host.
_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "ssmtp": 465, "urd": 465}
_NAMES = {587: "submission", 465: "submissions"}
# Superseded by smtpd_tls_chain_files; Postfix warns at each connection while both are set.
_SUPERSEDED = (
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)
_SASL_PLUGINS = "/usr/lib/*/sasl2/libplain.so*"
_CHECK = "postmaster-check"  # the name under which a test of configuration appears in the log
_SASL_SOCKET = "private/auth"  # within the queue directory, where a chrooted smtpd(8) can reach it
_COMMENT = "submission/default, added by the Ansible collection postmaster.secure_channel"


def port_of(service: str) -> int | None:
    """TCP port of a master.cf service that listens on every address; None for a specific address or unknown name."""
    if ":" in service:
        return None
    if service.isdecimal():
        return int(service)
    if service in _PORTS:
        return _PORTS[service]
    try:
        return socket.getservbyname(service, "tcp")
    except OSError:
        return None


def _name_of(port: int) -> str:
    """The registered name where this host can resolve it: an unknown name would stop all of Postfix."""
    name = _NAMES.get(port, "")
    try:
        return name if name and socket.getservbyname(name, "tcp") == port else str(port)
    except OSError:
        return str(port)


class Postfix(DomainProvider):
    """The adapter for Postfix.

    The default virtual server ``smtp`` is kept in main.cf, where an administrator looks for it; ``submission``
    is a service of its own and kept as ``-o`` settings of its master.cf entries.
    """

    name = "postfix"
    protocols = frozenset({"smtp", "submission"})
    processes = frozenset({"master", "postscreen", "smtpd"})
    packages = {"smtp": "postfix", "submission": "postfix"}
    config_roots = ("/etc/postfix",)

    def __init__(self, host: Host, store: Store) -> None:
        super().__init__(host, store)
        self._parameters: dict[str, str] | None = None
        self._expanded: dict[str, str] | None = None

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.which("postconf") is not None

    # ---- reading

    def _asked(self, argv: Sequence[str]) -> dict[str, str]:
        """What postconf(1) prints, by parameter."""
        done = self.host.query(argv)
        if done.code != 0:
            raise Problem(
                f"Postfix refuses its own configuration ({done.complaint})",
                f"mend {MAIN_CF} until 'postconf -n' and 'postfix check' are content, then run again",
                option=MAIN_CF,
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

    def capabilities(self) -> Capabilities:
        version = tuple(int(part) for part in re.findall(r"\d+", self.parameters["mail_version"])[:3])
        if version[:2] < OLDEST:
            raise Problem(f"Postfix {self.parameters['mail_version']} is too old", "upgrade to Postfix 3.6 or newer")
        return Capabilities(version, known=version[:2] <= NEWEST, library=openssl_library())

    def running(self) -> bool:
        master = os.path.join(self.parameters["daemon_directory"], "master")
        return self.host.query([master, "-t"]).code != 0

    def read(self) -> dict[tuple[str, str], Vserver]:
        services = self._services(self.host.read_text(MASTER_CF))
        found = {}
        if 25 in services:
            found["smtp", "default"] = self._as_vserver("smtp", {}, 0)
        implicit_tls_port = self._implicit_tls_port(services)
        service = services.get(PROTOCOLS["submission"].port) or services.get(implicit_tls_port)
        if service:
            overrides = {name: one.value for name, one in service.overrides.items()}
            found["submission", "default"] = self._as_vserver("submission", overrides, implicit_tls_port)
        return found

    @staticmethod
    def _implicit_tls_port(services: Mapping[int, master_cf.Service]) -> int:
        """The port on which submission starts TLS at once, 0 for none. Another one than 465 is one that we opened."""
        submission = PROTOCOLS["submission"]
        if submission.implicit_tls_port in services:
            return submission.implicit_tls_port
        ours = (port for port, service in services.items() if service.comment == _COMMENT)
        return min((port for port in ours if port != submission.port), default=0)

    @staticmethod
    def _services(text: str) -> dict[int, master_cf.Service]:
        """The inet services that listen on every address, by port."""
        return {
            port: service
            for service in master_cf.services(text)
            if service.type == "inet"
            for port in (port_of(service.name),)
            if port is not None
        }

    def _effective(self, overrides: Mapping[str, str], name: str) -> str:
        return overrides.get(name, self.parameters.get(name, ""))

    def _as_vserver(self, protocol: str, overrides: Mapping[str, str], implicit_tls_port: int) -> Vserver:
        """A service as the model says it."""
        chain = words(self._effective(overrides, "smtpd_tls_chain_files"))
        file = chain[0] if chain else self._effective(overrides, "smtpd_tls_cert_file")
        level = self._effective(overrides, "smtpd_tls_security_level")
        old_style = self._effective(overrides, "smtpd_enforce_tls") == "yes" and not level
        return Vserver(
            protocol=protocol,
            certificate=self.store.name_of_deployed(self.name, file) or file,
            require_secure_channel=level == "encrypt" or old_style,
            strength=next(
                (
                    strength.name
                    for strength in STRENGTHS.values()
                    if all(
                        same(name, self._effective(overrides, name), value)
                        for name, value in self._strength(strength).items()
                    )
                ),
                "",
            ),
            implicit_tls_port=implicit_tls_port,
        )

    # ---- planning

    def _strength(self, strength: Strength) -> dict[str, str]:
        """A strength in Postfix' words. Grade high is used so that outgoing mail, at grade medium, stays as it is."""
        settings = {
            "smtpd_tls_protocols": f">=TLSv{strength.minimum}",
            "smtpd_tls_mandatory_protocols": f">=TLSv{strength.minimum}",
            "tls_eecdh_auto_curves": ",".join(strength.groups(self.capabilities().library)),
            "tls_preempt_cipherlist": "no",
        }
        if strength.ciphers:
            settings["smtpd_tls_ciphers"] = "high"
            settings["smtpd_tls_mandatory_ciphers"] = "high"
            settings["tls_high_cipherlist"] = ":".join(strength.ciphers)
        return settings

    def _tls(self, vserver: Vserver) -> dict[str, str]:
        """The settings that any virtual server has."""
        return {
            "smtpd_tls_chain_files": self.store.deployed_path(self.name, vserver.certificate),
            "smtpd_tls_security_level": "encrypt" if vserver.require_secure_channel else "may",
            "smtpd_tls_auth_only": "yes",
            **self._strength(STRENGTHS[vserver.strength]),
        }

    @staticmethod
    def _superseded(effective: Mapping[str, str]) -> dict[str, str]:
        """The old certificate parameters that are set and must be emptied; a default names another parameter."""
        return {
            name: "" for name in _SUPERSEDED if effective.get(name) and not effective[name].startswith("$smtpd_tls_")
        }

    def plan(self, desired: Sequence[Vserver]) -> Plan:
        parameters = dict(self.parameters)
        main, master = self.host.read_text(MAIN_CF), self.host.read_text(MASTER_CF)
        needs: list[SaslSocket] = []
        # the server on port 25 first, because the others see what is set in main.cf
        for vserver in sorted(desired, key=lambda one: PROTOCOLS[one.protocol].port):
            if vserver.name != "default":
                raise Problem(
                    f"the name {vserver.name!r} is not known:"
                    " Postfix serves one virtual server of each protocol so far",
                    "leave the option out, or set it to default",
                    subject=vserver.title,
                    option="name",
                )
            if vserver.protocol == "smtp":
                main = self._plan_smtp(vserver, parameters, main, master)
            else:
                master = self._plan_submission(vserver, parameters, master)
                needs += self._sasl_sockets(vserver, master)
        return Plan(
            changes=(
                FileChange(MAIN_CF, main.encode("utf-8", "surrogateescape")),
                FileChange(MASTER_CF, master.encode("utf-8", "surrogateescape")),
            ),
            needs=tuple(needs),
        )

    def _plan_smtp(self, vserver: Vserver, parameters: dict[str, str], main: str, master: str) -> str:
        """main.cf with the settings of the virtual server on port 25."""
        service = self._services(master).get(25)
        if service is None:
            raise Problem(
                f"{MASTER_CF} has no service on port 25",
                "add the stock line 'smtp inet n - y - - smtpd', or leave this virtual server out",
                subject=vserver.title,
                option="protocol",
            )
        wanted = {**self._tls(vserver), **self._superseded(parameters)}
        # postscreen(8) takes the connection on port 25 and passes it to another service
        passed = [one for one in master_cf.services(master) if one.type == "pass" and one.command == "smtpd"]
        for one in (service, *passed):
            self._refuse_hidden(vserver, one, wanted)
        different = {name: value for name, value in wanted.items() if not same(name, parameters.get(name, ""), value)}
        parameters.update(different)
        return main_cf.assign(main, different)

    @staticmethod
    def _refuse_hidden(vserver: Vserver, service: master_cf.Service, wanted: Mapping[str, str]) -> None:
        """Settings of main.cf that a service does not see have no effect."""
        for name, value in wanted.items():
            override = service.overrides.get(name)
            if override and not same(name, override.value, value):
                raise Problem(
                    f"{MASTER_CF} line {override.line} sets '-o {name}={override.value}' for the service "
                    f"{service.name}, which hides what is asked ({value or 'empty'})",
                    "remove that -o setting, then run again",
                    subject=vserver.title,
                    option=f"{MASTER_CF}:{override.line}",
                )

    def _plan_submission(self, vserver: Vserver, parameters: Mapping[str, str], master: str) -> str:
        """master.cf with the services of the submission virtual server."""
        services = self._services(master)
        found = self._implicit_tls_port(services)
        sasl = {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_sasl_tls_security_options": "noanonymous",
        }
        relay = {"smtpd_relay_restrictions": "permit_sasl_authenticated,reject"}
        for port in (PROTOCOLS["submission"].port, vserver.implicit_tls_port):
            if port == 0:
                continue
            implicit = port == vserver.implicit_tls_port
            service = services.get(port)
            overrides = {name: one.value for name, one in service.overrides.items()} if service else {}
            effective = {**parameters, **overrides}
            wanted = {**self._tls(vserver), **sasl, **relay, **self._superseded(effective)}
            if effective.get("smtpd_sasl_auth_enable") != "yes":
                wanted.update(smtpd_sasl_type="dovecot", smtpd_sasl_path=_SASL_SOCKET)
            wanted["smtpd_tls_wrappermode"] = "yes" if implicit else "no"
            if service:
                # explicit also where main.cf says the same: main.cf belongs to the virtual server on port 25
                different = {
                    name: value
                    for name, value in wanted.items()
                    if name not in overrides or not same(name, overrides[name], value)
                }
                master = master_cf.override(master, service, different)
            else:
                name = _name_of(port)
                entry = {"syslog_name": f"postfix/{name}", **wanted, "milter_macro_daemon_name": "ORIGINATING"}
                master = master_cf.add(master, name, _COMMENT, entry)
            services = self._services(master)
        while found != vserver.implicit_tls_port and found in services:  # it may stand there more than once
            master = master_cf.remove(master, services[found], _COMMENT)
            services = self._services(master)
        return master

    def _sasl_sockets(self, vserver: Vserver, master: str) -> list[SaslSocket]:
        """The sockets at which the planned services ask for passwords, where they are another daemon's."""
        services = self._services(master)
        found = []
        for port in filter(None, (PROTOCOLS[vserver.protocol].port, vserver.implicit_tls_port)):
            overrides = {name: one.value for name, one in services[port].overrides.items()}
            path = self._effective(overrides, "smtpd_sasl_path").removeprefix("unix:")
            if self._effective(overrides, "smtpd_sasl_type") == "dovecot" and not path.startswith("inet:"):
                owner = self.parameters["mail_owner"]
                found.append(SaslSocket(os.path.join(self.parameters["queue_directory"], path), owner, owner))
        return list(dict.fromkeys(found))

    def plan_domains(self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str) -> DomainPlan:
        if any(policy.account for policy in policies if policy.present) and not glob.glob(_SASL_PLUGINS):
            raise Problem(
                "the SASL plug-ins with which Postfix logs in elsewhere are not installed",
                "install the package libsasl2-modules",
                option="username",
            )
        tables = DomainTables(self.host, self.parameters, self.expanded)
        outcomes = tables.plan(policies, purge=purge)
        main = self.host.read_text(MAIN_CF)
        different = tables.parameters(ca_file)
        main_change = FileChange(MAIN_CF, main_cf.assign(main, different).encode("utf-8", "surrogateescape"))
        return DomainPlan(changes=(*tables.changes(), main_change), outcomes=outcomes, warnings=tables.warnings)

    # ---- proving

    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        address = self._local_address()
        protocol = PROTOCOLS[vserver.protocol]
        found = [Endpoint(address, protocol.port, vserver.protocol, implicit_tls=False)]
        if vserver.implicit_tls_port:
            found.append(Endpoint(address, vserver.implicit_tls_port, vserver.protocol, implicit_tls=True))
        return found

    def _local_address(self) -> str:
        """An address that smtpd(8) listens on."""
        named = words(self.expanded("inet_interfaces"))
        everywhere = not named or named[0] in ("all", "loopback-only")
        only_ipv6 = words(self.expanded("inet_protocols")) == ["ipv6"]
        if everywhere:
            return "::1" if only_ipv6 else "127.0.0.1"
        return named[0].strip("[]")

    # ---- acting

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        mirror = mirrors[self.config_roots[0]]
        smtpd = os.path.join(self.parameters["daemon_directory"], "smtpd")
        # postfix check sees faults of syntax, smtpd -S those of values
        for argv, stdin, environment in (
            (["postconf", "-c", mirror], b"", {}),
            (["postfix", "-c", mirror, "check"], b"", {}),
            ([smtpd, "-S", "-o", f"syslog_name={_CHECK}"], b"EHLO localhost\r\nQUIT\r\n", {"MAIL_CONFIG": mirror}),
        ):
            done = run(argv, stdin=stdin, environment=environment)
            if done.code != 0:
                complaint = (done.complaint or self._logged_complaint(run)).replace(mirror, self.config_roots[0])
                raise Problem(
                    f"Postfix refuses the configuration ({complaint})",
                    f"mend {MAIN_CF} and {MASTER_CF}, then run again",
                    option=self.config_roots[0],
                )

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
            if done.code == 0 and self.running():
                return
        # the unit that really holds the daemon differs: on Debian 12 postfix.service is an empty shell
        kind = run(["systemctl", "show", "--property=Type", "--value", "postfix.service"]).out.strip()
        unit = "postfix@-.service" if kind == "oneshot" else "postfix.service"
        run(["systemctl", "reset-failed", unit])
        done = run(["systemctl", "restart", unit])
        if done.code != 0 or not self.running():
            raise Problem(
                f"Postfix does not come up ({done.complaint or 'it ended at once'})",
                f"look at 'journalctl -u {unit}' on the host",
                subject="Postfix",
            )
