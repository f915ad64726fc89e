# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever can write a daemon's configuration gets nothing from root by it: neither code run, nor files, nor a wait.

On hosts of its own, since what is planted there would be in the way of everything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds, host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.planted import (
    MADE_BY_CODE,
    PAYLOADS,
    Payload,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.planted_module import module_that_makes
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK, lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import (
    COLLECTION,
    Ansible,
    Result,
    Run,
)

CALLED = "mail_vserver_tls"
NO_TRACEBACK = "(traceback unavailable)"  # in Ansible's own words

each = pytest.mark.parametrize(
    ("name", "payload"),
    [pytest.param(name, one, id=f"{one.name}, {name}") for pair in PAYLOADS for one in PAYLOADS[pair] for name in pair],
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Six hosts, of the kinds that the others are of."""
    lab = Lab(lab_state("users"))
    try:
        lab.up(*(one for one in host_kinds.HOSTS if one.partition(":")[0] in host_kinds.LIVING))
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def ansible(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """The hosts are ready: their certificates are in the store."""
    directory = tmp_path_factory.mktemp("users")
    certificates = Certificates(directory)
    module = directory / "module.so"
    module.write_bytes(module_that_makes(MADE_BY_CODE))

    def prepare(host: Host) -> None:
        host_setup.settle(lab, host)
        config_snapshots.prepare(lab, host)
        certificates.put(lab, host)
        lab.ask(host, "update-ca-certificates")

    with ThreadPoolExecutor() as pool:
        list(pool.map(prepare, lab.hosts.values()))
    ansible = Ansible(lab.inventory, directory)
    copy = {"ansible.builtin.copy": {"src": str(module), "dest": f"{WORK}/module.so", "mode": "0755"}}
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ certificates[inventory_hostname] }}"}}
    ansible.play(
        "all", [copy, install], certificates={host.name: installing(host) for host in lab.hosts.values()}
    ).assert_success()
    return ansible


@pytest.fixture(scope="module")
def planted(ansible: Ansible) -> Mapping[str, Run]:
    """All payloads, one after the other; the run of each host."""

    def plant(pair: tuple[str, str], payloads: tuple[Payload, ...]) -> Run:
        play = Play()
        for one in payloads:
            play.shell(f"begin: {one.name}", one.begin)
            play.call(f"check: {one.name}", CALLED, one.wanted, check_mode=True)
            play.call(one.name, CALLED, one.wanted)
            play.shell(f"end: {one.name}", one.end)
        return ansible.play(",".join(pair), play.tasks, strategy="free")

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda pair: plant(pair, tuple(PAYLOADS[pair])), PAYLOADS))
    return {name: run for pair, run in zip(PAYLOADS, runs) for name in pair}


def result(planted: Mapping[str, Run], name: str, task: str) -> Result:
    """What a task did on a host."""
    return planted[name].one(name, task)


def assert_no_traceback(outcome: Result) -> None:
    """A module that ends with an error of its own has none."""
    assert outcome.result.get("exception", NO_TRACEBACK) == NO_TRACEBACK


@each
def test_nothing_of_it_runs_as_root(planted: Mapping[str, Run], name: str, payload: Payload) -> None:
    lines = result(planted, name, f"end: {payload.name}").result["stdout_lines"]
    assert "ran as root" not in lines
    assert set(lines) <= {f"ran as {payload.user}", "the daemon serves"}


@each
def test_the_call_succeeds_or_says_what_is_wrong(planted: Mapping[str, Run], name: str, payload: Payload) -> None:
    outcome = result(planted, name, payload.name)
    if not payload.refused:
        assert outcome.status == "ok", outcome.result
        return
    assert outcome.status == "failed", outcome.result
    problem = outcome.result["problem"]
    assert payload.refused in problem["found"], problem
    assert problem["remedy"]
    assert "root:" not in outcome.result["msg"]  # a line of /etc/shadow
    assert_no_traceback(outcome)


@each
def test_check_mode_runs_nothing_as_root_either(planted: Mapping[str, Run], name: str, payload: Payload) -> None:
    outcome = result(planted, name, f"check: {payload.name}")
    assert_no_traceback(outcome)
    assert outcome.status == "ok" or outcome.result["problem"]["remedy"]


@each
def test_the_daemon_goes_on_serving(planted: Mapping[str, Run], name: str, payload: Payload) -> None:
    assert "the daemon serves" in result(planted, name, f"end: {payload.name}").result["stdout_lines"]


@pytest.fixture(scope="module")
def afterwards(ansible: Ansible, lab: Lab, planted: Mapping[str, Run]) -> Run:
    """The same calls once more, when everything has been put back."""
    assert planted
    wanted = {
        name: [one.wanted for one in {one.wanted["protocol"]: one for one in PAYLOADS[pair]}.values()]
        for pair in PAYLOADS
        for name in pair
    }
    call = {f"{COLLECTION}.{CALLED}": {"vservers": "{{ wanted[inventory_hostname] }}"}, "ignore_errors": True}
    return ansible.play(",".join(lab.hosts), [call], wanted=wanted)


@pytest.mark.parametrize("name", host_kinds.LIVING)
def test_then_everything_can_be_secured(afterwards: Run, name: str) -> None:
    (outcome,) = afterwards.of(name)
    assert outcome.status == "ok", outcome.result
