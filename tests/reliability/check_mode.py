# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode: every call there is, in check mode, under strace, between two snapshots of all files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability import traced_modules
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import targets
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab

PART = "check mode"
EVERY_FILE = r"find / \( -path /proc -o -path /sys \) -prune -o -type f -print"
# Whoever looks at a host leaves these: programs that are asked, sessions that a server remembers, the trace.
OTHERS = ("/run/", "/var/log/", "/var/cache/", "/opt/reliability", "/var/lib/cyrus/tls_sessions.db")


def _calls(ground: Ground) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Both forms of each call, and the removal of everything: module and arguments by name."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {
        f"{target.name} {number}": (target.module, arguments)
        for target in targets(ground.host, ground.kind, ground.renewals)
        for number, arguments in enumerate(target.states)
    }
    protocols = sorted({one["protocol"] for one in host_kinds.declared(ground.host)})
    gone = [{"protocol": one, "state": "absent"} for one in protocols]
    return {**found, "everything absent": ("mail_vserver_tls", {"vservers": gone})}


@dataclass(frozen=True)
class Seen:
    """What all calls did on one host."""

    calls: int
    foreseen: int
    files: int
    failed: Sequence[str]
    different: Sequence[str]
    written: Sequence[str]


def measure(lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Make all calls on each host, and look for any change."""

    def one(ground: Ground) -> Seen:
        began = time.monotonic()
        seen = _look(lab, ground)
        print(f"{ground.host.name}: {seen.calls} calls in check mode, {time.monotonic() - began:.0f} s", flush=True)
        return seen

    with ThreadPoolExecutor(2) as pool:
        every = list(pool.map(one, hosts))
    calls = sum(seen.calls for seen in every)
    failed, different, written = (
        [fault for seen in every for fault in getattr(seen, what)] for what in ("failed", "different", "written")
    )
    return [
        Figure(PART, "calls that announce a change", sum(seen.foreseen for seen in every), calls, None, least=1),
        Figure(PART, "calls that fail", len(failed), calls, 0, failed),
        Figure(
            PART,
            "files, directories and links that differ afterwards",
            len(different),
            sum(seen.files for seen in every),
            0,
            different,
        ),
        Figure(PART, "system calls that change something", len(written), calls, 0, written),
    ]


def _look(lab: Lab, ground: Ground) -> Seen:
    """All calls on one host."""
    host, calls = ground.host, _calls(ground)
    snapshots.prepare(lab, host)
    before = snapshots.take(lab, host, "before")
    there = lab.shell(host, EVERY_FILE).splitlines()
    printed, trace = traced_modules.check(lab, host, list(calls.values()))
    after = snapshots.take(lab, host, "after")
    results = dict(zip(calls, printed, strict=True))
    return Seen(
        calls=len(calls),
        foreseen=sum(bool(one.get("changed")) for one in results.values()),
        files=len(before),
        failed=[f"{host.name}: {name}: {one.get('msg')}" for name, one in results.items() if one.get("failed")],
        different=[
            f"{host.name}: {one}" for one in snapshots.differences(before, after) if not one.path.startswith(OTHERS)
        ],
        written=[f"{host.name}: {call}" for call in traced_modules.changes(trace, set(there))],
    )
