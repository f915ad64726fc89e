# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The crash matrix: modules are killed at their steps, and the hosts are looked at, before and after the next run."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.tests.reliability import grounds, shipped
from ansible_collections.postmaster.secure_channel.tests.reliability.chance import shuffled
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import Target
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab

PART = "crash"
ENDINGS = ("kill", "term", "hup", "names", "torn", "data")
CUTS = ("names", "torn", "data")
AT_ONCE, A_MINUTE, SETTLED = 5.0, 75.0, 40.0  # seconds; a minute and what a look takes on a busy machine
JOURNAL = "/var/lib/postmaster-secure-channel/transaction"
LEFT = f"find /etc /root /var -xdev -name '.*.postmaster-*'; ls -d {JOURNAL} 2>/dev/null || :"
# Other bytes each time for the same thing.
RANDOM = re.compile(r"\.db$|\.lmdb$|/pending/.*/|postmaster-accounts|/alternative|\.p12$")
OWN = re.compile(
    r"^/opt/reliability|^/etc/(mtab|resolv.conf|ld.so.cache|machine-id|\.updated|\.pwd\.lock)|^/var/lib/postmaster"
)


@dataclass(frozen=True)
class State:
    """A host as it should be: what is seen of it, and how it is configured."""

    seen: Mapping[str, str]
    configuration: Mapping[str, object]


@dataclass(frozen=True)
class Case:
    """One death."""

    target: str
    host: str
    step: int
    of: int
    ending: str

    def __str__(self) -> str:
        return f"{self.target} on {self.host}, {self.ending} at step {self.step} of {self.of}"


@dataclass
class Tally:
    """What came of all deaths."""

    cases: int = 0
    possible: int = 0
    died: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    recovers: bool = False

    def look(self, question: str, fault: str) -> None:
        """Note the answer to a question; an empty one is good."""
        self.counts[question] += 1
        if fault:
            self.faults.setdefault(question, []).append(fault)

    def add(self, other: Tally) -> None:
        """Add what was seen on another host."""
        self.recovers |= other.recovers
        self.cases += other.cases
        self.possible += other.possible
        self.died.update(other.died)
        self.counts.update(other.counts)
        for question, some in other.faults.items():
            self.faults.setdefault(question, []).extend(some)

    def figures(self) -> list[Figure]:
        """As lines of the table."""
        found = [Figure(PART, "deaths, of all steps and endings there are", self.cases, self.possible, None)]
        found += [Figure(PART, f"of them by {ending}", self.died[ending], self.cases, None) for ending in ENDINGS]
        for question in (*QUESTIONS, *(one for one in self.counts if one not in QUESTIONS)):
            faults = self.faults.get(question, [])
            if self.counts[question]:
                wanted = None if question in BY_ITSELF and not self.recovers else 0
                found.append(Figure(PART, question, len(faults), self.counts[question], wanted, faults))
        return found


UNDONE = "without any run, not wholly old or new within a minute"
RESTARTED = "without any run, not wholly old or new after a restart"
REBOOTED = "without any run, not wholly old or new after a reboot"
NEXT = "the next run does not succeed"
STUCK = "the run after that does not succeed either"
SERVES = "the next run does not lead to what was asked for"
CONFIGURED = "the next run leaves other settings than an undisturbed one"
CLEAN = "something is left behind"
BY_ITSELF = (UNDONE, RESTARTED, REBOOTED)  # what a host does with a unit of its own
QUESTIONS = (*BY_ITSELF, NEXT, STUCK, SERVES, CONFIGURED, CLEAN)


def different(seen: Mapping[str, str], states: Sequence[State]) -> str:
    """What is wrong with what was seen; empty where it is one state or the other."""
    if any(seen == one.seen for one in states):
        return ""
    said = []
    for name, found in seen.items():
        words = [word for word, one in zip(("old", "new"), states) if one.seen[name] == found]
        said.append(f"{name} {'/'.join(words) or found}")
    return ", ".join(said)


class Matrix:
    """Deaths of one target on one host.

    Args:
        lab: the lab.
        ground: the host.
        target: what is called.
    """

    def __init__(self, lab: Lab, ground: Ground, target: Target) -> None:
        self.lab, self.ground, self.target = lab, ground, target
        self.host: Host = ground.host
        self.tally = Tally(recovers=grounds.undoes_by_itself())

    # ---- looks

    def seen(self) -> dict[str, str]:
        """What is served now."""
        return grounds.observe(self.lab, self.host, self.target.looks)

    def seen_until(self, states: Sequence[State], patience: float) -> str:
        """Look until it is one of these states; what is wrong with it in the end."""
        end = time.monotonic() + patience
        while True:
            fault = different(self.seen(), states)
            if not fault or time.monotonic() > end:
                return fault
            time.sleep(1)

    def configuration(self) -> dict[str, object]:
        """How the host is configured."""
        label = "/opt/reliability/snapshot"
        program = f"cd {shipped.CODE}; python3 config_snapshot.py {label}.json; cat {label}.json"
        found: snapshots.Snapshot = json.loads(self.lab.shell(self.host, program))
        return {
            path: node[:4] if isinstance(node, list) and RANDOM.search(path) else node
            for path, node in config_snapshots.meaning(found).items()
            if not OWN.search(path)
        }

    # ---- runs

    def call(self, number: int, step: int = 0, ending: str = "kill") -> shipped.Outcome:
        """Make the call that leads to a state."""
        if self.target.before:
            module, arguments = self.target.before[number]
            grounds.must_run(self.lab, self.host, module, arguments)
        return shipped.run(self.lab, self.host, self.target.module, self.target.states[number], step, ending)

    def undisturbed(self, number: int) -> tuple[State, int]:
        """A state as an undisturbed run makes it, and how many steps that takes."""
        done = self.call(number)
        assert done.succeeded, f"{self.target.name}: {done.complaint}"
        seen = self.seen()
        return State(seen, self.configuration()), done.steps

    def run(self, deaths: int, seed: str, endings: Sequence[str] = ENDINGS, until: Sequence[str] = ()) -> Tally:
        """Kill it some times, at steps chosen by chance, in turn on its way there and back.

        Args:
            deaths: how often.
            seed: chooses the steps.
            endings: the ways to end it.
            until: the questions of which a bad answer is enough.
        """
        self.call(0)
        second, forth = self.undisturbed(1)
        first, back = self.undisturbed(0)
        states, steps = (first, second), (back, forth)
        assert all(first.seen[name] != second.seen[name] for name in first.seen), f"{self.target.name}: {first.seen}"
        self.tally.possible = (forth + back) * len(endings)
        plan = [
            (number, step, ending) for number in (0, 1) for step in range(1, steps[number] + 1) for ending in endings
        ]
        plan = shuffled(seed, plan)
        by_direction = [[one for one in plan if one[0] == number] for number in (0, 1)]
        now = 0
        for _time in range(min(deaths, len(plan))):
            wanted = 1 - now
            if not by_direction[wanted] or any(one in self.tally.faults for one in until):
                break
            _number, step, ending = by_direction[wanted].pop()
            case = Case(self.target.name, self.host.name, step, steps[wanted], ending)
            self.die(case, wanted, (states[now], states[wanted]))
            now = wanted
        return self.tally

    def die(self, case: Case, wanted: int, states: tuple[State, State]) -> None:
        """One death, and what comes of it."""
        booted = grounds.start_of_init(self.lab, self.host)
        done = self.call(wanted, case.step, case.ending)
        self.tally.cases += 1
        self.tally.died[case.ending] += 1
        if case.ending in CUTS and not done.result:
            grounds.wait_for_boot(self.lab, self.host, booted)
        patience = A_MINUTE if self.tally.recovers else AT_ONCE
        fault = self.seen_until(states, patience)
        where = f"{case}: "
        self.tally.look(REBOOTED if case.ending in CUTS else UNDONE, fault and where + fault)
        if case.ending not in CUTS and self.target.units and self.killed_half_way():
            self.lab.run_in(self.host, "systemctl", "restart", *self.target.units)
            fault = self.seen_until(states, patience)
            self.tally.look(RESTARTED, fault and where + fault)
        if case.ending not in CUTS and not done.died and not done.result:
            self.tally.look(NEXT, f"{where}it did not die but said {done.complaint}")
        self.go_on(where, wanted, states[1])

    def killed_half_way(self) -> bool:
        """Whether there is something to undo."""
        return self.lab.run_in(self.host, "test", "-e", f"{JOURNAL}/journal.json").code == 0

    def go_on(self, where: str, wanted: int, state: State) -> None:
        """The next run."""
        done = self.call(wanted)
        self.tally.look(NEXT, "" if done.succeeded else where + done.complaint)
        if not done.succeeded:
            done = self.call(wanted)
            self.tally.look(STUCK, "" if done.succeeded else where + done.complaint)
            assert done.succeeded, f"{where}a second run fails as well: {done.complaint}"
        fault = self.seen_until((state,), SETTLED)
        self.tally.look(SERVES, fault and where + fault)
        found = self.configuration()
        other = [
            path for path in sorted({*found, *state.configuration}) if found.get(path) != state.configuration.get(path)
        ]
        self.tally.look(CONFIGURED, where + ", ".join(other[:5]) if other else "")
        left = self.lab.shell(self.host, LEFT).split()
        self.tally.look(CLEAN, where + ", ".join(left[:5]) if left else "")
