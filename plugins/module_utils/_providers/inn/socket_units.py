# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The units of sockets besides INN's own: systemd listens there, and starts an nnrpd for each client.

An nnrpd that listens by itself would read its settings only once, and would have to be restarted for each change, with
the loss of all sessions; one that systemd starts for a client reads them anew, like one that innd starts
(systemd.socket(5), nnrpd(8)).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEMD_UNITS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    BOOT_DIRECTORY,
    GROUP,
    NNRPD,
    SPOOL,
    UNIT,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import (
    lines_of,
    within_a_line,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

PREFIX = "postmaster-nntp-"
_BOOT = f"{BOOT_DIRECTORY}/{PREFIX}{{}}.conf"
_LISTEN = re.compile(r"^ListenStream=(?:\[?([0-9A-Fa-f:.]+)\]?:)?(\d{1,5})$", re.MULTILINE)


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
        return f"{PREFIX}{self.vserver}-{'tls' if self.tls else 'clear'}"

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
        listen = lines_of((f"ListenStream={place}" for place in places or [str(self.port)]), self.socket_file)
        title = f"NNTP virtual server {self.vserver}{', TLS from the start' if self.tls else ''}"
        # ReusePort: one virtual server can have an address of its own on a port that another one has on all addresses
        socket = (
            f"{heading()}[Unit]\nDescription={title}\n\n[Socket]\n{listen}Accept=yes\nFreeBind=yes\nReusePort=yes\n"
            "MaxConnections=1000\nTriggerLimitIntervalSec=0\n"
        )
        words = [NNRPD, *(["-S"] if self.tls else []), *flags, *(["-c", readers] if readers else [])]
        command = within_a_line(" ".join(words), self.unit)
        variables = [*([f"INNCONF={settings}"] if settings else []), *([f"SASL_CONF_PATH={sasl}"] if sasl else [])]
        environment = f"Environment={' '.join(variables)}\n" if variables else ""
        # nnrpd exits with 1 when it turns a client away; what it prints would go to the client
        service = (
            f"{heading()}[Unit]\nDescription={title} (a client)\nAfter={UNIT}\nCollectMode=inactive-or-failed\n\n"
            f"[Service]\nUser={USER}\nGroup={GROUP}\n{environment}ExecStart={command}\nSuccessExitStatus=1\n"
            "StandardInput=socket\nStandardError=journal\nProtectSystem=full\nProtectControlGroups=yes\n"
            f"ProtectHome=yes\nReadWritePaths={SPOOL}\n"
        )
        return [
            FileChange(self.socket_file, socket.encode(), "root", "root", 0o644),
            FileChange(f"{SYSTEMD_UNITS}/{self.unit}@.service", service.encode(), "root", "root", 0o644),
        ]


def at_boot(vserver: str, listeners: Sequence[Listener]) -> FileChange:
    """The drop-in that opens a virtual server's sockets when the system starts; none where it has no sockets."""
    wants = "".join(f"Wants={one.unit}.socket\n" for one in listeners)
    content = f"{heading()}[Unit]\n{wants}".encode() if listeners else None
    return FileChange(_BOOT.format(vserver), content, "root", "root", 0o644, own_directory=True)


def removed(listener: Listener) -> list[FileChange]:
    """The unit files gone."""
    return [FileChange(listener.socket_file, None), FileChange(f"{SYSTEMD_UNITS}/{listener.unit}@.service", None)]


def present(host: Host) -> list[Listener]:
    """The socket units of ours whose files are on the host."""
    found = []
    for file in host.names_in(SYSTEMD_UNITS):
        match = re.fullmatch(re.escape(PREFIX) + r"(.+)-(tls|clear)\.socket", file)
        places = _LISTEN.findall(host.read_text(f"{SYSTEMD_UNITS}/{file}")) if match else []
        if match and places:
            addresses = tuple(sorted(address for address, _port in places if address))
            found.append(Listener(match.group(1), match.group(2) == "tls", addresses, int(places[0][1])))
    return found
