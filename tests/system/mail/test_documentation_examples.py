# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example in the modules' documentation works as it stands there, and a second time it changes nothing."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.documentation_examples import (
    Example,
    documented,
    documented_modules,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.example_runner import ExampleResults

EXAMPLES = documented()

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=[one.name for one in EXAMPLES])


def test_every_module_has_an_example_for_the_command_line_and_one_for_a_play() -> None:
    assert {one.module for one in EXAMPLES if one.argv} == documented_modules()
    assert {one.module for one in EXAMPLES if one.tasks} == documented_modules()


@each_example
def test_it_works_as_documented(examples: ExampleResults, old: Host, example: Example) -> None:
    results = examples[example.name][old.name][0]
    assert [one for one in results if one.ours]
    assert [one.status for one in results] == ["ok"] * len(results), results


REPEATED = [one for one in EXAMPLES if one.times > 1]


@pytest.mark.parametrize("example", REPEATED, ids=[one.name for one in REPEATED])
def test_the_second_time_it_changes_nothing(examples: ExampleResults, old: Host, example: Example) -> None:
    results = examples[example.name][old.name][1]
    assert [one.status for one in results] == ["ok"] * len(results), results
    assert not [one for one in results if one.changed]


def test_the_documented_proof_is_one(examples: ExampleResults, old: Host) -> None:
    title = "mail_tls_info: Check all servers of a host from another one, trusting your own root CA"
    looked = examples[title][old.name][0][0].result["endpoints"]
    assert [one["verified"] for one in looked] == [True, True, True]
    assert [one["clear_text"]["refused"] for one in looked] == [False, True, True]
