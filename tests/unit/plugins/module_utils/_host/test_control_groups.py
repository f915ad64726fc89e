# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits of control groups: what they are called, and one that the kernel holds this very process to."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes, control_groups

SCOPE, SLICE = "user-0.slice/session-1.scope", "user-0.slice"
ASKING = """
import subprocess
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
try:
    print(Host().query(["true"]))
except Problem as exc:
    print(exc.message)
"""


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of version 2, of which this process is in a scope of systemd."""
    top = tmp_path / "cgroup"

    def make(**files):
        (top / SCOPE).mkdir(parents=True, exist_ok=True)
        (tmp_path / "self").write_text(f"0::/{SCOPE}\n")
        (tmp_path / "mounts").write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {top} rw shared:1 - cgroup2 none rw\n")
        for group, content in files.items():
            for name, text in zip(("pids.max", "pids.current", "pids.events"), content):
                (top / {"scope": SCOPE, "slice": SLICE}[group] / name).write_text(f"{text}\n")
        monkeypatch.setattr(control_groups, "_GROUPS", str(tmp_path / "self"))
        monkeypatch.setattr(control_groups, "_MOUNTS", str(tmp_path / "mounts"))
        return control_groups.full_group()

    return make


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"scope": ("max", "7", "max 0"), "slice": ("max", "7", "max 0")}, None),
        ({"scope": ("7", "6", "max 0"), "slice": ("33", "7", "max 0")}, None),
        ({"scope": ("7", "7", "max 1"), "slice": ("33", "7", "max 0")}, ("session-1.scope", 7)),
        ({"scope": ("max", "7", "max 0"), "slice": ("33", "33", "max 1")}, ("user-0.slice", 33)),
        # by now some of the processes have ended
        ({"scope": ("7", "6", "max 0"), "slice": ("33", "30", "max 4")}, ("user-0.slice", 33)),
        ({"scope": ("7", "6", "max 2"), "slice": ("33", "33", "max 4")}, ("user-0.slice", 33)),
    ],
)
def test_the_group_that_is_full_is_named_by_its_unit(groups, files, expected):
    found = groups(**files)
    assert (found and (found.name, found.limit)) == expected
    if found:
        assert found.remedy == f"systemctl set-property --runtime {found.name} TasksMax=infinity"


def test_nobody_tells(monkeypatch):
    monkeypatch.setattr(control_groups, "_GROUPS", "/nowhere")
    assert control_groups.full_group() is None


def test_a_limit_of_the_user_does_not_bind_root(monkeypatch):
    monkeypatch.setattr(causes, "full_group", lambda: None)
    monkeypatch.setattr(causes, "limit", lambda _number: "100")
    refusal = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    for user, words in ((0, "too many processes on the host"), (1000, "too many processes, whose limit is 100")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert words in causes.problem(refusal, "cannot be run").found


@pytest.fixture
def full():
    """A group of the kernel's that takes one process."""
    top = Path("/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup")
    group = top / f"postmaster-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("1")
    except OSError as exc:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group can be made here ({exc})")
    yield group
    group.rmdir()


def test_a_full_group_is_named_and_the_remedy_helps(full):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ASKING": ASKING}

    def asked():
        script = f'echo $$ >{full}/cgroup.procs; exec "{sys.executable}" -c "$ASKING"'
        return subprocess.run(["sh", "-ec", script], env=environment, capture_output=True, text=True, check=True).stdout

    said = asked()
    assert (
        f"the program true cannot be run (there are too many processes: the control group {full} may have 1). Raise"
        in said
    )
    subprocess.run(["sh", "-ec", said.partition("('")[2].partition("')")[0]], check=True)
    assert asked() == "Completed(code=0, out='', err='')\n"
