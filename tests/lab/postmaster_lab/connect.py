# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ssh's ProxyCommand (with ProxyUseFdpass): ``connect.py STATE_DIRECTORY ADDRESS PORT``.

Makes a connected socket in the lab's network namespace and hands it over on standard output, so that ssh may run in
the machine's own namespace with no process in between. Stands alone, and imports little, because it runs once for
each connection.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import socket
import sys

CLONE_NEWNET = 0x40000000
CONNECT_SECONDS = 10


def enter_network(state_directory: str) -> None:
    """Enter the network namespace of a running lab."""
    with open(os.path.join(state_directory, "lab.json"), encoding="utf-8") as state_file:
        init = json.load(state_file)["init"]
    namespace = os.open(f"/proc/{init['pid']}/ns/net", os.O_RDONLY)
    with open(f"/proc/{init['pid']}/stat", encoding="utf-8") as stat_file:
        started = int(stat_file.read().rsplit(")", 1)[1].split()[19])
    if started != init["started"]:
        raise ProcessLookupError("the lab's process is gone")
    if ctypes.CDLL(None).setns(namespace, CLONE_NEWNET) != 0:
        raise PermissionError("cannot enter the lab's network (only root can)")


def main(state_directory: str, address: str, port: str) -> None:
    """Connect and hand the socket over."""
    try:
        enter_network(state_directory)
        connection = socket.create_connection((address, int(port)), timeout=CONNECT_SECONDS)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"the lab in {state_directory} cannot be reached at {address} port {port}: {error}")
    connection.setblocking(True)
    handover = socket.socket(fileno=1)
    handover.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])
    handover.detach()


if __name__ == "__main__":
    main(*sys.argv[1:4])
