# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in that runs a line of shell before a daemon starts."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import (
    before_start,
    path_of,
    read_again,
    warned_unless,
)


def test_signs_that_mean_something_to_systemd_are_doubled():
    change = before_start("x.service", "echo $a ${b%.c} \\\\d", "# ours\n")
    assert change.path == "/etc/systemd/system/x.service.d/postmaster-secure-channel.conf"
    line = "ExecStartPre=-+/bin/sh -c 'echo $$a $${b%%.c} \\\\\\\\d'"
    assert change.content == f"# ours\n[Service]\n{line}\n".encode()


def test_nothing_to_run_is_no_drop_in():
    assert before_start("x.service", "", "").content is None


@pytest.mark.parametrize("line", ["echo 'a'", "echo a\necho b"])
def test_what_cannot_stand_in_the_line_is_an_error(line):
    with pytest.raises(ValueError, match=r"x\.service"):
        before_start("x.service", line, "")


@pytest.mark.parametrize(("condition", "said"), [("true", False), ("false", True), ("false | true", False)])
def test_a_warning_says_what_mends_it(condition, said):
    line = warned_unless(condition, "the file is gone")
    before_start("x.service", line, "")
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert (done.stdout.startswith("<4>the file is gone. Run the playbook"), done.stderr) == (said, "")
    assert ("ansible-playbook postmaster.secure_channel.site" in done.stdout) is said


class OneHost:
    """A host on which the unit's files are as systemd knows them, or newer."""

    def __init__(self, there, answer):
        self.there = there
        self.answer = answer

    def state(self, path):
        return path if self.there and path == path_of("x.service") else None

    def query(self, argv):
        return Completed(0, self.answer, "")


@pytest.mark.parametrize(
    ("there", "answer", "ran"),
    [
        (True, "yes\n", [["systemctl", "daemon-reload"]]),
        (True, "no\n", []),
        (False, "yes\n", []),
    ],
)
def test_systemd_reads_a_new_drop_in(there, answer, ran):
    found: list[Any] = []
    run: Any = found.append
    host: Any = OneHost(there, answer)
    read_again(run, host, "x.service")
    assert found == ran
