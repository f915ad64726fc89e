# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of administrators that are in our way: named before anything is touched, and the remedies help.

The hosts are a lab of their own, two at a time, so that nothing here shows in the configurations that the other tests
compare.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import foreign_settings
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_settings import (
    HOSTS,
    PAGES,
    STEPS,
    Call,
    Outcome,
)

NAMES = {kind: [host.partition(":")[0] for host in hosts] for kind, hosts in HOSTS.items()}
CALLS = [
    pytest.param(kind, host, name, call, id=f"{host}: {name}")
    for kind, steps in STEPS.items()
    for host in NAMES[kind]
    for _happens, calls in steps
    for name, call in calls.items()
]


def steps(kind: str, directory: Path) -> Outcome:
    """The outcome of all steps on the hosts of a kind."""
    lab = Lab(lab_state("foreign"))
    try:
        lab.up(*HOSTS[kind])
        return foreign_settings.run(lab, Ansible(lab.inventory, directory), kind, Certificates(directory))
    finally:
        lab.down()


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Hosts with slapd, INN and nginx."""
    return steps("full", tmp_path_factory.mktemp("foreign-full"))


@pytest.fixture(scope="session")
def exim(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Hosts with Exim and Apache."""
    return steps("exim", tmp_path_factory.mktemp("foreign-exim"))


@pytest.fixture
def outcome(kind: str, request: pytest.FixtureRequest) -> Outcome:
    """The outcome on hosts of one kind."""
    found = request.getfixturevalue(kind)
    assert isinstance(found, Outcome)
    return found


@pytest.mark.parametrize("how", ["check", "run"])
@pytest.mark.parametrize(("kind", "host", "name", "call"), CALLS)
def test_check_mode_and_the_run_say_the_same(outcome: Outcome, host: str, name: str, call: Call, how: str) -> None:
    found = outcome.of(host, name, how)
    if call.refused:
        assert found.status == "failed", found.result
        assert re.search(call.refused, found.result["msg"]), found.result["msg"]
    else:
        assert found.status == "ok", found.result
        assert found.changed


@pytest.mark.parametrize(("kind", "daemon"), [("full", "slapd"), ("full", "nginx")])
def test_a_refused_call_touches_no_daemon(outcome: Outcome, kind: str, daemon: str) -> None:
    for host in NAMES[kind]:
        before, after = (
            [line for line in text.splitlines() if line.startswith(f"({daemon})")] for text in outcome.daemons[0][host]
        )
        assert before, host
        assert before == after, host


@pytest.mark.parametrize(
    ("kind", "host", "page"), [(kind, host, page) for kind in HOSTS for host in NAMES[kind] for page in PAGES[kind]]
)
def test_a_browser_gets_the_page(outcome: Outcome, host: str, page: str) -> None:
    assert outcome.pages[f"{host} {page}"].out == f"200 1 https://{page}.example.test/"


@pytest.mark.parametrize("kind", ["full"])
@pytest.mark.parametrize("how", ["check", "run"])
def test_names_that_the_certificate_does_not_cover_are_warned_of(outcome: Outcome, kind: str, how: str) -> None:
    for host in NAMES[kind]:
        (warning,) = outcome.of(host, "http of another name", how).result["warnings"]
        assert "does not cover webmail.customer.example, *.customer.example" in str(warning)


@pytest.mark.parametrize("kind", ["exim"])
def test_macros_that_were_set_aside_come_back(outcome: Outcome, kind: str) -> None:
    for host in NAMES[kind]:
        assert outcome.left[host].code == 0, outcome.left[host]


@pytest.mark.parametrize("kind", HOSTS)
def test_access_lists_and_notes_on_files_are_kept(outcome: Outcome, kind: str) -> None:
    for host in NAMES[kind]:
        noted = outcome.attributes[host]
        assert noted[-1]
        for before, after in zip(noted[::2], noted[1::2]):
            assert after == before
            assert all(set(one[3]) == {"system.posix_acl_access", "user.owner"} for one in after.values())
