# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what is declared holds for everybody outside: the right certificate, and what is refused in clear text.

Every address of the host that a port is open at is looked at, IPv4 and IPv6, several times: two services can share one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    Configuration,
    address6,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    AT,
    names_of,
    second_address,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS

TIMES = 4  # connections to each port: the kernel hands them to services that share it by turns
CLEAR_PORTS = {"http": 80}  # beside those where TLS can be had
STARTTLS = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3", "nntp": "nntp", "ldap": "ldap"}
REGISTERED = {place.port: protocol for protocol, places in AT.items() for place in places} | {80: "http"}
ANYWHERE = ("imap", "pop3", "nntp")  # a daemon's settings hold for every port that it has
PATIENCE, SHORT = 20.0, 1.5  # seconds; the second where a server waits for the client


@dataclass(frozen=True)
class Listener:
    """A port, and an address at which a client finds it."""

    address: str
    port: int

    @property
    def target(self) -> str:
        """For programs that want both in one."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def listeners(lab: Lab, host: Host) -> Sequence[Listener]:
    """Every port that others can reach, at every address."""
    own = (host.address, second_address(host), address6(host))
    four, six = own[:2], own[2:]
    found: set[Listener] = set()
    for line in lab.ask(host, "ss", "-Hltn").splitlines():
        address, _colon, port = line.split()[3].rpartition(":")
        address = re.sub(r"%.*|[\[\]]", "", address)
        where = {"0.0.0.0": four, "::": six, "*": own}.get(address, (address,) if address in own else ())
        found |= {Listener(one, int(port)) for one in where}
    return sorted(found, key=lambda one: (one.port, one.address))


def forbidden(vserver: Mapping[str, Any]) -> set[str]:
    """What must not be possible in clear text (programs/clear_text.py)."""
    may_log_in = bool(vserver.get("auth_clear"))
    refused = set() if may_log_in else {"login"}
    required = vserver["require_secure_channel"]
    if vserver["protocol"] in ("smtp", "submission") and not may_log_in:
        refused.add("offer")
    if vserver["protocol"] == "submission" and required:
        refused.add("mail")
    if vserver["protocol"] == "smtp" and required and vserver.get("refuse_strangers_in_clear"):
        refused.add("mail")
    if vserver["protocol"] == "nntp" and required:
        refused |= {"read", "offer"}
    if vserver["protocol"] == "http":
        refused = {"page"} if required else set()
    return refused


def ports_of(vserver: Mapping[str, Any]) -> Mapping[int, str]:
    """Where TLS is to be had: the ports, and what openssl calls the conversation before."""
    protocol = vserver["protocol"]
    usual = {place.starttls != "": place.port for place in AT[protocol]}
    clear, implicit = vserver.get("port"), vserver.get("implicit_tls_port")
    clear = usual.get(True, 0) if clear is None else clear
    implicit = usual.get(False, 0) if implicit is None else implicit
    found = {clear: STARTTLS.get(protocol, ""), implicit: ""}
    return {port: word for port, word in found.items() if port}


@dataclass(frozen=True)
class Outside:
    """Clients at other addresses.

    Attributes:
        lab: the lab.
        root: whom they trust.
        peer: the host that some of them are on.
    """

    lab: Lab
    root: Path
    peer: Host

    def faults(self, configuration: Configuration) -> list[str]:
        """What is not as it is declared."""
        found = listeners(self.lab, configuration.host)
        return [*self._certificates(configuration, found), *self._clear_text(configuration, found)]

    # ---- the right certificate

    def _certificates(self, configuration: Configuration, found: Sequence[Listener]) -> list[str]:
        commands: dict[str, list[str]] = {}
        faults = []
        for vserver in configuration.vservers:
            for port, starttls in ports_of(vserver).items():
                where = [one for one in found if one.port == port and self._meant(vserver, one)]
                if port in configuration.proxied:
                    continue
                if not where:
                    faults.append(f"nothing listens on port {port} of {vserver['protocol']}")
                for one in where:
                    for asked, certificate in self._asked(vserver):
                        name = asked or names_of(certificate, configuration.host)[0]
                        label = f"{vserver['protocol']} at {one.target} as {name}"
                        commands[label] = self._session(one, starttls, name)
        answers = self.lab.run_many_beside(commands) if commands else {}
        return faults + [
            f"{label}: {answer.err.strip()[-300:]}" for label, answer in answers.items() if answer.code != 0
        ]

    @staticmethod
    def _meant(vserver: Mapping[str, Any], one: Listener) -> bool:
        addresses = vserver.get("addresses", ())
        return not addresses or one.address in addresses

    @staticmethod
    def _asked(vserver: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        own = vserver["name"] if vserver["protocol"] == "http" and "name" in vserver else ""
        names = [(one["name"], one["certificate"]) for one in vserver.get("sni", ()) if "*" not in one["name"]]
        return [(own, vserver["certificate"]), *names]

    def _session(self, one: Listener, starttls: str, name: str) -> list[str]:
        return [
            *("openssl", "s_client", "-connect", one.target, "-servername", name),
            *(("-starttls", starttls) if starttls else ()),
            *("-brief", "-verify_return_error", "-verify_hostname", name),
            *("-CAfile", str(self.root), "-no-CApath", "-no-CAstore"),
        ]

    # ---- nothing in clear text

    def possible(self, configuration: Configuration) -> Mapping[str, Sequence[str]]:
        """What can be done in clear text now, by place."""
        found = listeners(self.lab, configuration.host)
        return {
            label: can
            for vserver in configuration.vservers
            for label, can in self._tried(configuration, vserver, found).items()
        }

    def _clear_text(self, configuration: Configuration, found: Sequence[Listener]) -> list[str]:
        return [
            f"in clear text, {label}: {', '.join(sorted(wrong))}"
            for vserver in configuration.vservers
            for label, can in self._tried(configuration, vserver, found).items()
            if (wrong := set(can) & forbidden(vserver) or set(can) & {"search"})
        ]

    def _tried(
        self, configuration: Configuration, vserver: Mapping[str, Any], found: Sequence[Listener]
    ) -> Mapping[str, Sequence[str]]:
        protocol, host = vserver["protocol"], configuration.host
        ports = set(ports_of(vserver)) | {CLEAR_PORTS.get(protocol, 0)}
        where = [
            one
            for one in found
            if self._meant(vserver, one)
            and (one.port in ports or (protocol in ANYWHERE and one.port != 22 and one.port not in REGISTERED))
        ]
        if protocol == "ldap":
            return self._searched(vserver, [one for one in where if one.port != 636])
        targets = [
            {
                "protocol": protocol,
                "address": one.address,
                "port": one.port,
                "patience": SHORT if ports_of(vserver).get(one.port, "?") == "" or one.port not in ports else PATIENCE,
                "times": 1 if ports_of(vserver).get(one.port, "?") == "" else TIMES,
                "user": configuration.login["user"],
                "password": configuration.login["password"],
                "sender": vserver["name"]
                if protocol == "http" and "name" in vserver
                else host.fqdn
                if protocol == "http"
                else configuration.login.get("sender", f"{configuration.login['user']}@{host.fqdn}"),
                "recipient": configuration.login.get("recipient", f"alice@{host.fqdn}"),
                "group": configuration.login.get("group", "misc.test"),
                "proxy": one.port in configuration.proxied,
            }
            for one in where
        ]
        done = self.lab.run_beside("python3", str(PROGRAMS / "clear_text.py"), given=json.dumps(targets))
        assert done.code == 0, done.err
        return {f"{protocol} at {one.target}": can for one, can in zip(where, json.loads(done.out))}

    def _searched(self, vserver: Mapping[str, Any], where: Sequence[Listener]) -> Mapping[str, Sequence[str]]:
        """What a directory answers without TLS."""
        found = {}
        for one in where:
            done = self.lab.run_in(
                self.peer, "ldapsearch", "-x", "-H", f"ldap://{one.target}", "-b", "dc=example,dc=test", "-s", "base"
            )
            refused = "Confidentiality required" in done.out + done.err
            found[f"ldap at {one.target}"] = ["search"] if vserver["require_secure_channel"] and not refused else []
        return found
