# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs at once: one stops for a while at one of its steps, and another one begins that changes something else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability import grounds, shipped
from ansible_collections.postmaster.secure_channel.tests.reliability.chance import shuffled
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import CYRUS, EXIM, FULL
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab

PART = "two runs at once"
HEAD_START = 1.0  # seconds
BOTH: Mapping[str, tuple[str, str]] = {
    FULL: ("imap", "pop3"),
    EXIM: ("submission", "http"),
    CYRUS: ("imap", "pop3"),
}
MODULE = "mail_vserver_tls"


def _wanted(protocol: str, strength: str) -> Mapping[str, Any]:
    return {"vservers": [dict(vserver(protocol, strength=strength))]}


def _at_once(lab: Lab, ground: Ground, strength: str, step: int) -> str:
    """Two runs, of which the first one stops at a step; what went wrong."""
    host = ground.host
    one, other = (_wanted(protocol, strength) for protocol in BOTH[ground.kind])
    first = lab.start_in(host, *shipped.command(MODULE, step, "pause"))
    assert first.stdin
    first.stdin.write(json.dumps(one))
    first.stdin.close()
    first.stdin = None
    time.sleep(HEAD_START)
    second = shipped.run(lab, host, MODULE, other)
    out, err = first.communicate()
    done = shipped.outcome(first.returncode, out, err)
    for name, found in (("first", done), ("second", second)):
        if not found.succeeded or not found.result.get("changed"):
            return (
                f"{host.name}, step {step}: the {name} run: {found.complaint if not found.succeeded else 'no change'}"
            )
    both = {"vservers": [*one["vservers"], *other["vservers"]], "_ansible_check_mode": True}
    looked = shipped.run(lab, host, MODULE, both)
    if not looked.succeeded or looked.result.get("changed"):
        return f"{host.name}, step {step}: not both are there afterwards: {looked.complaint}"
    return ""


def measure(lab: Lab, hosts: Sequence[Ground], pauses: int, seed: str) -> list[Figure]:
    """Stop runs at some steps of each host."""
    faults: list[str] = []
    tried = possible = 0
    for ground in hosts:
        strengths = ("legacy", "intermediate")
        counted = [
            grounds.must_run(lab, ground.host, MODULE, _wanted(protocol, strength)).steps
            for strength in strengths
            for protocol in BOTH[ground.kind]
        ]
        steps = counted[0]
        possible += steps
        for number, step in enumerate(shuffled(seed, range(1, steps + 1))[:pauses]):
            tried += 1
            fault = _at_once(lab, ground, strengths[number % 2], step)
            if fault:
                faults.append(fault)
                for protocol in BOTH[ground.kind]:
                    shipped.run(lab, ground.host, MODULE, _wanted(protocol, strengths[number % 2]))
    return [
        Figure(PART, "pauses, of all steps there are", tried, possible, None, least=1),
        Figure(PART, "pairs of runs that do not both succeed", len(faults), tried, 0, faults),
    ]
