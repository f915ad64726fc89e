# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that only another program can write."""

from __future__ import annotations

import grp
import os
import pwd
import stat

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Edit, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction


class Machine(Host):
    """Knows a program that appends its input to a file, which it makes where it is missing."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def query(self, argv, *, stdin=b"", **_options):
        program, path = argv
        if program != "append":
            return Completed(1, "", "broken\n")
        self.seen.append(os.path.exists(path))
        with open(path, "ab") as handle:
            handle.write(stdin)
        self.seen.append(stat.S_IMODE(os.stat(path).st_mode))
        return Completed(0, "", "")


def transact(tmp_path, machine, content, *edits):
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    change = FileChange(str(tmp_path / "db"), content, user, group, 0o640, edits=edits, secret=True)
    with Transaction(
        machine,
        lambda _name: None,
        check_mode=False,
        warn=print,
        places=Places(str(tmp_path / "state"), str(tmp_path / "run/lock"), systemd=str(tmp_path / "no systemd")),
    ) as transaction:
        transaction.apply([change])


def append(text):
    return Edit(("append", "{file}"), text)


def test_the_programs_work_on_a_closed_copy(tmp_path):
    (tmp_path / "db").write_bytes(b"old ")
    machine = Machine()
    transact(tmp_path, machine, b"old ", append(b"new "), append(b"newer"))
    assert (tmp_path / "db").read_bytes() == b"old new newer"
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o640
    assert machine.seen == [True, 0o600, True, 0o600]


def test_a_new_file_is_the_programs_own_and_closed(tmp_path):
    machine = Machine()
    transact(tmp_path, machine, b"", append(b"first"))
    assert (tmp_path / "db").read_bytes() == b"first"
    assert machine.seen == [False, 0o600]


def test_a_program_that_fails_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "db").write_bytes(b"old")
    with pytest.raises(Problem, match="nothing was changed"):
        transact(tmp_path, Machine(), b"old", append(b"new"), Edit(("fail", "{file}")))
    assert (tmp_path / "db").read_bytes() == b"old"
    assert [name for name in os.listdir(tmp_path) if "postmaster" in name] == []
