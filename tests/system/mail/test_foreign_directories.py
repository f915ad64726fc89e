# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a daemon's user puts where root is about to write is never followed, and what others noted of files stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK, lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_directories import (
    COPY,
    NAMES,
    WITH_ATTRIBUTES,
    ForeignDirectories,
    Outcome,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import RELEASES


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Outcome]]:
    """The hosts, and what happened there."""
    foreign = ForeignDirectories(Lab(lab_state("directories")), tmp_path_factory.mktemp("directories"))
    try:
        yield foreign.lab, foreign.begin()
    finally:
        foreign.lab.down()


@pytest.fixture(scope="module")
def outcome(scenario: tuple[Lab, Outcome]) -> Outcome:
    """What happened."""
    return scenario[1]


@pytest.fixture(params=NAMES, ids=RELEASES)
def where(request: pytest.FixtureRequest, scenario: tuple[Lab, Outcome]) -> Host:
    """A host of each release."""
    return scenario[0].hosts[request.param]


def test_every_call_is_refused_with_what_is_at_fault(outcome: Outcome, where: Host) -> None:
    wrong = []
    for one in outcome.refused:
        result = outcome.result(where, one.call)
        problem = result.get("problem", {})
        if problem.get("option") != one.option or one.directory not in problem["found"] or not problem["remedy"]:
            wrong.append((one, result.get("msg")))
    assert wrong == []


def test_nothing_on_the_host_has_changed(outcome: Outcome, where: Host) -> None:
    snapshots.assert_same(*outcome.snapshots[where.name])


def test_the_secret_of_root_is_as_it_was(outcome: Outcome, where: Host) -> None:
    assert outcome.secrets[where.name] == "root 600\nroot 700\nroot's own\n"


def test_answers_to_a_ca_are_written_by_whoever_owns_the_web_root(
    scenario: tuple[Lab, Outcome], outcome: Outcome, where: Host
) -> None:
    assert scenario[0].read(where, f"{WORK}/answer") == "the answer www-data 644\n"
    done = {one.task: one.status for one in outcome.run.of(where.name)}
    assert done["taken away"] == "ok"
    assert done["and a link"] == "ok"


def test_the_remedy_works(outcome: Outcome, where: Host) -> None:
    result = outcome.result(where, "after the remedy")
    assert "problem" not in result, result
    assert not result["changed"]


def test_a_directory_as_tmp_will_do(outcome: Outcome, where: Host) -> None:
    result = outcome.result(where, "in /tmp")
    assert "problem" not in result, result
    assert result["changed"]


def test_attributes_are_kept(outcome: Outcome, where: Host) -> None:
    for call in ("secure", "correct", "absent"):
        assert outcome.result(where, call)["changed"], call
    assert "does not belong to postfix.service" in outcome.result(where, "fail")["msg"]
    first, second, failed, corrected, last = outcome.attributes[where.name]
    main, master = WITH_ATTRIBUTES[:2]
    assert set(first[main][3]) == {"system.posix_acl_access", "user.owner"}
    assert {path: second[path] for path in (main, master)} == {path: first[path] for path in (main, master)}
    assert set(second) == set(WITH_ATTRIBUTES)
    assert failed == second
    assert {path: corrected[path] for path in (main, master)} == {path: first[path] for path in (main, master)}
    assert last == {path: first[path] for path in (main, master)}


def test_list_stays_on_a_key_but_opens_it_to_nobody(outcome: Outcome, where: Host) -> None:
    owner, group, mode, attributes = outcome.attributes[where.name][3][COPY]
    assert (owner, group, mode) == (0, 0, "0o100600")
    assert set(attributes) == {"system.posix_acl_access", "user.owner"}
