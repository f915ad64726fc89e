# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a configuration on a host: in check mode, for real, once more, and withdrawn; and what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    Call,
    Configuration,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.flows import Flows, Sink
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.outside import Outside
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot

WHOLE, REFUSED, FALSE = "whole", "refused", "false"
NAMES_A_PLACE = re.compile(r"/\S+|cn=config")
_MOMENTS = 10  # how often a host is looked at again before it is said that something does not work there


@dataclass
class Verdict:
    """What became of a configuration.

    Attributes:
        name: of the configuration.
        daemon: the first that it configures.
        release: of the host.
        outcome: one of WHOLE, REFUSED and FALSE.
        message: what the call said that refused.
        faults: why it is FALSE.
        warnings: what was said besides.
        seconds: how long it took.
    """

    name: str
    daemon: str
    release: str
    outcome: str = FALSE
    message: str = ""
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        why = "".join(f"\n    {one}" for one in self.faults) if self.outcome == FALSE else ""
        said = f"\n    said: {self.message}" if self.message else ""
        return f"{self.outcome:8}{self.name} on {self.release}, {self.seconds:.1f} s{why}{said}"


@dataclass(frozen=True)
class Life:
    """One configuration on one host.

    Attributes:
        stage: the host.
        configuration: what is put there.
        outside: who looks at it.
        sink: where its mail to others goes.
    """

    stage: Stage
    configuration: Configuration
    outside: Outside
    sink: Sink

    def live(self) -> Verdict:
        """All of it."""
        start = time.monotonic()
        verdict = Verdict(self.configuration.name, self.configuration.daemons[0], self.configuration.host.release)
        try:
            self._live(verdict)
        except AssertionError as error:
            verdict.faults.append(f"the test itself: {error}")
        if verdict.faults:
            verdict.outcome = FALSE
        verdict.seconds = time.monotonic() - start
        return verdict

    def _live(self, verdict: Verdict) -> None:
        self.stage.put(self.configuration)
        flows = Flows(self.stage.lab, self.outside.peer, self.sink, self.configuration)
        verdict.faults += _faults_at_first(flows)
        if verdict.faults:
            return
        before, listened = self._snapshot("before"), host_setup.listening(self.stage.lab, self.stage.host)
        daemons = host_setup.daemons(self.stage.lab, self.stage.host)

        checked = self._calls(self.configuration.declared, check=True)
        verdict.faults += [f"check mode changes {path}" for path in _changed(before, self._snapshot("checked"))]
        done = self._calls(self.configuration.declared)
        verdict.warnings = [str(one) for outcome in done for one in outcome.result.get("warnings", ())]
        failed = next((one for one in done if not one.succeeded), None)
        if failed:
            verdict.outcome, verdict.message = REFUSED, failed.complaint
            if all(one.succeeded for one in checked):
                verdict.faults.append("check mode was content, the real run was not")
            if len(done) > 1:
                verdict.faults += self._withdrawn()
                verdict.faults += _different(before, self._snapshot("refused"))
            else:
                verdict.faults += [
                    f"refused, but changed: {path}" for path in _changed(before, self._snapshot("refused"))
                ]
                if daemons != host_setup.daemons(self.stage.lab, self.stage.host):
                    verdict.faults.append("refused, but other processes run")
            if not NAMES_A_PLACE.search(failed.complaint):
                verdict.faults.append("the message names no file")
            verdict.faults += flows.faults("refused")
            return

        verdict.outcome = WHOLE
        if not all(one.succeeded for one in checked):
            complaint = next(one.complaint for one in checked if not one.succeeded)
            verdict.faults.append(f"check mode failed, the real run did not: {complaint}")
        verdict.faults += self.outside.faults(self.configuration)
        verdict.faults += flows.faults("after")
        for outcome in self._calls(self.configuration.declared):
            if not outcome.succeeded:
                verdict.faults.append(f"the second run fails: {outcome.complaint}")
            elif outcome.result.get("changed"):
                verdict.faults.append(f"the second run changes something: {outcome.result.get('reason')}")
        verdict.faults += self._withdrawn()
        verdict.faults += _different(before, self._snapshot("absent"))
        if listened != host_setup.listening(self.stage.lab, self.stage.host):
            verdict.faults.append("after absent, other ports are open than before")
        verdict.faults += flows.faults("absent")

    def _withdrawn(self) -> list[str]:
        return [
            f"absent fails: {one.complaint}" for one in self._calls(self.configuration.withdrawn) if not one.succeeded
        ]

    def _calls(self, calls: Sequence[Call], check: bool = False) -> list[shipped.Outcome]:
        """Make calls, up to the first that fails."""
        found: list[shipped.Outcome] = []
        for call in calls:
            arguments = {**call.arguments, **({"_ansible_check_mode": True} if check else {})}
            found.append(shipped.run(self.stage.lab, self.stage.host, call.module, arguments))
            if not found[-1].succeeded:
                break
        return found

    def _snapshot(self, label: str) -> Snapshot:
        return config_snapshots.take(self.stage.lab, self.stage.host, label)


def _faults_at_first(flows: Flows) -> list[str]:
    """What does not work before any call; a daemon that was just started may need a moment to open its ports."""
    faults = flows.faults("before")
    for _attempt in range(_MOMENTS):
        if not faults:
            break
        time.sleep(2)
        faults = flows.faults("before")
    return faults


def _changed(before: Snapshot, after: Snapshot) -> list[str]:
    """Paths that were written, also with the same content."""
    return sorted(snapshots.written(before, after))[:10]


def _different(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not as it was, byte for byte."""
    one, other = (config_snapshots.meaning(snapshot) for snapshot in (before, after))
    return [
        f"absent leaves {path}: {_short(one.get(path))} -> {_short(other.get(path))}"
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path) and not path.endswith(config_snapshots.TABLE)
    ][:10]


def _short(node: object) -> str:
    return str(node)[:150]


def table(verdicts: Sequence[Verdict]) -> str:
    """Counts by daemon."""
    counts: Mapping[str, list[int]] = {
        daemon: [
            sum(one.outcome == outcome for one in verdicts if one.daemon == daemon)
            for outcome in (WHOLE, REFUSED, FALSE)
        ]
        for daemon in sorted({one.daemon for one in verdicts})
    }
    rows = [(daemon, *numbers) for daemon, numbers in counts.items()]
    rows.append(("all", *(sum(column) for column in zip(*counts.values()))))
    lines = [f"{'daemon':10}{'whole':>8}{'refused':>9}{'false':>7}"]
    lines += [f"{row[0]:10}{row[1]:>8}{row[2]:>9}{row[3]:>7}" for row in rows]
    return "\n".join(lines)
