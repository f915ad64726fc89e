# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host cannot serve as it is asked for, or what its administrator's own settings override, gets one error."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.bad_settings import BAD
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import places
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import BadInput, Refusals
from ansible_collections.postmaster.secure_channel.tests.system.daemons.conftest import Fed

each = pytest.mark.parametrize(
    ("name", "bad"),
    [pytest.param(name, bad, id=f"{bad.name}, {name}") for pair, some in BAD.items() for bad in some for name in pair],
)


@pytest.fixture
def refusals(fed: Fed) -> Mapping[str, Refusals]:
    """All bad input, by host."""
    return fed.refusals


@each
def test_it_gets_one_error_that_names_object_option_and_remedy(
    refusals: Mapping[str, Refusals], name: str, bad: BadInput
) -> None:
    (result,) = [one for one in refusals[name].run.of(name) if one.task == bad.call]
    assert result.status == "failed", result.result
    problem = result.result["problem"]
    assert problem["object"] == bad.subject, problem
    if bad.option.startswith("/"):
        assert re.fullmatch(rf"{bad.option}(:\d+)?", problem["option"]), problem
        assert re.search(r":\d+$", problem["option"]), problem
    else:
        assert problem["option"] == bad.option, problem
    assert bad.found in problem["found"], problem
    assert bad.remedy in problem["remedy"], problem
    assert "\n" not in result.result["msg"]


@each
def test_nothing_is_changed(lab: Lab, refusals: Mapping[str, Refusals], name: str, bad: BadInput) -> None:
    before, after = refusals[name].play.snapshots[bad.name]
    hashes = refusals[name].hashes[name]
    if hashes[before] != hashes[after]:
        compare = snapshots.assert_restored if bad.staged else snapshots.assert_same
        compare(*(snapshots.load(lab, lab.hosts[name], label) for label in (before, after)))


@pytest.mark.parametrize("name", [name for pair in BAD for name in pair])
def test_all_daemons_serve_as_before(lab: Lab, fed: Fed, name: str) -> None:
    host = lab.hosts[name]
    for place in places(host):
        answer = fed.view.sessions[name, place.title, "any"]
        assert answer.code == 0, f"{place.title}: {answer.err}"
