# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemon serves a virtual server, and whether its sockets are free."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down, Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon

Found = Mapping[tuple[str, str], Vserver]
_EVERYWHERE = "every address"


_SYSTEMD = "systemd"


def names_by_port(sockets: Iterable[Listening]) -> dict[int, set[str]]:
    """Names of the processes that listen on each TCP port."""
    found: dict[int, set[str]] = {}
    for one in sockets:
        found.setdefault(one.port, set()).update(one.processes)
    return found


def choose(
    vserver: Vserver,
    providers: Mapping[str, Provider],
    known: Sequence[type[Daemon]],
    listening: Mapping[int, set[str]],
) -> Provider:
    """The daemon that serves a virtual server, or is to serve it.

    Args:
        vserver: what is asked for.
        providers: the daemons on this host, by name.
        known: all daemons that there is a provider for.
        listening: processes, by the port that they listen on.

    Raises:
        Problem: there is none, or more than one.
    """
    suitable = [one for one in known if vserver.protocol in one.protocols and vserver.provider in ("", one.name)]
    able = [providers[one.name] for one in suitable if one.name in providers]
    if not able:
        packages = [f"{one.packages[vserver.protocol]} for {one.name}" for one in suitable]
        if not packages:
            raise Problem(
                f"{vserver.provider} does not serve {vserver.protocol}",
                "choose another provider, or leave the option out",
                subject=vserver.title,
                option="provider",
            )
        raise Problem(
            f"no daemon that can serve {vserver.protocol} is installed on this host",
            f"install one ({how_to_install(*packages)}), or leave this virtual server out",
            subject=vserver.title,
            option="protocol",
        )
    chosen = _decided(vserver, able, listening)
    if not chosen.running():
        raise Down(chosen, subject=vserver.title, option="protocol")
    chosen.refuse_halted()
    return chosen


def _decided(vserver: Vserver, able: Sequence[Provider], listening: Mapping[int, set[str]]) -> Provider:
    """Of several daemons the one that listens, or at least runs."""
    if len(able) == 1:
        return able[0]
    protocol = PROTOCOLS[vserver.protocol]
    present = listening.get(protocol.port, set()) | listening.get(protocol.implicit_tls_port, set())
    for some in ([one for one in able if one.processes & present], [one for one in able if one.running()]):
        if len(some) == 1:
            return some[0]
    names = " and ".join(one.name for one in able)
    raise Problem(
        f"{names} could both serve {vserver.protocol} on this host",
        "choose one with the option provider",
        subject=vserver.title,
        option="provider",
    )


def refuse_foreign_addresses(vservers: Iterable[Vserver]) -> None:
    """Raise Problem where a virtual server is to listen on an address that this host does not have.

    Some daemons exit when they cannot listen.
    """
    for vserver in vservers:
        for address in vserver.addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                with socket.socket(family, socket.SOCK_STREAM) as trying:
                    trying.bind((address, 0))
            except OSError as exc:
                raise Problem(
                    f"{address} is not an address of this host ({exc.strerror})",
                    "give an address of this host",
                    subject=vserver.title,
                    option="addresses",
                ) from exc


def _sockets(vserver: Vserver, found: Vserver | None) -> Iterator[tuple[str, int]]:
    """Addresses and ports that it listens on."""
    port = vserver.port
    if port is None:
        port = found.port if found else PROTOCOLS[vserver.protocol].port
    for address in vserver.addresses or (_EVERYWHERE,):
        for number in (port, vserver.implicit_tls_port):
            if number:
                yield address, number


def refuse_taken_sockets(
    served: Mapping[str, Sequence[Vserver]],
    before: Mapping[str, Found],
    providers: Mapping[str, Provider],
    sockets: Sequence[Listening],
    host: Host,
) -> None:
    """Raise Problem where two virtual servers, or one and another program, would use the same socket.

    Args:
        served: the desired virtual servers, by the name of their daemon.
        before: what each of these daemons serves now.
        providers: the daemons.
        sockets: what listens on this host now, with its processes.
        host: the machine.
    """
    taken: dict[tuple[str, int], Vserver] = {}
    for name, vservers in served.items():
        found = before[name]
        desired = {one.key for one in vservers}
        others = [one for key, one in found.items() if key not in desired]
        for vserver in (*(one for one in vservers if one.present), *others):
            if not PROTOCOLS[vserver.protocol].starttls:
                continue  # sites of a web server share its sockets
            for place in _sockets(vserver, found.get(vserver.key)):
                other = taken.setdefault(place, vserver)
                if other is not vserver:
                    raise Problem(
                        f"{vserver.title} and {other.title} would both listen on {place[0]}, port {place[1]}",
                        "give one of them other addresses or ports",
                        subject=vserver.title,
                        option="addresses" if vserver.addresses else "port",
                    )
        for vserver in (one for one in vservers if one.present):
            for address, port in _sockets(vserver, found.get(vserver.key)):
                for one in sockets:
                    if one.port == port and _concerns(one, address) and not providers[name].holds(one):
                        raise _taken(one, vserver, providers[name], host)


def _concerns(socket: Listening, address: str) -> bool:
    """Whether clients of a virtual server at an address may end up at a socket."""
    return address == _EVERYWHERE or socket.takes(address)


def _taken(socket: Listening, vserver: Vserver, provider: Provider, host: Host) -> Problem:
    """What stands in the way of a virtual server at a socket, and what to do about it."""
    option = "implicit_tls_port" if socket.port == vserver.implicit_tls_port else "port"
    where = f"{socket.place} is in use by"
    another = "or choose another port"
    if not socket.processes:
        return Problem(
            f"{where} a process that cannot be seen from here, as of a container in the host's network",
            f"find out on the machine what listens there, and stop it, {another}",
            subject=vserver.title,
            option=option,
        )
    if socket.processes == {_SYSTEMD}:
        units = [
            line.split()[1]
            for line in host.query(["systemctl", "list-sockets", "--no-legend", "--full"]).out.splitlines()
            if line.split()[:1] == [socket.place] or line.split()[:1] == [f"[::]:{socket.port}"]
        ]
        unit = units[0] if units else "the unit that 'systemctl list-sockets' shows"
        return Problem(
            f"{where} systemd ({unit})",
            f"stop and disable that unit ('systemctl disable --now {units[0]}'), {another}"
            if units
            else f"stop and disable {unit}, {another}",
            subject=vserver.title,
            option=option,
        )
    names = ", ".join(sorted(socket.processes))
    numbers = ", ".join(map(str, sorted(socket.pids)))
    second = f", which does not belong to {provider.unit}" if socket.processes & provider.processes else ""
    return Problem(
        f"{where} {names} (process {numbers}){second}",
        f"stop that program, {another}",
        subject=vserver.title,
        option=option,
    )
