# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the program: each measures something on hosts and answers with its figures."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.reliability import (
    broken,
    check_mode,
    crash,
    grounds,
    load,
    pauses,
    secret_canaries,
)
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import targets
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.reliability.mutations import Mutation
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state


class Measuring:
    """What all parts share.

    Args:
        options: those of the command line.
        workshop: a directory to work in.
    """

    def __init__(self, options: argparse.Namespace, workshop: Path) -> None:
        self.options = options
        self.workshop = workshop

    @contextmanager
    def hosts(self) -> Iterator[tuple[Lab, list[Ground]]]:
        """The chosen hosts, ready."""
        lab = Lab(lab_state())
        names = self.options.hosts
        try:
            lab.up(*(grounds.SPECS[name] for name in names))

            def prepare(name: str) -> Ground:
                place = self.workshop / name
                place.mkdir(exist_ok=True)
                return grounds.prepare(lab, name, place)

            with ThreadPoolExecutor(2) as pool:
                yield lab, list(pool.map(prepare, names))
        finally:
            lab.down()


def measure_crashes(measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Kill everything."""
    options = measuring.options
    whole = crash.Tally()

    def one(ground: Ground) -> crash.Tally:
        tally = crash.Tally()
        for target in targets(ground.host, ground.kind, ground.renewals):
            if not any(word in target.name for word in options.target.split(",")):
                continue
            seed = f"{options.seed} {ground.host.name} {target.name}"
            began = time.monotonic()
            matrix = crash.Matrix(lab, ground, target)
            try:
                matrix.run(options.deaths, seed)
            except AssertionError as error:
                matrix.tally.look(
                    "the matrix of a target comes to its end", f"{target.name} on {ground.host.name}: {error}"
                )
            tally.add(matrix.tally)
            for question, faults in matrix.tally.faults.items():
                print(f"{ground.host.name}: {target.name}: {question}: {len(faults)}: {faults[0]}", flush=True)
            print(
                f"{ground.host.name}: {target.name}: {matrix.tally.cases} of {matrix.tally.possible} deaths,"
                f" {time.monotonic() - began:.0f} s",
                flush=True,
            )
        return tally

    with ThreadPoolExecutor(len(hosts)) as pool:  # most of the time they wait for a host to mend itself
        for tally in pool.map(one, hosts):
            whole.add(tally)
    return whole.figures()


def measure_load(measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Mail and sessions while everything changes."""
    options = measuring.options
    return load.measure(lab, hosts, measuring.workshop / "load", options.messages, options.sessions)


def measure_check_mode(_measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Check mode writes nothing."""
    return check_mode.measure(lab, hosts)


def measure_secrets(measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Secrets are seen nowhere."""
    collections = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    return secret_canaries.measure(lab, hosts, measuring.workshop / "secrets", collections)


def measure_pauses(measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Two runs at once."""
    options = measuring.options
    return pauses.measure(lab, hosts, options.pauses, options.seed)


def measure_broken(measuring: Measuring, lab: Lab, hosts: Sequence[Ground]) -> list[Figure]:
    """Broken copies are noticed."""
    options = measuring.options

    def crashes(lab: Lab, hosts: Sequence[Ground], mutation: Mutation) -> list[Figure]:
        (ground,) = hosts
        every = targets(ground.host, ground.kind, ground.renewals)
        matrix = crash.Matrix(lab, ground, next(one for one in every if one.name == mutation.target))
        try:
            matrix.run(mutation.deaths, options.seed, mutation.endings, mutation.breaks)
        except AssertionError as error:
            matrix.tally.look(crash.NEXT, str(error))
        return matrix.tally.figures()

    def stops(lab: Lab, hosts: Sequence[Ground], mutation: Mutation) -> list[Figure]:
        try:
            return pauses.measure(lab, hosts, options.pauses, options.seed)
        except AssertionError as error:  # a call alone does not succeed: the host's guard meets it
            return [Figure(pauses.PART, what, 1, 1, 0, [str(error)]) for what in mutation.breaks]

    return broken.measure(lab, hosts, {"crash": crashes, "pauses": stops}, options.target)


PARTS: Mapping[str, Callable[[Measuring, Lab, Sequence[Ground]], list[Figure]]] = {
    "check-mode": measure_check_mode,
    "secrets": measure_secrets,
    "load": measure_load,
    "pauses": measure_pauses,
    "crash": measure_crashes,
    "broken": measure_broken,
}
