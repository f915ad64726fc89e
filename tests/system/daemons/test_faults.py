# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong in any daemon is undone, and all of them serve as before; a run that was killed is undone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.fault_play import (
    BOTH,
    FIRST,
    SECOND,
    WAITED,
    labels,
    result_of,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.faults import (
    DEATHS,
    FAULTS,
    Death,
    Fault,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import ODD
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run

Runs = Mapping[str, Run]
each_fault = pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, id=f"{fault.name}, {name}")
        for pair, some in FAULTS.items()
        for fault in some
        for name in pair
    ],
)
each_death = pytest.mark.parametrize(
    ("name", "death"),
    [
        pytest.param(name, death, id=f"{death.name}, {name}")
        for pair, some in DEATHS.items()
        for death in some
        for name in pair
    ],
)


@each_fault
def test_the_error_says_what_went_wrong_and_what_became_of_it(
    lab: Lab, injected: Runs, name: str, fault: Fault
) -> None:
    host = lab.hosts[name]
    result = result_of(injected[name], host, fault.name)
    assert result.status == "failed", result.result
    problem = result.result["problem"]
    assert problem["host"] == name
    assert problem["object"] or problem["option"]
    assert problem["remedy"]
    assert problem["found"].endswith(fault.outcome)
    assert "\n" not in result.result["msg"]


@each_fault
def test_everything_is_as_it_was(lab: Lab, injected: Runs, name: str, fault: Fault) -> None:
    host = lab.hosts[name]
    before, after = (snapshots.load(lab, host, label) for label in labels(fault.name))
    assert any(path.startswith("/etc/") and node[-1] for path, node in before.items())  # attributes are kept as well
    snapshots.assert_restored(before, after)
    ended = result_of(injected[name], host, f"end: {fault.name}")  # it fails where the fault did not come about
    assert ended.status == "ok", ended.result


@each_fault
def test_all_daemons_serve_as_before(lab: Lab, injected: Runs, name: str, fault: Fault) -> None:
    seen = result_of(injected[name], lab.hosts[name], f"look: {fault.name}")
    assert seen.status == "ok", seen.result


@each_death
def test_a_killed_run_is_undone_by_the_host_itself(lab: Lab, injected: Runs, name: str, death: Death) -> None:
    host = lab.hosts[name]
    killed = result_of(injected[name], host, death.name)
    assert killed.status == "failed"
    assert "problem" not in killed.result  # nothing was left that could have said anything
    ended = result_of(injected[name], host, f"end: {death.name}")
    assert ended.status == "ok", ended.result
    following = result_of(injected[name], host, f"next: {death.name}")
    assert following.status == "ok", following.result
    assert not following.changed  # everything is old, also what is not in files
    snapshots.assert_restored(*(snapshots.load(lab, host, label) for label in labels(death.name)))


@each_death
def test_all_daemons_serve_after_a_killed_run(lab: Lab, injected: Runs, name: str, death: Death) -> None:
    seen = result_of(injected[name], lab.hosts[name], f"look: {death.name}")
    assert seen.status == "ok", seen.result


@pytest.mark.parametrize("name", ODD)
def test_of_two_runs_at_once_the_second_waits(lab: Lab, injected: Runs, name: str) -> None:
    host, run = lab.hosts[name], injected[name]
    assert result_of(run, host, "end: two runs").status == "ok"
    for task in (FIRST, SECOND, WAITED, BOTH, "look: two runs"):
        found = result_of(run, host, task)
        assert found.status == "ok", found.result
    assert result_of(run, host, WAITED).result["changed"] is True
    assert result_of(run, host, SECOND).result["changed"] is True
    assert result_of(run, host, BOTH).result["changed"] is False
