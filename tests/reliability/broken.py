# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deliberately broken copies: each of them must make a part of these tests fail that passes otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.tests.reliability import broken_units, grounds, shipped
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.reliability.mutations import MUTATIONS, Mutation
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT

PART = "broken copies"
# Measures on hosts what a mutation is meant to break.
Measure = Callable[[Lab, Sequence[Ground], Mutation], list[Figure]]


@dataclass
class Verdict:
    """What was seen of one broken copy."""

    mutation: Mutation
    failed_whole: list[str] = field(default_factory=list)
    failed_broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """For the reader."""
        shown = "; ".join(self.failed_broken) or "NOTHING FAILED"
        return f"{self.mutation.name}: {shown}"


def wrong(figures: Sequence[Figure], names: Sequence[str]) -> list[str]:
    """Figures that are not as they should be, of those that a mutation is to change."""
    return [
        f"{one.part}: {one.what}: {one.found} of {one.of}, such as {''.join(one.examples[:1])}"
        for one in figures
        if not one.right and one.what in names
    ]


def _on_hosts(lab: Lab, hosts: Sequence[Ground], part: Measure, verdict: Verdict) -> None:
    """Measure the whole collection, and then the broken one."""
    mutation = verdict.mutation
    ground = next(one for one in hosts if one.kind == mutation.kind)
    verdict.failed_whole = wrong(part(lab, [ground], mutation), mutation.breaks)
    grounds.keep(lab, ground.host)
    shipped.ship(lab, ground.host, mutation.appended)
    try:
        verdict.failed_broken = wrong(part(lab, [ground], mutation), mutation.breaks)
    finally:
        shipped.ship(lab, ground.host)
        grounds.restore(lab, ground.host, mutation.units)


def measure(lab: Lab, hosts: Sequence[Ground], measures: dict[str, Measure], chosen: str) -> list[Figure]:
    """Show for each mutation that something fails which passes without it."""
    verdicts = []
    for mutation in MUTATIONS:
        if not any(word in mutation.name for word in chosen.split(",")):
            continue
        verdict = Verdict(mutation)
        if not all((CHECKOUT / name).is_file() for name in mutation.appended):
            print(f"broken: {mutation.name}: there is no such file any more", flush=True)
        elif mutation.part == "units":
            verdict.failed_whole = broken_units.failed(mutation.breaks, {})
            verdict.failed_broken = broken_units.failed(mutation.breaks, mutation.appended)
        else:
            _on_hosts(lab, hosts, measures[mutation.part], verdict)
        print(f"broken: {verdict}", flush=True)
        verdicts.append(verdict)
    unseen = [str(one) for one in verdicts if not one.failed_broken]
    anyway = [f"{one.mutation.name}: {fault}" for one in verdicts for fault in one.failed_whole]
    return [
        Figure(PART, "that nothing notices", len(unseen), len(verdicts), 0, unseen),
        Figure(PART, "that are said to fail where nothing is broken", len(anyway), len(verdicts), 0, anyway),
    ]
