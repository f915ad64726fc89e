# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access control lists, other extended attributes and hard links of the files that are changed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import stat
import struct
import subprocess

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import (
    Compiled,
    Edit,
    FileChange,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.recovery import Recovery
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction

LIST, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
NOTE = "user.owner"
TABLE = Compiled(".db", ("compile", "{source}"))


def access_list(mask, user=33):
    """A list by which a user may read, and the owning group may not; acl(5), acl_to_xattr."""
    nobody = 0xFFFFFFFF
    entries = [(0x01, 6, nobody), (0x02, 4, user), (0x04, 0, nobody), (0x10, mask, nobody), (0x20, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class Machine(Host):
    """A machine that can compile a table, and append to a file."""

    def __init__(self):
        super().__init__()

    def query(self, argv, *, stdin=b"", **_options):
        if argv[0] == "compile":
            with open(argv[1], "rb") as source, open(argv[1] + ".db", "wb") as twin:
                twin.write(source.read())
        else:
            with open(argv[1], "ab") as stream:
                stream.write(stdin)
        return Completed(0, "", "")


@pytest.fixture
def places(tmp_path):
    return Places(*(str(tmp_path / name) for name in ("state", "run/lock", "units", "systemd")))


@pytest.fixture
def apply(places):
    def make(*changes, check_mode=False, probe=lambda: None):
        with Transaction(
            Machine(), lambda _name: None, check_mode=check_mode, warn=print, places=places
        ) as transaction:
            transaction.apply(changes, (), probe)

    return make


@pytest.fixture
def etc(tmp_path):
    directory = tmp_path / "etc"
    directory.mkdir()
    for name in ("main.cf", "table", "table.db"):
        (directory / name).write_text("old")
        (directory / name).chmod(0o640)
        os.setxattr(directory / name, LIST, access_list(4))
        os.setxattr(directory / name, NOTE, name.encode())
    return directory


def attributes(path):
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("security.")}


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def everything(etc):
    """All that can be known of a directory and the files in it, but for times of its own."""
    found = {}
    for path in (etc, *etc.iterdir()):
        about, content = path.lstat(), path.read_bytes() if path.is_file() else b""
        inode = (about.st_ino, about.st_uid, about.st_gid, about.st_mode, about.st_nlink if content else 0)
        found[path.name] = (inode, about.st_mtime_ns if content else 0, attributes(path), content)
    return found


def test_attributes_are_kept(apply, etc):
    before = {path.name: attributes(path) for path in etc.iterdir()}
    assert before["main.cf"] == {LIST: access_list(4), NOTE: b"main.cf"}
    apply(FileChange(str(etc / "main.cf"), b"new"), FileChange(str(etc / "table"), b"new", compiled=TABLE))
    assert {path.name: path.read_text() for path in etc.iterdir()} == dict.fromkeys(before, "new")
    assert {path.name: attributes(path) for path in etc.iterdir()} == before
    assert {mode(path) for path in etc.iterdir()} == {0o640}


def test_security_label_is_kept_but_nothing_that_belongs_to_the_old_content(apply, etc):
    label = b"system_u:object_r:postfix_etc_t:s0\0"
    os.setxattr(etc / "main.cf", "security.selinux", label)
    with contextlib.suppress(OSError):  # a kernel that looks after it refuses
        os.setxattr(etc / "main.cf", "security.ima", bytes(21))
    apply(FileChange(str(etc / "main.cf"), b"new"))
    assert os.getxattr(etc / "main.cf", "security.selinux") == label
    assert "security.ima" not in os.listxattr(etc / "main.cf")


def test_attributes_are_kept_by_undo(apply, etc):
    before = {path.name: (path.stat().st_ino, attributes(path)) for path in etc.iterdir()}
    with pytest.raises(Problem):
        apply(FileChange(str(etc / "main.cf"), b"new"), FileChange(str(etc / "table"), b"new"), probe=fail)
    assert {path.name: (path.stat().st_ino, attributes(path)) for path in etc.iterdir()} == before


def fail():
    raise Problem("no", "mend it")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def edited(etc):
    """An edited file, a table with a twin, a key of the plan's own owner, a file that is new, one that is removed."""
    return (
        FileChange(str(etc / "main.cf"), b"new"),
        FileChange(str(etc / "table"), b"new", compiled=TABLE),
        FileChange(str(etc / "key"), b"new", "root", "daemon", 0o640, secret=True, summary="key"),
        FileChange(str(etc / "added"), b"new"),
        FileChange(str(etc / "removed"), None),
    )


@pytest.fixture
def various(etc):
    """Files with owners, modes, attributes and lists of their own, in a directory with a default list."""
    os.setxattr(etc, DEFAULT, access_list(4))
    os.setxattr(etc, NOTE, b"directory")
    for name, permissions in (("key", 0o600), ("removed", 0o4755)):
        (etc / name).write_text("old")
        os.chown(etc / name, 1, 2)
        os.setxattr(etc / name, NOTE, name.encode())
        os.removexattr(etc / name, LIST)  # from the directory
        (etc / name).chmod(permissions)
    return everything(etc)


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are for root")
def test_a_late_fault_gives_everything_back(apply, etc, various):
    with pytest.raises(Problem, match="no; everything was put back as it was"):
        apply(*edited(etc), probe=fail)
    assert everything(etc) == various


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are for root")
def test_what_a_killed_run_left_is_undone_with_everything(apply, etc, various, places):
    child = os.fork()
    if child == 0:
        try:
            apply(*edited(etc), probe=die)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert everything(etc) != various
    recovery = Recovery(places, lambda _record: {})
    assert recovery.attempt() == []
    assert recovery.undone
    assert everything(etc) == various


def test_a_new_file_is_no_more_open_than_planned(apply, etc):
    os.setxattr(etc, DEFAULT, access_list(4))
    apply(FileChange(str(etc / "key"), b"new", "root", "root", 0o600, secret=True, summary="key"))
    assert (attributes(etc / "key"), mode(etc / "key")) == ({}, 0o600)


def test_attributes_are_kept_where_the_plan_names_an_owner(apply, etc):
    change = FileChange(str(etc / "main.cf"), b"new", "root", "daemon", 0o640, secret=True, summary="key")
    apply(change)
    assert attributes(etc / "main.cf") == {LIST: access_list(4), NOTE: b"main.cf"}
    assert not change.needed(Machine())


def test_mode_of_the_plan_bounds_the_list(apply, etc):
    apply(FileChange(str(etc / "main.cf"), b"key", "root", "root", 0o600, secret=True, summary="key"))
    assert mode(etc / "main.cf") == 0o600
    assert attributes(etc / "main.cf")[LIST] == access_list(0)


def test_new_twin_is_no_more_open_than_its_source(apply, etc):
    (etc / "table.db").unlink()
    apply(FileChange(str(etc / "table"), b"new", compiled=TABLE))
    assert attributes(etc / "table.db")[LIST] == access_list(4)


def test_list_of_the_directory_does_not_open_a_file_that_has_none(apply, etc):
    os.removexattr(etc / "main.cf", LIST)
    (etc / "main.cf").chmod(0o640)
    os.setxattr(etc, DEFAULT, access_list(4))
    apply(FileChange(str(etc / "main.cf"), b"new"))
    assert attributes(etc / "main.cf") == {NOTE: b"main.cf"}
    assert mode(etc / "main.cf") == 0o640


def test_attribute_that_cannot_be_kept(apply, etc, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(Problem, match=r"attribute \S+ of \S+main\.cf cannot be kept .*nothing was changed"):
        apply(FileChange(str(etc / "main.cf"), b"new"))
    assert (etc / "main.cf").read_text() == "old"


def test_list_that_lets_somebody_write_in_the_directory(apply, etc):
    writing = access_list(7).replace(struct.pack("<HHI", 2, 4, 33), struct.pack("<HHI", 2, 7, 33))
    os.setxattr(etc, LIST, writing)
    with pytest.raises(Problem, match=f"{etc} of root can be written by www-data") as caught:
        apply(FileChange(str(etc / "main.cf"), b"new"))
    subprocess.run(shlex.split(caught.value.remedy.rpartition(": ")[2]), check=True)
    apply(FileChange(str(etc / "main.cf"), b"new"))


# ---- hard links


@pytest.mark.parametrize("check_mode", [False, True])
def test_edited_file_with_two_names_is_refused(check_mode, apply, etc, tmp_path):
    (tmp_path / "copy").hardlink_to(etc / "main.cf")
    with pytest.raises(Problem, match=r"main\.cf has 2 names .*; nothing was changed") as caught:
        apply(FileChange(str(etc / "main.cf"), b"new"), check_mode=check_mode)
    assert (etc / "main.cf").samefile(tmp_path / "copy")
    command, part = caught.value.remedy.split("'")[1::2]
    command = command.replace("find / ", f"find {shlex.quote(str(tmp_path))} ")  # the whole machine takes its time
    found = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout.split()
    assert sorted(found) == sorted(map(str, (etc / "main.cf", tmp_path / "copy")))
    before = attributes(etc / "main.cf")
    subprocess.run(["sh", "-ec", part], check=True)
    assert not (etc / "main.cf").samefile(tmp_path / "copy")
    assert attributes(etc / "main.cf") == before
    apply(FileChange(str(etc / "main.cf"), b"new"), check_mode=check_mode)
    assert (tmp_path / "copy").read_text() == "old"


def test_names_that_are_symbolic_links_will_do(apply, etc, tmp_path):
    (tmp_path / "copy").symlink_to(etc / "main.cf")
    apply(FileChange(str(etc / "main.cf"), b"new"))
    assert (tmp_path / "copy").read_text() == "new"


def test_edits_count_as_editing(apply, etc, tmp_path):
    (tmp_path / "copy").hardlink_to(etc / "main.cf")
    edits = (Edit(("append", "{file}"), b"new"),)
    with pytest.raises(Problem, match="has 2 names"):
        apply(FileChange(str(etc / "main.cf"), b"old", "root", "root", 0o600, secret=True, edits=edits))


def test_file_that_is_all_ours_is_replaced(apply, etc, tmp_path):
    (tmp_path / "backup").hardlink_to(etc / "main.cf")
    apply(FileChange(str(etc / "main.cf"), b"new", "root", "root", 0o600))
    assert ((etc / "main.cf").read_text(), (tmp_path / "backup").read_text()) == ("new", "old")


def test_undo_keeps_all_names(apply, etc, tmp_path):
    (tmp_path / "copy").hardlink_to(etc / "main.cf")
    with pytest.raises(Problem):
        apply(FileChange(str(etc / "main.cf"), None), probe=fail)
    assert (etc / "main.cf").samefile(tmp_path / "copy")


@pytest.mark.parametrize("name", [".main.cf.postmaster-before", ".main.cf.postmaster-before-0123456789abcdef"])
def test_name_of_an_earlier_transaction_does_not_count(name, apply, etc):
    (etc / name).hardlink_to(etc / "main.cf")
    apply(FileChange(str(etc / "main.cf"), b"new"))
    assert sorted(path.name for path in etc.iterdir()) == ["main.cf", "table", "table.db"]
