# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd brought to listen as our socket units say."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.socket_units import (
    PREFIX,
    present,
)


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


def running_sockets(host: Host) -> set[str]:
    """Our socket units that are loaded and active, or failed."""
    asked = host.query(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", f"{PREFIX}*.socket"]
    ).out
    rows = [line.split() for line in asked.splitlines() if line.strip()]
    return {row[0] for row in rows if row[2:] and row[2] in ("active", "failed")}


def _bound(host: Host) -> set[tuple[str, int]]:
    """Addresses and ports on which systemd listens."""
    found = set()
    for one in listening(host, processes=True):
        if "systemd" in one.processes:
            address = one.address.partition("%")[0]
            found.add(("*" if address in ("0.0.0.0", "::") else address, one.port))
    return found
