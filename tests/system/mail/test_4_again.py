# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The second run finds everything as it is to be, and touches nothing."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.tests.system.mail.conftest import Chapter
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import daemons, trees
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Host


def test_the_second_run_reports_no_change(repeated: Chapter) -> None:
    repeated.run.assert_success()
    assert not [one for one in repeated.run.results if one.changed]


def test_no_inode_time_or_byte_moves(repeated: Chapter, host: Host) -> None:
    trees.assert_same(repeated.before[host.name], repeated.after[host.name])


def test_no_daemon_is_reloaded(secured: Chapter, repeated: Chapter, host: Host) -> None:
    assert daemons.reloads(secured.journal[host.name]) > 0, "a reload would not be noticed"
    assert daemons.reloads(repeated.journal[host.name]) == 0
    assert daemons.starts(repeated.journal[host.name]) == 0


def test_no_daemon_is_restarted_by_either_run(secured: Chapter, repeated: Chapter, host: Host) -> None:
    assert secured.masters_before[host.name] == secured.masters_after[host.name] == repeated.masters_after[host.name]
    assert len(repeated.masters_after[host.name]) == 2
