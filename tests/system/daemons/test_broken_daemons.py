# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A daemon that serves with files which it would refuse by now serves on: the call about it is refused, no other is.

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
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import broken_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.broken_daemons import (
    HOSTS,
    TROUBLES,
    Trouble,
)

NAMES = {kind: [host.partition(":")[0] for host in hosts] for kind, hosts in HOSTS.items()}
REFUSED = [one for one in TROUBLES if one.refused]
_RUNS: dict[str, Run] = {}


def _each(some: list[Trouble]) -> pytest.MarkDecorator:
    """Each of some troubles on each host of its kind."""
    return pytest.mark.parametrize(
        ("host", "trouble"),
        [
            pytest.param(host, one, id=f"{host}: {one.daemon}, {one.name}")
            for kind in HOSTS
            for host in NAMES[kind]
            for one in some
            if one.kind == kind
        ],
    )


@pytest.fixture
def outcome(trouble: Trouble, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What became of all troubles on the hosts of a kind."""
    kind = trouble.kind
    if kind not in _RUNS:
        lab = Lab(lab_state("broken"))
        directory = tmp_path_factory.mktemp(f"broken-{kind}")
        try:
            lab.up(*HOSTS[kind])
            _RUNS[kind] = broken_daemons.run(lab, Ansible(lab.inventory, directory), kind, Certificates(directory))
        finally:
            lab.down()
    return _RUNS[kind]


@pytest.mark.parametrize("how", ["check", "run"])
@_each(REFUSED)
def test_the_trouble_is_named_before_anything_is_changed(outcome: Run, host: str, trouble: Trouble, how: str) -> None:
    began = outcome.one(host, f"begin: {trouble.name}")
    assert began.status == "ok", began.result
    found = outcome.one(host, f"{how}: {trouble.name}")
    assert found.status == "failed", found.result
    assert re.search(trouble.refused, found.result["problem"]["found"]), found.result["msg"]
    assert re.search(trouble.place, found.result["problem"]["option"]), found.result["msg"]
    assert found.result["problem"]["remedy"]
    assert "\n" not in found.result["msg"]


@_each(REFUSED)
def test_the_daemon_serves_on(outcome: Run, host: str, trouble: Trouble) -> None:
    before, after = (outcome.one(host, f"{when}: {trouble.name}").result["stdout"] for when in ("begin", "then"))
    assert "ActiveState=active" in after
    assert after.split() == before.split()[-len(after.split()) :]


@_each([one for one in REFUSED if one.other])
def test_a_call_about_another_daemon_is_carried_out(outcome: Run, host: str, trouble: Trouble) -> None:
    for task in ("other", "other again"):
        found = outcome.one(host, f"{task}: {trouble.name}")
        assert found.status == "ok", found.result
        assert found.changed


@_each(REFUSED)
def test_the_remedy_helps(outcome: Run, host: str, trouble: Trouble) -> None:
    followed = outcome.one(host, f"remedy: {trouble.name}")
    assert followed.status == "ok", followed.result
    again = outcome.one(host, f"again: {trouble.name}")
    assert again.status == "ok", again.result
    assert again.changed


@_each([one for one in TROUBLES if not one.refused])
def test_a_call_that_ends_the_trouble_is_carried_out(outcome: Run, host: str, trouble: Trouble) -> None:
    for task in ("check", "run", "undone"):
        found = outcome.one(host, f"{task}: {trouble.name}")
        assert found.status == "ok", found.result
        assert found.changed
