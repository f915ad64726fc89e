# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots (see snapshots) of what configures the daemons only, which take a tenth of the time."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS, WORK

# The collection's own directories may stay when they are empty.
OWN_DIRECTORIES = ("/etc/postmaster", "/var/lib/postmaster-secure-channel")
TABLE = ".db"  # compiled: different bytes each time for the same source, which is compared instead


def prepare(lab: Lab, host: Host) -> None:
    """Copy the programs to a host."""
    snapshots.prepare(lab, host)
    lab.write(host, f"{WORK}/config_snapshot.py", (PROGRAMS / "config_snapshot.py").read_text())


def script(label: str) -> str:
    """The shell command that takes a snapshot under a label."""
    return f"python3 {WORK}/config_snapshot.py {WORK}/{label}.json"


def take(lab: Lab, host: Host, label: str) -> snapshots.Snapshot:
    """The configuration as it is now."""
    lab.shell(host, script(label))
    return snapshots.load(lab, host, label)


def meaning(snapshot: snapshots.Snapshot) -> Mapping[str, object]:
    """What stays the same when a file is written again: type, mode, owner, group and content."""
    return {
        path: [*node[:4], node[6]]
        for path, node in snapshot.items()
        if not (path.startswith(OWN_DIRECTORIES) and _is_directory(node))
    }


@contextmanager
def left_as_found(lab: Lab, names: Sequence[str], label: str) -> Iterator[None]:
    """Whatever is done to some hosts, they are configured as before at the end, or this fails.

    Other tests rely on it: without this their outcome would depend on the order in which they are run.
    """

    def look(when: str) -> dict[str, Mapping[str, object]]:
        file = f"{label.replace(' ', '-')}-{when}"
        return {name: meaning(take(lab, lab.hosts[name], file)) for name in names}

    found = look("found")
    yield
    left = look("left")
    changed = [
        f"{name}: {path}: {found[name].get(path)} -> {left[name].get(path)}"
        for name in names
        for path in sorted({*found[name], *left[name]})
        if found[name].get(path) != left[name].get(path) and not path.endswith(TABLE)
    ]
    assert not changed, "\n".join([f"not as they were before {label}:", *changed[:20]])


def _is_directory(node: snapshots.Node) -> bool:
    return node[0] == stat.S_IFDIR
