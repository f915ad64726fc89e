# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Something is wrong with the host: one clear line says what, soon, with a remedy that works; or all goes well."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import CONTROL6, address6
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import environment_faults
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.environment_faults import (
    FAULTS,
    LOOK,
    NOT_TOLD,
    ODD_CALLS,
    PROMPT,
    PROOF,
    Fault,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import MX, Phase, on_each

each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
with_remedy = pytest.mark.parametrize(
    "fault", [one for one in FAULTS if one.remedy], ids=[one.name for one in FAULTS if one.remedy]
)
_OWN = "/systemd-private-"  # a daemon's own directory, new whenever the host's guard has restarted it
_BUSIEST = 1.5  # times longer that the modules wait on a busy host


@pytest.fixture(scope="session")
def environments(lab: Lab, ansible: Ansible, secured: Phase) -> Run:
    """One after the other, on mx1 and mx2."""
    assert secured
    play = Play()
    for fault in FAULTS:
        environment_faults.add(play, fault)
    play.look_at_peer("look")
    with left_as_found(lab, MX, "faults of the environment"):
        return ansible.play("mx*", play.tasks)


@pytest.fixture(scope="session")
def odd(lab: Lab, ansible: Ansible, environments: Run) -> Run:
    """Two changes and the way back, on hosts that are odd."""
    assert environments
    play = Play()
    environment_faults.add_odd_calls(play)
    begin, end = environment_faults.odd_host(CONTROL6)
    there = {name: address6(lab.hosts[name]) for name in MX}
    with left_as_found(lab, MX, "odd hosts"):
        on_each(lab, MX, lambda host: lab.shell(host, begin))
        try:
            # by another address than in the inventory, which has only those of IPv4
            return ansible.play("mx*", play.tasks, there=there, ansible_host="{{ there[inventory_hostname] }}")
        finally:
            on_each(lab, MX, lambda host: lab.shell(host, end))


@each_fault
def test_the_error_names_the_cause_on_one_line(environments: Run, host: Host, fault: Fault) -> None:
    result = environments.one(host.name, fault.name)
    assert result.status == "failed", result.result
    problem = result.result["problem"]
    assert fault.found in problem["found"]
    assert problem["remedy"]
    assert "\n" not in result.result["msg"]
    assert (NOT_TOLD in problem["found"]) == (fault.outcome == NOT_TOLD)


@each_fault
def test_nobody_waits_long_for_it(environments: Run, host: Host, fault: Fault) -> None:
    took, load, processors = environments.one(host.name, f"took: {fault.name}").result["stdout"].split()
    busy = min(max(float(load) / int(processors), 1.0), _BUSIEST)
    assert int(took) <= PROMPT * busy  # also where it hangs once more while everything is put back


@with_remedy
def test_the_remedy_helps(environments: Run, host: Host, fault: Fault) -> None:
    followed = environments.one(host.name, f"follow: {fault.name}")
    assert followed.status == "ok", followed.result
    again = environments.one(host.name, f"again: {fault.name}")
    assert again.status == "ok", again.result
    assert again.changed


@each_fault
def test_everything_is_as_it_was(environments: Run, lab: Lab, host: Host, fault: Fault) -> None:
    ended = environments.one(host.name, f"end: {fault.name}")  # it fails where the fault has left something behind
    assert ended.status == "ok", ended.result
    if fault.outcome == NOT_TOLD:
        settled = environments.one(host.name, f"next: {fault.name}")
        assert settled.status == "ok", settled.result  # whether the guard or this run has put everything back
    before, after = (
        {
            path: node
            for path, node in snapshots.load(lab, host, f"{fault.label}-{when}").items()
            if _OWN not in path and path.rpartition("/")[2] != fault.moved
        }
        for when in ("before", "after")
    )
    snapshots.assert_restored(before, after)


def test_the_hosts_serve_as_before(environments: Run, host: Host) -> None:
    seen = environments.one(host.name, "look")
    assert seen.status == "ok", seen.result


@pytest.mark.parametrize("task", ODD_CALLS)
def test_an_odd_host_is_served_all_the_same(odd: Run, host: Host, task: str) -> None:
    result = odd.one(host.name, task)
    assert result.status == "ok", result.result
    assert result.changed


def test_the_other_host_sees_it_without_ipv4(odd: Run, host: Host) -> None:
    seen = odd.one(host.name, LOOK)
    assert seen.status == "ok", seen.result
    proof = odd.one(host.name, PROOF)
    assert proof.status == "ok", proof.result
    found = proof.result["endpoints"]
    assert [(one["verified"], ":" in one["address"]) for one in found] == [(True, True)] * 2, found


def test_every_port_serves_its_certificate(odd: Run, clients: Clients, host: Host) -> None:
    assert odd
    clients.assert_serves(host)
