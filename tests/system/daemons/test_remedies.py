# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remedies are followed on hosts of both releases that show the fault, and help.

The hosts are a lab of their own, two at a time, one of each release.
"""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import remedies
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.remedies import FAULTS, HOSTS, Fault

_RUNS: dict[str, Run] = {}
each = pytest.mark.parametrize(
    ("host", "fault"),
    [
        pytest.param(host.partition(":")[0], one, id=f"{host.partition(':')[0]}: {one.name}")
        for kind, hosts in HOSTS.items()
        for host in hosts
        for one in FAULTS
        if one.kind == kind
    ],
)


@pytest.fixture
def outcome(fault: Fault, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What became of all faults on the hosts of a kind."""
    kind = fault.kind
    if kind not in _RUNS:
        lab = Lab(lab_state("remedies"))
        directory = tmp_path_factory.mktemp(f"remedies-{kind}")
        try:
            lab.up(*HOSTS[kind])
            _RUNS[kind] = remedies.run(lab, Ansible(lab.inventory, directory), kind, Certificates(directory))
        finally:
            lab.down()
    return _RUNS[kind]


@each
def test_the_message_names_the_fault_and_a_remedy(outcome: Run, host: str, fault: Fault) -> None:
    began = outcome.one(host, f"begin: {fault.name}")
    assert began.status == "ok", began.result
    found = outcome.one(host, fault.name)
    assert found.status == "failed", found.result
    problem = found.result["problem"]
    assert re.search(fault.found, problem["found"]), found.result["msg"]
    assert re.search(fault.remedy, problem["remedy"]), found.result["msg"]


@each
def test_the_remedy_helps(outcome: Run, host: str, fault: Fault) -> None:
    followed = outcome.one(host, f"follow: {fault.name}")
    assert followed.status == "ok", followed.result
    again = outcome.one(host, f"again: {fault.name}")
    assert again.status == "ok", again.result
    then = outcome.one(host, f"then: {fault.name}")
    assert then.status == "ok", then.result
