# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A string with a meaning for somebody on its way is refused before anything is done, or arrives as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import awkward_strings
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.awkward_strings import (
    CANARY,
    HOSTILE,
    NAMES,
    Awkward,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import BadInput
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.logins_on_the_wire import LOGINS
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import RELEASES

each_hostile = pytest.mark.parametrize("bad", HOSTILE, ids=[one.name for one in HOSTILE])


@pytest.fixture(scope="module")
def stock() -> Iterator[Lab]:
    """Two hosts, as Debian sets them up."""
    lab = Lab(lab_state("strings"))
    try:
        lab.up(*awkward_strings.HOSTS)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def awkward(stock: Lab, tmp_path_factory: pytest.TempPathFactory) -> Awkward:
    """All calls."""
    return awkward_strings.run(stock, Ansible(stock.inventory, tmp_path_factory.mktemp("strings")))


@pytest.fixture(params=NAMES, ids=RELEASES)
def stock_host(request: pytest.FixtureRequest, stock: Lab) -> Host:
    """A host of each release."""
    return stock.hosts[request.param]


@each_hostile
def test_it_gets_one_error_that_names_object_option_and_remedy(
    awkward: Awkward, stock_host: Host, bad: BadInput
) -> None:
    (result,) = [one for one in awkward.refusals.run.of(stock_host.name) if one.task == bad.call]
    assert result.status == "failed", result.result
    message, problem = result.result["msg"], result.result["problem"]
    assert message.isprintable()
    assert len(message) <= 1000
    assert (problem["object"], problem["option"]) == (bad.subject, bad.option)
    assert bad.found in problem["found"]
    assert bad.remedy in problem["remedy"]


@each_hostile
def test_the_host_stays_byte_for_byte_as_it_was(stock: Lab, awkward: Awkward, stock_host: Host, bad: BadInput) -> None:
    before, after = awkward.refusals.play.snapshots[bad.name]
    hashes = awkward.refusals.hashes[stock_host.name]
    if hashes[before] != hashes[after]:
        snapshots.assert_same(*(snapshots.load(stock, stock_host, label) for label in (before, after)))


def test_no_daemon_is_reloaded_for_it(awkward: Awkward, stock_host: Host) -> None:
    assert mail_daemons.reloads(awkward.refusals.journal[stock_host.name]) == 0


def test_no_secret_of_a_wrong_shape_is_printed_or_logged(awkward: Awkward, stock_host: Host) -> None:
    run = awkward.refusals.run
    assert "invocation" in run.out
    assert "Traceback" not in run.out
    for needle in (CANARY, "47110815"):
        assert needle not in run.out
        assert needle not in awkward.journal[stock_host.name]
        assert not [one.task for one in run.results if needle in str(one.result)]


def test_nothing_printed_reaches_the_terminal_as_a_command(awkward: Awkward) -> None:
    assert "\x1b" not in awkward.refusals.run.out
    assert "\x07" not in awkward.refusals.run.out


@pytest.mark.parametrize("label", LOGINS)
def test_login_and_password_arrive_byte_for_byte(awkward: Awkward, stock_host: Host, label: str) -> None:
    assert awkward.logins.received[stock_host.name][label] == LOGINS[label]


def test_a_second_run_changes_nothing(awkward: Awkward, stock_host: Host) -> None:
    first, second = awkward.logins.runs
    assert first.changed(stock_host.name)
    assert not second.changed(stock_host.name)
