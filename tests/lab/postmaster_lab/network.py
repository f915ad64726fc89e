# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's network: a bridge in the init's network namespace, one namespace per host, and no route out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postmaster_lab import keeper, settings
from postmaster_lab.hosts import Host


def set_up(hosts: Sequence[Host], directory: Path) -> None:
    """Build the bridge, and in a directory a network namespace for each host, linked to the bridge."""
    directory.mkdir()
    _ip(
        "link set lo up",
        "link add br0 type bridge forward_delay 0 mcast_snooping 0",
        f"address add {settings.CONTROL_4}/24 dev br0",
        f"address add {settings.CONTROL_6}/64 dev br0 nodad",
        "link set br0 up",
    )
    for number, host in enumerate(hosts):
        _add_host(host, directory / host.name, f"veth{number}")


def _add_host(host: Host, namespace: Path, port: str) -> None:
    namespace.touch()
    keeper.run("unshare", f"--net={namespace}", "true")
    _ip(
        f"link add {port} type veth peer name eth0 netns {namespace}",
        f"link set {port} master br0 up",
    )
    _ip(
        "link set lo up",
        f"address add {host.address}/24 dev eth0",
        f"address add {host.address_6}/64 dev eth0 nodad",
        "link set eth0 up",
        namespace=namespace,
    )


def _ip(*commands: str, namespace: Path | None = None) -> None:
    """Run several commands of ip(8) at once."""
    enter = ["nsenter", f"--net={namespace}"] if namespace else []
    keeper.run(*enter, "ip", "-batch", "-", input="\n".join(commands) + "\n")
