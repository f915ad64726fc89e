# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode: every call there is, in check mode, under strace, between two snapshots of all files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.reliability import traced_modules
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import targets
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible

PART = "check mode"
# Whoever looks at a host leaves these: the login of Ansible itself, programs that are asked, the trace.
OTHERS = ("/run/", "/var/log/", "/var/cache/", "/opt/reliability", "/root/.ansible")


def _calls(ground: Ground) -> Play:
    """Both forms of each call, and the removal of everything."""
    play = Play()
    for target in targets(ground.host, ground.kind, ground.renewals):
        for number, arguments in enumerate(target.states):
            play.call(f"{target.name} {number}", target.module, arguments, check_mode=True, diff=True)
    gone = [
        {"protocol": one, "state": "absent"}
        for one in sorted({one["protocol"] for one in host_kinds.declared(ground.host)})
    ]
    play.call("everything absent", "mail_vserver_tls", {"vservers": gone}, check_mode=True, diff=True)
    return play


@dataclass(frozen=True)
class Seen:
    """What all calls did on one host."""

    calls: int
    foreseen: int
    files: int
    failed: Sequence[str]
    different: Sequence[str]
    written: Sequence[str]


def measure(lab: Lab, hosts: Sequence[Ground], workshop: Path) -> list[Figure]:
    """Make all calls on each host, and look for any change."""
    workshop.mkdir()

    def one(ground: Ground) -> Seen:
        began = time.monotonic()
        seen = _look(lab, ground, workshop / ground.host.name)
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


def _look(lab: Lab, ground: Ground, place: Path) -> Seen:
    """All calls on one host."""
    host = ground.host
    snapshots.prepare(lab, host)
    traced_modules.prepare(lab, host, content=False)
    place.mkdir()
    ansible = Ansible(traced_modules.inventory(lab, [host.name], place / "hosts.json"), place)
    before = snapshots.take(lab, host, "before")
    run = ansible.play(host.name, _calls(ground).tasks)
    after = snapshots.take(lab, host, "after")
    ours = [one for one in run.of(host.name) if one.ours]
    traces = traced_modules.lines(lab, host)
    assert len(traces) >= len(ours), "not every module was traced"
    return Seen(
        calls=len(ours),
        foreseen=sum(one.changed for one in ours),
        files=len(before),
        failed=[f"{host.name}: {one.task}: {one.result.get('msg')}" for one in ours if one.status == "failed"],
        different=[
            f"{host.name}: {one}" for one in snapshots.differences(before, after) if not one.path.startswith(OTHERS)
        ],
        written=[f"{host.name}: {call}" for trace in traces for call in traced_modules.changes(trace)],
    )
