# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible and ssh need to reach the hosts: keys, known hosts and an inventory."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from postmaster_lab import keeper
from postmaster_lab.hosts import Host

CONNECT = Path(__file__).resolve().parent / "connect.py"


def user_key(directory: Path) -> Path:
    """The private key that opens every host's root account."""
    return directory / "id_ed25519"


def host_key(directory: Path, host: Host) -> Path:
    """A host's private ssh key."""
    return directory / "host-keys" / host.name


def inventory(directory: Path) -> Path:
    """The inventory directory."""
    return directory / "inventory"


def make_keys(directory: Path, hosts: Sequence[Host]) -> None:
    """Make the lab's ssh keys."""
    (directory / "host-keys").mkdir()
    for path in [user_key(directory), *(host_key(directory, host) for host in hosts)]:
        keeper.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path)


def write(directory: Path, hosts: Sequence[Host]) -> None:
    """Write known_hosts and the inventory."""
    lines = []
    for host in hosts:
        key = host_key(directory, host).with_suffix(".pub").read_text().strip()
        lines.append(f"{host.address},{host.address_6},{host.fqdn},{host.name} {key}\n")
    (directory / "known_hosts").write_text("".join(lines))
    inventory(directory).mkdir()
    write_inventory(directory, hosts)


def write_inventory(directory: Path, hosts: Sequence[Host]) -> None:
    """Write the inventory alone."""
    content = json.dumps(_inventory(directory, hosts), indent=2)
    (inventory(directory) / "hosts.json").write_text(content + "\n")


def _inventory(directory: Path, hosts: Sequence[Host]) -> dict[str, object]:
    # The variables belong to the group "lab" and not to "all", so that localhost in the same play keeps its own.
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(user_key(directory)),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_pipelining": True,
        # Not ~/.ansible/cp: its sockets are named after the address, which another lab may have too, and the host
        # key is not checked again on a connection that is shared.
        "ansible_control_path_dir": str(directory / "cp"),
        "ansible_ssh_common_args": shlex.join(_ssh_options(directory)),
    }
    entries = {
        host.name: {"ansible_host": host.address, "lab_release": host.release, "lab_fqdn": host.fqdn} for host in hosts
    }
    return {"lab": {"vars": variables, "hosts": entries}}


def _ssh_options(directory: Path) -> list[str]:
    proxy = shlex.join([sys.executable, str(CONNECT), str(directory)])
    options = [
        f"UserKnownHostsFile={directory / 'known_hosts'}",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "ProxyUseFdpass=yes",
        f"ProxyCommand={proxy} %h %p",
    ]
    return ["-F", "none", *(word for option in options for word in ("-o", option))]
