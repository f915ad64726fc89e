# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proof that daemons do what their files say: by their effective settings, by their sockets, and on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import slowness
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import Note
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import PATIENCE, Prover, Sight
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import WaysIn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.compare import differences
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.further_ports import in_clear
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.planning import DaemonPlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.provider_selection import Found

_PAUSE = 0.2  # seconds between two looks at sockets that are to open


class Proof:
    """What daemons show, and what of it could be seen from this host.

    Args:
        host: the machine.
        store: its certificates.
    """

    def __init__(self, host: Host, store: Store) -> None:
        self._host = host
        self._store = store
        self._as_it_is = WaysIn(host, remember=True)
        self._sights: dict[Vserver, list[Sight]] = {}

    def confirm(self, plans: Iterable[DaemonPlan]) -> None:
        """Raise Problem unless the daemons' effective settings, their sockets and then the wire are as desired."""
        plans = list(plans)
        for one in plans:
            refuse_overridden(one, one.provider.read(), self._store)
        for one in plans:
            _refuse_unopened(one)
            self._on_wire(one, Prover(WaysIn(self._host), PATIENCE))

    def not_in_effect(self, plan: DaemonPlan) -> str:
        """What shows that a daemon with the right files has not read them yet; empty where it has."""
        closed = _unopened(plan)
        if closed:
            return _closed(closed)
        try:
            self._on_wire(plan, Prover(self._as_it_is, patience=0.0))
        except Problem as exc:
            return exc.found
        return ""

    def note(self, plans: Iterable[DaemonPlan]) -> Note:
        """What was seen, what was not, and what is open in clear text beside it."""
        found = [
            {"protocol": vserver.protocol, "name": vserver.name, "seen": _seen(sights), "unseen": _unseen(sights)}
            for vserver, sights in self._sights.items()
        ]
        ways_in = WaysIn(self._host, remember=True)
        sockets = list(listening(self._host, processes=True))
        further = [warning for one in plans for warning in in_clear(ways_in, sockets, one)]
        return Note({"proofs": found}, [*self._warnings(), *further])

    def _on_wire(self, plan: DaemonPlan, prover: Prover) -> None:
        """Raise Problem unless the wire shows every virtual server of a daemon as desired."""
        for vserver in plan.vservers:
            self._sights.pop(vserver, None)
        for vserver in plan.vservers:
            if vserver.present:
                self._sights[vserver] = prover.prove(plan.provider, vserver, plan.afterwards, self._store.leaf)

    def _warnings(self) -> Iterator[str]:
        for vserver, sights in self._sights.items():
            unseen = _unseen(sights)
            if unseen:
                places = "; ".join(f"{one['address']} port {one['port']} ({one['reason']})" for one in unseen)
                yield (
                    f"{vserver.title}: this host cannot see itself at {places}, so nothing is proven there; look from"
                    " another host, as with the role verify or the module mail_tls_info"
                )


def _seen(sights: Iterable[Sight]) -> list[dict[str, Any]]:
    return [{"address": one.endpoint.address, "port": one.endpoint.port} for one in sights if not one.unseen]


def _unseen(sights: Iterable[Sight]) -> list[dict[str, Any]]:
    return [
        {"address": one.endpoint.address, "port": one.endpoint.port, "reason": one.unseen}
        for one in sights
        if one.unseen
    ]


def _unopened(plan: DaemonPlan) -> list[tuple[str, int]]:
    """Sockets of the desired virtual servers that are configured and not open."""
    ports = {
        port
        for one in plan.afterwards
        for port in (PROTOCOLS[one.protocol].port if one.port is None else one.port, one.implicit_tls_port)
        if port
    }
    return [place for place in plan.provider.unopened() if place[1] in ports] if plan.vservers else []


def _closed(places: Sequence[tuple[str, int]]) -> str:
    return f"it does not listen on {', '.join(f'{address} port {port}' for address, port in places)}"


def _refuse_unopened(plan: DaemonPlan) -> None:
    """Raise Problem where a daemon does not listen, now or soon, where its files tell it to."""
    end = time.monotonic() + PATIENCE * slowness()
    while True:
        closed = _unopened(plan)
        if not closed:
            return
        if time.monotonic() >= end:
            raise Problem(
                f"{plan.provider.name} has its files, but {_closed(closed)}",
                f"see what holds that port ('ss -ltnp'), and look at 'journalctl -u {plan.provider.unit}' on the host",
                subject=plan.provider.name,
            )
        time.sleep(_PAUSE)


def refuse_overridden(plan: DaemonPlan, found: Found, store: Store) -> None:
    """Raise Problem where a daemon's files are right, but its effective settings are not.

    Args:
        plan: the daemon, with its desired virtual servers.
        found: its virtual servers by its effective settings.
        store: tells which certificates are ours.
    """
    for vserver in plan.vservers:
        wrong = _still_wrong(vserver, found.get(vserver.key), store)
        if wrong:
            raise Problem(
                f"the settings are in its files, but {plan.provider.name} does not use them ({'; '.join(wrong)})",
                "look for a file that sets the same options and is read later, such as local.conf, and remove them"
                " there",
                subject=vserver.title,
            )


def _still_wrong(vserver: Vserver, found: Vserver | None, store: Store) -> list[str]:
    if vserver.present:
        return differences(found, vserver)
    left = [name for name in (found.certificates if found else ()) if name in store.names()]
    return [f"it still shows the certificate {name}" for name in left]
