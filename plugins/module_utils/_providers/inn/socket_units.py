# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets beyond INN's own at which readers are served: systemd listens, and starts nnrpd for each client.

An nnrpd that listens by itself would read its settings once only, and would have to be restarted, with all sessions
lost, for each change; one that systemd starts for a client reads them as the one does that innd starts
(systemd.socket(5), nnrpd(8)).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEMD_UNITS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    BOOT_DIRECTORY,
    GROUP,
    NNRPD,
    SPOOL,
    UNIT,
    USER,
)

_PREFIX = "postmaster-nntp-"
_BOOT = f"{BOOT_DIRECTORY}/{_PREFIX}{{}}.conf"
_HEAD = "# Kept by the Ansible collection postmaster.secure_channel; changes made here are lost.\n"
_LISTEN = re.compile(r"^ListenStream=(?:\[?([0-9A-Fa-f:.]+)\]?:)?(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Listener:
    """A socket unit of ours, which may listen on several addresses.

    Attributes:
        vserver: name of the virtual server.
        tls: whether TLS starts at once.
        addresses: IP addresses; empty for every one.
        port: TCP port.
    """

    vserver: str
    tls: bool
    addresses: tuple[str, ...]
    port: int

    @property
    def unit(self) -> str:
        """Name of the units, without the ending."""
        return f"{_PREFIX}{self.vserver}-{'tls' if self.tls else 'clear'}"

    @property
    def socket_file(self) -> str:
        """Path of the socket unit."""
        return f"{SYSTEMD_UNITS}/{self.unit}.socket"

    @property
    def sockets(self) -> set[tuple[str, int]]:
        """Addresses and ports, as ss(8) shows them."""
        return {(address, self.port) for address in self.addresses or ("*",)}

    def rendered(self, settings: str, sasl: str, readers: str, flags: Sequence[str]) -> list[FileChange]:
        """The unit files.

        Args:
            settings: path of its inn.conf; empty for INN's own.
            sasl: directory of its INN.conf for SASL; empty for the system's own.
            readers: path of its readers.conf; empty for INN's own.
            flags: options that every nnrpd gets.
        """
        places = [f"[{one}]:{self.port}" if ":" in one else f"{one}:{self.port}" for one in self.addresses]
        listen = "".join(f"ListenStream={place}\n" for place in places or [str(self.port)])
        title = f"NNTP virtual server {self.vserver}{', TLS from the start' if self.tls else ''}"
        # ReusePort lets one virtual server have an address of its own on a port that another one has on all others
        socket = (
            f"{_HEAD}[Unit]\nDescription={title}\n\n[Socket]\n{listen}Accept=yes\nFreeBind=yes\nReusePort=yes\n"
            "MaxConnections=1000\nTriggerLimitIntervalSec=0\n"
        )
        words = [NNRPD, *(["-S"] if self.tls else []), *flags, *(["-c", readers] if readers else [])]
        variables = [*([f"INNCONF={settings}"] if settings else []), *([f"SASL_CONF_PATH={sasl}"] if sasl else [])]
        environment = f"Environment={' '.join(variables)}\n" if variables else ""
        # nnrpd ends with 1 when a client is not let in; what it prints would go to the client
        service = (
            f"{_HEAD}[Unit]\nDescription={title} (a client)\nAfter={UNIT}\nCollectMode=inactive-or-failed\n\n"
            f"[Service]\nUser={USER}\nGroup={GROUP}\n{environment}ExecStart={' '.join(words)}\nSuccessExitStatus=1\n"
            "StandardInput=socket\nStandardError=journal\nProtectSystem=full\nProtectControlGroups=yes\n"
            f"ProtectHome=yes\nReadWritePaths={SPOOL}\n"
        )
        return [
            FileChange(self.socket_file, socket.encode(), "root", "root", 0o644),
            FileChange(f"{SYSTEMD_UNITS}/{self.unit}@.service", service.encode(), "root", "root", 0o644),
        ]


def at_boot(vserver: str, listeners: Sequence[Listener]) -> FileChange:
    """The drop-in that has a virtual server's sockets opened when the system starts; none where it has no sockets."""
    wants = "".join(f"Wants={one.unit}.socket\n" for one in listeners)
    content = f"{_HEAD}[Unit]\n{wants}".encode() if listeners else None
    return FileChange(_BOOT.format(vserver), content, "root", "root", 0o644, own_directory=True)


def removed(listener: Listener) -> list[FileChange]:
    """The unit files gone."""
    return [FileChange(listener.socket_file, None), FileChange(f"{SYSTEMD_UNITS}/{listener.unit}@.service", None)]


def present(host: Host) -> list[Listener]:
    """The socket units of ours whose files are on the host."""
    found = []
    for file in host.names_in(SYSTEMD_UNITS):
        match = re.fullmatch(re.escape(_PREFIX) + r"(.+)-(tls|clear)\.socket", file)
        places = _LISTEN.findall(host.read_text(f"{SYSTEMD_UNITS}/{file}")) if match else []
        if match and places:
            addresses = tuple(sorted(address for address, _port in places if address))
            found.append(Listener(match.group(1), match.group(2) == "tls", addresses, int(places[0][1])))
    return found


def activate(host: Host, run: Callable[..., Completed]) -> None:
    """Have systemd listen as the files say: open, close and move sockets, and touch no other.

    Raises:
        Problem: a socket cannot be opened.
    """
    wanted = present(host)
    running = _running(host)
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
                f"systemd cannot listen for INN's readers on port {one.port} ({done.complaint})",
                f"see who listens there ('ss -ltnp'), and look at 'journalctl -u {unit}'",
                subject=f"virtual server nntp/{one.vserver}",
                option="implicit_tls_port" if one.tls else "port",
            )


def _running(host: Host) -> set[str]:
    """Our socket units that are loaded and active, or failed."""
    asked = host.query(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", f"{_PREFIX}*.socket"]
    ).out
    rows = [line.split() for line in asked.splitlines() if line.strip()]
    return {row[0] for row in rows if row[2] in ("active", "failed")}


def _bound(host: Host) -> set[tuple[str, int]]:
    """Addresses and ports on which systemd listens."""
    found = set()
    for one in listening(host, processes=True):
        if "systemd" in one.processes:
            address = one.address.partition("%")[0]
            found.add(("*" if address in ("0.0.0.0", "::") else address, one.port))
    return found
