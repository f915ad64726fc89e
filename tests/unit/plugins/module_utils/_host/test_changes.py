# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import (
    Compiled,
    Edit,
    FileChange,
    make_daemons_reload,
    needed,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

TABLE = Compiled(".db", ("postmap", "hash:{source}"))


@pytest.fixture
def recorded():
    found = RecordedHost()
    found.files.update({"/file": b"old", "/table": b"row", "/table.db": b"compiled"})
    return found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (FileChange("/file", b"old"), False),
        (FileChange("/file", b"old", "root", "root", 0o644), False),
        (FileChange("/file", b"new"), True),
        (FileChange("/file", b"old", owner="postfix"), True),
        (FileChange("/file", b"old", group="postfix"), True),
        (FileChange("/file", b"old", mode=0o600), True),
        (FileChange("/file", b"old", mode=0), True),
        (FileChange("/file", None), True),
        (FileChange("/missing", None), False),
        (FileChange("/missing", b""), True),
        (FileChange("/table", b"row", compiled=TABLE), False),
        (FileChange("/table", b"other", compiled=TABLE), True),
        (FileChange("/file", b"old", compiled=TABLE), True),  # the twin is missing
    ],
)
def test_needed(change, expected, recorded):
    assert change.needed(recorded) is expected
    assert needed([change], recorded) == ([change] if expected else [])


def test_twin_that_is_more_open_than_its_source(recorded):
    recorded.states["/table"] = FileState("root", "root", 0o600)
    assert FileChange("/table", b"row", mode=0o600, compiled=TABLE).needed(recorded)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (FileChange("/file", b"new"), ("/file", "/file", "old", "new")),
        (FileChange("/missing", b"new"), ("/missing (absent)", "/missing", "", "new")),
        (FileChange("/file", None), ("/file", "/file (absent)", "old", "")),
        (
            FileChange("/file", b"new", secret=True, summary="a key"),
            ("/file", "/file", "(content not shown)\n", "a key\n"),
        ),
        (
            FileChange("/missing", b"new", secret=True, summary="a key"),
            ("/missing (absent)", "/missing", "", "a key\n"),
        ),
        (FileChange("/file", None, secret=True), ("/file", "/file (absent)", "(content not shown)\n", "")),
        (FileChange("/file", b"\xff"), ("/file", "/file", "old", "\ufffd")),
    ],
)
def test_diff(change, expected, recorded):
    found = change.diff(recorded)
    assert (found["before_header"], found["after_header"], found["before"], found["after"]) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (FileChange("/file", b"new"), True),
        (FileChange("/file", None), True),
        (FileChange("/missing", b""), True),
        (FileChange("/file", b"old", mode=0o600), False),
        (FileChange("/file", b"old", owner="postfix"), False),
        (FileChange("/file", b"new", loaded=False), False),
        (FileChange("/file", b"old", edits=(Edit(("true",)),)), True),
        (FileChange("/file", b"old", edits=(Edit(("true",)),), loaded=False), False),
    ],
)
def test_what_makes_a_daemon_load_a_file_again(change, expected, recorded):
    assert change.makes_daemons_reload(recorded) is expected
    assert make_daemons_reload([FileChange("/file", b"old"), change], recorded) is expected
