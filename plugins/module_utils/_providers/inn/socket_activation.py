# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd brought to listen as our socket units say."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_units import (
    PREFIX,
    present,
)

_SYSTEMD = "systemd"


def activate(host: Host, run: Callable[..., Completed]) -> None:
    """Have systemd listen as our units say: open, close and move their sockets, and touch no others.

    Raises:
        Problem: a socket cannot be opened.
    """
    wanted = present(host)
    running = running_sockets(host)
    gone = running - {f"{one.unit}.socket" for one in wanted}
    if gone:
        run(["systemctl", "stop", *sorted(gone)])
    if wanted or gone:
        run(["systemctl", "daemon-reload"])
    bound = _bound(host)
    ports = {one.port for one in wanted}
    expected = {place for one in wanted for place in one.sockets}
    for one in wanted:
        unit = f"{one.unit}.socket"
        stray = any(place not in expected for place in bound if place[1] in ports)
        if unit in running and one.sockets <= bound and not stray:
            continue
        run(["systemctl", "reset-failed", unit])
        done = run(["systemctl", "restart", unit])
        if done.code != 0:
            raise Problem(
                f"systemd cannot listen for INN's clients on port {one.port} ({done.complaint})",
                f"see what listens there ('ss -ltnp'), and look at 'journalctl -u {unit}'",
                subject=f"virtual server nntp/{one.vserver}",
                option="implicit_tls_port" if one.tls else "port",
            )


def is_ours(host: Host, socket: Listening) -> bool:
    """Whether systemd listens at a socket for one of our units."""
    place = (socket.own_address or "*", socket.port)
    return _SYSTEMD in socket.processes and any(place in one.sockets for one in present(host))


def unopened(host: Host, address: str, port: int) -> list[tuple[str, int]]:
    """Where INN and our units are to listen, and nobody does.

    Args:
        host: the machine.
        address: the address that INN itself listens on; empty for every one.
        port: its port; 0 for none.
    """
    wanted = {(address or "*", port)} if port else set()
    wanted.update(place for one in present(host) for place in one.sockets)
    there = {(one.own_address or "*", one.port) for one in listening(host)}
    return sorted(wanted - there)


def running_sockets(host: Host) -> set[str]:
    """Our socket units that are loaded and active, or failed."""
    asked = host.query(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", f"{PREFIX}*.socket"]
    ).out
    rows = [line.split() for line in asked.splitlines() if line.strip()]
    return {row[0] for row in rows if row[2:] and row[2] in ("active", "failed")}


def _bound(host: Host) -> set[tuple[str, int]]:
    """Addresses and ports on which systemd listens."""
    return {(one.own_address or "*", one.port) for one in listening(host, processes=True) if _SYSTEMD in one.processes}
