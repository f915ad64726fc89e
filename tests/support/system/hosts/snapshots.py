# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of a host's file system, which programs/snapshot.py takes, and their differences."""

from __future__ import annotations

import json
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS, WORK

# type, mode, owner, group, inode, time of change, content, extended attributes
Node = Sequence[object]
Snapshot = Mapping[str, Node]


@dataclass(frozen=True)
class Difference:
    """One path before and after; None where it does not exist."""

    path: str
    before: Node | None
    after: Node | None

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


def command(label: str) -> list[str]:
    """The command that takes a snapshot on the host, under a label."""
    return ["python3", f"{WORK}/snapshot.py", f"{WORK}/{label}.json"]


def script(label: str) -> str:
    """The same as a line of shell."""
    return shlex.join(command(label))


def hashes(lab: Lab, host: Host) -> dict[str, str]:
    """The hash of each snapshot of a host, by label."""
    printed = lab.shell(host, f"cd {WORK}; sha256sum *.json")
    return {name.removesuffix(".json"): hashed for hashed, name in (line.split() for line in printed.splitlines())}


def prepare(lab: Lab, host: Host) -> None:
    """Copy the program to a host."""
    lab.ask(host, "mkdir", "-p", WORK)
    lab.write(host, f"{WORK}/snapshot.py", (PROGRAMS / "snapshot.py").read_text())


def load(lab: Lab, host: Host, label: str) -> Snapshot:
    """The snapshot with a label."""
    found: Snapshot = json.loads(lab.read(host, f"{WORK}/{label}.json"))
    return found


def take(lab: Lab, host: Host, label: str) -> Snapshot:
    """Take a snapshot now."""
    lab.ask(host, *command(label))
    return load(lab, host, label)


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Every path that is not exactly as it was."""
    return [
        Difference(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def assert_same(before: Snapshot, after: Snapshot) -> None:
    """Nothing is different."""
    found = differences(before, after)
    assert not found, "\n".join([f"{len(found)} differences", *(str(one) for one in found[:20])])


def assert_restored(before: Snapshot, after: Snapshot) -> None:
    """Nothing is different but the times of directories, in which files have come and gone."""
    assert_same(*({path: _timeless(node) for path, node in snapshot.items()} for snapshot in (before, after)))


def _timeless(node: Node) -> Node:
    return [*node[:5], 0, *node[6:]] if _is_directory(node) else node


def written(before: Snapshot, after: Snapshot) -> set[str]:
    """Files and links that were made, changed or removed; a directory in which that happens does not count."""
    return {
        one.path
        for one in differences(before, after)
        if not all(node is None or _is_directory(node) for node in (one.before, one.after))
    }


def _is_directory(node: Node) -> bool:
    return node[0] == stat.S_IFDIR
