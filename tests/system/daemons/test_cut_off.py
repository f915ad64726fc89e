# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is switched off half-way serves what it served before, as soon as it has started again."""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import CYRUS, EXIM, ODD
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.system.daemons.conftest import CutOff

# by which the old certificate, and what goes with it, is told from the new one
TOLD = re.compile(r"^(?:Protocol version|Ciphersuite|Peer certificate|Signature type): .*", re.MULTILINE)
each_host = pytest.mark.parametrize("name", [*ODD, *EXIM, *CYRUS])


@each_host
def test_it_was_cut_off_half_way(cut_off: CutOff, name: str) -> None:
    assert cut_off.killed.one(name).status == "failed"
    assert "problem" not in cut_off.killed.one(name).result
    assert cut_off.left[name]


@each_host
def test_nothing_is_left_of_it(cut_off: CutOff, name: str) -> None:
    assert cut_off.undone[name].code == 0, cut_off.undone[name]


@each_host
def test_everything_is_as_it_was(cut_off: CutOff, lab: Lab, name: str) -> None:
    assert cut_off.after.outcome(lab.hosts[name])["changed"] is False
    before, after = (config_snapshots.meaning(one.configurations[name]) for one in (cut_off.before, cut_off.after))
    assert before == after
    assert cut_off.before.listening[name] == cut_off.after.listening[name]


@each_host
def test_clients_saw_the_same_before_anybody_came(cut_off: CutOff, name: str) -> None:
    before, after = (
        {key: (answer.code, TOLD.findall(answer.err)) for key, answer in one.sessions.items() if key[0] == name}
        for one in (cut_off.before.view, cut_off.view)
    )
    assert before == after
