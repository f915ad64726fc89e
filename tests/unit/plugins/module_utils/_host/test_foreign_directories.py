# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories in which somebody else can put what he likes: nothing outside is ever touched through them."""

from __future__ import annotations

import ctypes
import os
import shlex
import stat
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import staging
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Compiled, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.tests.support.plants import (
    OTHER,
    PLANTS,
    directory_of_nobody,
    give,
)

LIBC = ctypes.CDLL(None)
ROOTS: dict[str, Any] = {"owner": "root", "group": "root", "mode": 0o600}
THEIRS: dict[str, Any] = {"owner": OTHER.pw_name, "group": "root", "mode": 0o640}


class Machine(Host):
    """A machine whose only program is a compiler of lookup tables."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def query(self, argv, **_options):
        self.sources.append(argv[1])
        with open(argv[1], "rb") as source, open(argv[1] + ".db", "wb") as twin:
            twin.write(source.read())
        return Completed(0, "", "")


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def begin(tmp_path, machine):
    def make(check_mode=False):
        return Transaction(
            machine,
            lambda _name: None,
            check_mode=check_mode,
            warn=print,
            places=Places(*(str(tmp_path / name) for name in ("state", "run/lock", "units", "systemd"))),
        )

    return make


@pytest.fixture
def apply(begin):
    def make(*changes, check_mode=False):
        with begin(check_mode) as transaction:
            transaction.apply(changes)

    return make


@pytest.fixture
def outside(tmp_path):
    """What belongs to root and is none of the transaction's business."""
    directory = tmp_path / "outside"
    directory.mkdir(mode=0o700)
    (directory / "file").write_text("root's own")
    (directory / "file").chmod(0o600)
    return directory


@pytest.fixture
def theirs(tmp_path):
    """A directory of somebody who is not root."""
    return directory_of_nobody(tmp_path)


@pytest.fixture
def sticky(tmp_path):
    """A directory such as /tmp."""
    directory = tmp_path / "sticky"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


def seen(*roots):
    """All that is below some directories, by path."""
    found = {}
    for path in (path for root in roots for path in (root, *root.rglob("*"))):
        state = os.lstat(path)
        content = path.read_text() if stat.S_ISREG(state.st_mode) else ""
        found[str(path)] = (state.st_ino, state.st_mode, state.st_uid, state.st_gid, content)
    return found


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize(("where", "manner"), [("theirs", ROOTS), ("theirs", THEIRS), ("sticky", ROOTS)])
def test_what_was_planted_is_refused(where, manner, plant, check_mode, apply, outside, request):
    directory = request.getfixturevalue(where)
    plant(directory / "file", outside)
    before = seen(outside, directory)
    with pytest.raises(Problem, match="nothing was changed") as caught:
        apply(FileChange(str(directory / "file"), b"ours", **manner), check_mode=check_mode)
    assert seen(outside, directory) == before
    assert str(directory) in caught.value.found
    assert caught.value.remedy


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("content", [b"ours", None])
def test_directory_of_somebody_else(content, check_mode, apply, theirs):
    (theirs / "file").write_text("there")
    before = seen(theirs)
    message = rf"the directory {theirs} belongs to nobody \(mode 0755\)"
    with pytest.raises(Problem, match=message) as caught:
        apply(FileChange(str(theirs / "file"), content, **ROOTS), check_mode=check_mode)
    assert seen(theirs) == before
    subprocess.run(shlex.split(caught.value.remedy.rpartition(": ")[2]), check=True)
    apply(FileChange(str(theirs / "file"), content, **ROOTS), check_mode=check_mode)


@pytest.mark.parametrize(("mode", "who"), [(0o775, "the group daemon"), (0o777, "everybody"), (0o2770, "the group")])
def test_directory_that_others_can_write(mode, who, apply, tmp_path):
    directory = tmp_path / "open"
    directory.mkdir()
    os.chown(directory, 0, 1)
    directory.chmod(mode)
    change = FileChange(str(directory / "below/file"), b"ours", **ROOTS)
    with pytest.raises(Problem, match=f"{directory} of root can be written by {who}") as caught:
        apply(change)
    assert list(directory.iterdir()) == []
    subprocess.run(shlex.split(caught.value.remedy.rpartition(": ")[2]), check=True)
    apply(change)
    assert (directory / "below/file").read_text() == "ours"


def test_directory_above_counts_too(apply, theirs):
    (theirs / "roots").mkdir()
    with pytest.raises(Problem, match=f"the directory {theirs} belongs to nobody"):
        apply(FileChange(str(theirs / "roots/file"), b"ours", **ROOTS))


def test_link_of_somebody_else_on_the_way(apply, sticky, outside):
    (sticky / "way").symlink_to(outside)
    give(sticky / "way")
    before = seen(outside)
    with pytest.raises(Problem, match="is a symbolic link of nobody"):
        apply(FileChange(str(sticky / "way/file"), b"ours", **ROOTS))
    assert seen(outside) == before


@pytest.mark.parametrize("leads_to", ["../elsewhere/file", "../elsewhere/missing"])
def test_link_of_root_in_a_directory_of_root_is_followed(leads_to, apply, tmp_path):
    for name in ("etc", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere/file").write_text("old")
    (tmp_path / "etc/file").symlink_to(leads_to)
    apply(FileChange(str(tmp_path / "etc/file"), b"new"))
    assert os.readlink(tmp_path / "etc/file") == leads_to
    assert (tmp_path / "etc" / leads_to).read_text() == "new"


def test_links_without_end(apply, tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(Problem, match="Too many levels of symbolic links"):
        apply(FileChange(str(tmp_path / "one"), b"new"))


def test_sticky_directory_will_do(apply, sticky):
    apply(FileChange(str(sticky / "file"), b"ours", **ROOTS))
    state = (sticky / "file").stat()
    assert (state.st_uid, stat.S_IMODE(state.st_mode)) == (0, 0o600)
    apply(FileChange(str(sticky / "file"), b"again", **ROOTS))
    assert [path.name for path in sticky.iterdir()] == ["file"]


def test_directory_of_the_one_that_the_file_is_for(apply, theirs):
    (theirs / "edited").write_text("old")
    give(theirs / "edited")
    apply(FileChange(str(theirs / "file"), b"ours", **THEIRS), FileChange(str(theirs / "edited"), b"new"))
    owners = {path.name: (path.stat().st_uid, path.read_text()) for path in theirs.iterdir()}
    assert owners == {"file": (OTHER.pw_uid, "ours"), "edited": (OTHER.pw_uid, "new")}


def test_secret_is_not_for_whoever_put_a_file_there(apply, theirs):
    (theirs / "file").write_text("mine")
    give(theirs / "file")
    with pytest.raises(Problem, match="belongs to nobody"):
        apply(FileChange(str(theirs / "file"), b"key", secret=True, summary="key"))


def test_relative_path(apply):
    with pytest.raises(Problem, match="relative path"):
        apply(FileChange("etc/file", b"ours"), check_mode=True)


def test_state_directory_of_somebody_else(apply, tmp_path):
    (tmp_path / "state").mkdir()
    give(tmp_path / "state")
    with pytest.raises(Problem, match=f"the directory {tmp_path}/state belongs to nobody"):
        apply()


def test_compiler_works_where_nobody_else_can(apply, machine, tmp_path, sticky):
    table = FileChange(str(sticky / "table"), b"row", **ROOTS, compiled=Compiled(".db", ("compile", "{source}")))
    apply(table)
    (source,) = machine.sources
    assert source.startswith(str(tmp_path / "state/transaction/"))
    assert not os.path.exists(source)
    assert (sticky / "table.db").read_bytes() == b"row"


def test_compiled_twin_is_no_link(apply, tmp_path, outside):
    (tmp_path / "table.db").symlink_to(outside / "file")
    before = seen(outside)
    with pytest.raises(Problem, match=r"table\.db is a symbolic link") as caught:
        apply(FileChange(str(tmp_path / "table"), b"row", compiled=Compiled(".db", ("compile", "{source}"))))
    assert seen(outside) == before
    subprocess.run(shlex.split(caught.value.remedy.rpartition(": ")[2]), check=True)
    apply(FileChange(str(tmp_path / "table"), b"row", compiled=Compiled(".db", ("compile", "{source}"))))


def test_names_cannot_be_foreseen(begin, tmp_path):
    change = FileChange(str(tmp_path / "file"), b"")
    names = {name for _time in range(9) for one in staging.registered(change) for name in (one.staged, one.saved)}
    assert len(names) == 18
    assert all(staging.is_ours(os.path.basename(name)) for name in names)


def test_long_name(apply, tmp_path):
    name = "ü" * 127
    (tmp_path / name).write_text("old")
    apply(FileChange(str(tmp_path / name), b"new"))
    assert {path.name: path.read_text() for path in tmp_path.glob("ü*")} == {name: "new"}


# ---- while somebody changes what is there


def exchange(one, other):
    """Swap two names, in one step; renameat2(2)."""
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    assert LIBC.renameat2(here, os.fsencode(one), here, os.fsencode(other), flag) == 0


@contextmanager
def meanwhile(work):
    """Does something over and over in another thread."""
    stop = threading.Event()

    def go_on():
        while not stop.is_set():
            work()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def race(apply, changes, seconds=2.0):
    """Apply changes over and over, whether or not it works; answers how often it did."""
    end, done = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            apply(*changes)
            done += 1
        except Problem:
            pass
    return done


def test_directory_swapped_for_a_link(apply, theirs, outside):
    (theirs / "sub").mkdir()
    give(theirs / "sub")
    (theirs / "link").symlink_to(outside)
    give(theirs / "link")

    def swap():
        exchange(theirs / "sub", theirs / "link")

    before = seen(outside)
    with meanwhile(swap):
        race(apply, [FileChange(str(theirs / "sub/file"), b"ours", **THEIRS)])
    assert seen(outside) == before


def test_staged_file_swapped_for_a_link(apply, theirs, outside):
    def swap():
        for name in os.listdir(theirs):
            if ".postmaster-new" in name:
                try:
                    os.unlink(theirs / name)
                    (theirs / name).symlink_to(outside / "file")
                except OSError:
                    pass

    before = seen(outside)
    with meanwhile(swap):
        race(apply, [FileChange(str(theirs / "file"), b"ours", **THEIRS)])
    assert seen(outside) == before


def test_target_swapped_for_a_link(apply, theirs, outside):
    def swap():
        (theirs / "link").symlink_to(outside / "file")
        give(theirs / "link")
        os.rename(theirs / "link", theirs / "file")

    before = seen(outside)
    with meanwhile(swap):
        race(apply, [FileChange(str(theirs / "file"), b"ours", **THEIRS)])
    assert seen(outside) == before


def test_undo_does_not_follow_links(begin, apply, tmp_path, outside, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_args):
        raise Killed

    directory = tmp_path / "etc"
    directory.mkdir()
    for place in (directory, outside):
        (place / "main.cf").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "_test", die)
        patch.setattr(Transaction, "_put_back", die)
        with pytest.raises(Killed):
            apply(FileChange(str(directory / "main.cf"), b"new"), FileChange(str(directory / "new.cf"), b"new"))
    (outside / "new.cf").write_text("root's own")
    os.rename(directory, tmp_path / "moved")
    directory.symlink_to(outside)
    before = seen(outside)
    with pytest.raises(Problem, match="could not be undone"), begin():
        pytest.fail("the transaction began")
    assert seen(outside) == before
    directory.unlink()
    os.rename(tmp_path / "moved", directory)
    with begin():
        pass
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"main.cf": "old"}
