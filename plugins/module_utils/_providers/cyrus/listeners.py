# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of cyrus.conf that make up each virtual server.

The virtual server ``default`` has the services of the administrator's that run the protocol's program, and those that
we added for it. A service for programs of this host, which listens on a loopback address at a port of its own, is no
part of it where there are others. Any other virtual server has services of ours only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import cyrus_conf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.cyrus_conf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import (
    CYRUS_CONF,
    IMAPD_CONF,
)

# Names that /etc/services gives to the ports; that file is not on every small host.
_PORTS = {"imap": 143, "imap2": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "nntp": 119, "nntps": 563}
_STOCK = (("prefork", "0"), ("maxchild", "100"))


def port_of(word: str) -> int:
    """The number of a port that may be given by name; 0 where this host does not know the name."""
    return port_number(word, _PORTS) or 0


@dataclass(frozen=True)
class Listener:
    """A service as a socket.

    Attributes:
        service: its name.
        host: address or host name that it listens on; empty for every address.
        port: TCP port.
        implicit_tls: whether TLS starts at once.
    """

    service: str
    host: str
    port: int
    implicit_tls: bool

    @property
    def reachable(self) -> str:
        """An address at which it can be reached from this host."""
        if self.host in ("", "*", "0.0.0.0", "localhost"):
            return "127.0.0.1"
        return "::1" if self.host == "::" else self.host


def _is_theirs(service: Service, protocol: str) -> bool:
    """Whether a service is the administrator's, and serves a protocol at a port."""
    return not service.owner and service.program == f"{protocol}d" and bool(service.listens[1])


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _as_listener(service: Service) -> Listener:
    host, port = service.listens
    return Listener(service.name, "" if host == "*" else host, port_of(port), service.implicit_tls)


class Listeners:
    """The services of one cyrus.conf, and what they become.

    Args:
        text: content of cyrus.conf.
        managed: services that have options of ours already, in lower case.

    Attributes:
        text: the content as it must be.

    Raises:
        Problem: Cyrus would end at a line.
    """

    def __init__(self, text: str, managed: Collection[str] = ()) -> None:
        self.text = text
        self.services = cyrus_conf.services(text)
        self._lines = {one.name: one.line for one in self.services}
        self._left = {protocol: self._for_programs_of_this_host(protocol, managed) for protocol in PROTOCOLS}

    def _change(self, text: str) -> None:
        self.text = text
        self.services = cyrus_conf.services(text)

    def _those(self, protocol: str, name: str) -> list[Service]:
        """The services of a virtual server that are in effect."""
        return [
            one
            for one in self.services
            if one.owner == f"{protocol}/{name}"
            or (name == "default" and _is_theirs(one, protocol) and one.name not in self._left[protocol])
        ]

    def _for_programs_of_this_host(self, protocol: str, managed: Collection[str]) -> set[str]:
        """Names of the services that listen on a loopback address at a port of their own, beside others."""
        usual = {PROTOCOLS[protocol].port, PROTOCOLS[protocol].implicit_tls_port}
        theirs = [*self.services, *(one for _owner, one in cyrus_conf.taken_out(self.text))]
        theirs = [one for one in theirs if _is_theirs(one, protocol)]
        apart = {
            one.name
            for one in theirs
            if _is_loopback(one.listens[0]) and port_of(one.listens[1]) not in usual and one.name.lower() not in managed
        }
        return apart if any(one.name not in apart for one in theirs) else set()

    def left_alone(self, protocol: str) -> list[Service]:
        """The services for programs of this host, which are no part of any virtual server."""
        return [one for one in self.services if one.name in self._left[protocol]]

    def names(self, protocol: str) -> list[str]:
        """Names of the protocol's virtual servers."""
        found = {one.owner.partition("/")[2] for one in self.services if one.owner.startswith(f"{protocol}/")}
        if self._those(protocol, "default"):
            found.add("default")
        return sorted(found)

    def of(self, protocol: str, name: str) -> list[Listener]:
        """The sockets of a virtual server, in the order of the file."""
        return [_as_listener(one) for one in self._those(protocol, name)]

    def model(self, service: str) -> str:
        """The administrator's service that one of ours is modelled on; empty for none, and for one that is not ours."""
        owner = next((one.owner for one in self.services if one.name == service), "")
        siblings = self._those(owner.partition("/")[0], "default") if owner else []
        return next((one.name for one in siblings if not one.owner), "")

    # ---- changing

    def take_back(self, protocol: str, name: str) -> None:
        """Leave no trace of what was done for a virtual server."""
        owner = f"{protocol}/{name}"
        self._change(cyrus_conf.remove(self.text, [one.name for one in self.services if one.owner == owner]))
        for whose, service in cyrus_conf.taken_out(self.text):
            if whose == owner:
                self._change(cyrus_conf.put_back(self.text, service))

    def establish(self, vserver: Vserver) -> None:
        """Have a virtual server listen where it is desired, and nowhere else.

        Raises:
            Problem: a service of the administrator's cannot be part of it.
        """
        owner = f"{vserver.protocol}/{vserver.name}"
        for implicit, port in ((False, vserver.port), (True, vserver.implicit_tls_port)):
            if port is None:
                continue  # as the daemon has it
            self._close(vserver, owner, port, implicit=implicit)
            if port:
                self._open(vserver, owner, port, implicit=implicit)
        for service in self._those(vserver.protocol, vserver.name):
            if service.other_file:
                raise Problem(
                    f"{CYRUS_CONF} line {service.line} has the service {service.name} read another file than"
                    f" {IMAPD_CONF}",
                    f"move that file's options to {IMAPD_CONF}, with '{service.name}_' before their names, remove -C"
                    " from that line, then run again",
                    subject=vserver.title,
                    option=f"{CYRUS_CONF}:{service.line}",
                )

    def _close(self, vserver: Vserver, owner: str, port: int, *, implicit: bool) -> None:
        """Close the sockets of one kind that are not desired."""
        while True:
            for service in self._those(vserver.protocol, vserver.name):
                listener = _as_listener(service)
                if listener.implicit_tls != implicit:
                    continue
                there = vserver.name == "default" or listener.host in (vserver.addresses or ("",))
                if listener.port == port and there:
                    continue
                if service.owner:
                    self._change(cyrus_conf.remove(self.text, [service.name]))
                else:
                    self._change(cyrus_conf.take_out(self.text, service, owner))
                break
            else:
                return

    def _open(self, vserver: Vserver, owner: str, port: int, *, implicit: bool) -> None:
        """Open the sockets of one kind that are missing."""
        for whose, service in cyrus_conf.taken_out(self.text):
            listener = _as_listener(service)
            if whose == owner and listener.implicit_tls == implicit and listener.port == port:
                self._change(cyrus_conf.put_back(self.text, service))
        there = {one.host for one in self.of(vserver.protocol, vserver.name) if one.implicit_tls == implicit}
        if vserver.name == "default":
            # wherever the daemon listens already
            siblings = [one.host for one in self.of(vserver.protocol, vserver.name) if one.implicit_tls != implicit]
            # a port cannot be opened on every address and on a single one
            everywhere = [""] if "" in siblings or not siblings else list(dict.fromkeys(siblings))
            wanted = [] if there else everywhere
        else:
            wanted = [host for host in vserver.addresses or ("",) if host not in there]
        for host in wanted:
            self._add(vserver, owner, host, port, implicit=implicit)

    def _add(self, vserver: Vserver, owner: str, host: str, port: int, *, implicit: bool) -> None:
        siblings = self._those(vserver.protocol, vserver.name) or self._those(vserver.protocol, "default")
        model = next((one for one in siblings if not one.other_file), None)
        command = model.command if model else [f"{vserver.protocol}d", "-U", "30"]
        flags = [word for word in command[1:] if word != "-s"]
        arguments = [
            ("cmd", " ".join([command[0], *(["-s"] if implicit else []), *flags])),
            ("listen", (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if host else str(port)),
        ]
        taken = {"cmd", "listen"}
        arguments += [one for one in (model.arguments if model else _STOCK) if one[0] not in taken]
        name = self._free_name(vserver, implicit=implicit)
        self._change(cyrus_conf.add(self.text, name, arguments, owner, [one.name for one in siblings]))

    def _free_name(self, vserver: Vserver, *, implicit: bool) -> str:
        """A name that no service has. Cyrus takes letters and digits only, and options are found by lower case."""
        taken = {one.name.lower() for one in self.services}
        taken |= {one.name.lower() for _owner, one in cyrus_conf.taken_out(self.text)}
        own = "" if vserver.name == "default" else re.sub(r"[^a-z0-9]", "", vserver.name.lower())
        wish = f"{vserver.protocol}{'s' if implicit else ''}{own}"
        number, found = 1, wish
        while found in taken:
            number += 1
            found = f"{wish}n{number}"
        return found

    # ---- checking

    def _named(self, service: Service) -> str:
        """A service, and where it is written."""
        line = self._lines.get(service.name)
        return f"{service.name} (line {line})" if line else f"{service.name} (new)"

    def refuse_overlap(self, vservers: Sequence[Vserver]) -> None:
        """Raise Problem where two services would have the same socket: Cyrus says nothing and leaves one out."""
        taken: dict[tuple[int, str], Service] = {}
        for service in self.services:
            host, port = service.listens
            if not port or service.argument("proto").startswith("udp"):
                continue
            host = "" if host == "*" else host
            number = port_of(port)
            for (other_port, other_host), other in taken.items():
                if number != other_port or not (host == other_host or "" in (host, other_host)):
                    continue
                owners = {service.owner, other.owner}
                concerned = [one for one in vservers if f"{one.protocol}/{one.name}" in owners and one.present]
                if concerned:
                    raise Problem(
                        f"the services {self._named(other)} and {self._named(service)} of {CYRUS_CONF} would both"
                        f" listen on {host or other_host or 'every address'}, port {number}",
                        "give one of them another port; Cyrus cannot open a port on every address and on a single one",
                        subject=concerned[0].title,
                        option="addresses" if concerned[0].addresses else "port",
                    )
            taken[number, host] = service
