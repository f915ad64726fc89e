# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second run finds everything as it is to be, and touches nothing."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import Phase


def test_the_second_run_reports_no_change(repeated: Phase) -> None:
    repeated.run.assert_success()
    assert not [one for one in repeated.run.results if one.changed]


def test_no_inode_time_or_byte_moves(repeated: Phase, host: Host) -> None:
    snapshots.assert_same(repeated.before[host.name], repeated.after[host.name])


def test_no_daemon_is_reloaded(secured: Phase, repeated: Phase, host: Host) -> None:
    assert mail_daemons.reloads(secured.journal[host.name]) > 0, "a reload would not be noticed"
    assert mail_daemons.reloads(repeated.journal[host.name]) == 0
    assert mail_daemons.starts(repeated.journal[host.name]) == 0


def test_no_daemon_is_restarted_by_either_run(secured: Phase, repeated: Phase, host: Host) -> None:
    for phase in (secured, repeated):
        assert phase.masters_before[host.name] == phase.masters_after[host.name]
        assert len(phase.masters_after[host.name]) == 2
