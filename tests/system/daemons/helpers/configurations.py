# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations: the trees (see trees) of what configures daemons only, which take a tenth of the time."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import trees
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Host, Lab

PROGRAM = Path(__file__).resolve().parents[1] / "files" / "config.py"
# Where a host's own certificates lie, and what apply() locks; directories that were made there may stay.
STORE = "/etc/postmaster"
OURS = "/var/lib/postmaster-secure-channel"


def prepare(lab: Lab, host: Host) -> None:
    """Put the programs on a host."""
    trees.prepare(lab, host)
    lab.write(host, f"{trees.PLACE}/config.py", PROGRAM.read_text())


def script(label: str) -> str:
    """The shell command that takes a configuration down under a label."""
    return f"python3 {trees.PLACE}/config.py {trees.PLACE}/{label}.json"


def take(lab: Lab, host: Host, label: str) -> trees.Tree:
    """What the host has now."""
    lab.shell(host, script(label))
    return trees.load(lab, host, label)


def meaning(tree: trees.Tree) -> Mapping[str, object]:
    """What of a configuration comes back with a file that is written anew: type, mode, owner, group and content.

    Empty directories of our own need not go.
    """
    return {
        path: [*node[:4], node[6]]
        for path, node in tree.items()
        if not (path.startswith((STORE, OURS)) and _is_directory(node))
    }


def _is_directory(node: trees.Node) -> bool:
    return node[0] == stat.S_IFDIR
