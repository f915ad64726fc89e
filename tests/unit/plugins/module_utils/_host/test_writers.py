# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import writers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.attributes import ACCESS_LIST
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import (
    ConfigRoot,
    refuse_strangers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import resolved
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.writers import replacer, writer

STRANGER = 4242424  # a user and group that no machine knows
EMPTY = 4242  # a group without members
USER, OWN_GROUP, GROUP, MASK, OTHER = 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF  # number of an entry that has none


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A directory, on a host with an empty group, in whose processes nobody is."""
    groups = tmp_path / "group"
    groups.write_text(Path("/etc/group").read_text(encoding="utf-8") + f"empty:x:{EMPTY}:\n")
    known, empty = grp.getgrgid, grp.struct_group(("empty", "x", EMPTY, []))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: empty if gid == EMPTY else known(gid))
    monkeypatch.setattr(writers, "GROUP_FILE", str(groups))
    found = tmp_path / "directory"
    found.mkdir()
    return found


def listed(path, *entries):
    """Give a file an access control list; its mode follows from it."""
    given = {tag for tag, _permissions, _number in entries}
    entries += tuple(
        (tag, 0x07 if tag == 0x01 else 0x05, NOBODY) for tag in (0x01, OWN_GROUP, OTHER) if tag not in given
    )
    if MASK not in given:
        entries += ((MASK, 0x07, NOBODY),)
    packed = b"".join(struct.pack("<HHI", *one) for one in sorted(entries))
    try:
        os.setxattr(path, ACCESS_LIST, struct.pack("<I", 2) + packed)
    except OSError as exc:
        pytest.fail(f"the file system has no access control lists: {exc}")


def who(path):
    return str(writer(str(path), os.stat(path)) or "")


def refused_as_configuration(path):
    try:
        refuse_strangers([ConfigRoot(str(path))], "daemon")
    except Problem as exc:
        return exc.found.partition(" can be written by ")[2].partition(", and")[0]
    return ""


def refused_as_place(path):
    try:
        resolved(str(path / "file"))
    except Problem as exc:
        by_owner = exc.found.partition(" belongs to ")[2].partition(" (")[0]
        return by_owner or exc.found.partition(" can be written by ")[2].partition(" (")[0]
    return ""


CASES = {
    "root's": (0o755, 0, 0, (), ""),
    "everybody's": (0o777, 0, 0, (), "everybody"),
    "root's group's": (0o775, 0, 0, (), ""),
    "of a group with members": (0o775, 0, 1, (), "the group daemon"),
    "of a group without members": (0o775, 0, EMPTY, (), ""),
    "of a group that was somebody's": (0o775, 0, STRANGER, (), f"the group {STRANGER}"),
    "a list with a user": (0o755, 0, 0, ((USER, 0x07, 1),), "daemon"),
    "a list with a user who only reads": (0o755, 0, 1, ((USER, 0x05, 1),), ""),
    "a list with a user, masked": (0o755, 0, 1, ((USER, 0x07, 1), (MASK, 0x05, NOBODY)), ""),
    "a list with root": (0o755, 0, 0, ((USER, 0x07, 0),), ""),
    "a list with a group": (0o755, 0, 0, ((GROUP, 0x07, 1),), "the group daemon"),
    "a list with a group without members": (0o755, 0, 0, ((GROUP, 0x07, EMPTY),), ""),
    "a list whose own group only reads": (0o755, 0, 1, ((GROUP, 0x07, EMPTY),), ""),
    "a list whose own group writes": (
        0o755,
        0,
        1,
        ((GROUP, 0x05, EMPTY), (OWN_GROUP, 0x07, NOBODY)),
        "the group daemon",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_judgement_for_what_is_read_and_what_is_written(directory, case):
    mode, uid, gid, entries, expected = CASES[case]
    os.chown(directory, uid, gid)
    directory.chmod(mode)
    if entries:
        listed(directory, *entries)
    assert who(directory) == expected
    assert refused_as_configuration(directory) == expected
    assert refused_as_place(directory) == expected


def test_the_owner_counts(directory):
    os.chown(directory, STRANGER, 0)
    assert who(directory) == f"the user {STRANGER}"
    assert writer(str(directory), os.stat(directory), {STRANGER}) is None


def test_by_descriptor(directory):
    listed(directory, (USER, 0x07, 1))
    handle = os.open(directory, os.O_RDONLY)
    try:
        assert str(writer(handle, os.fstat(handle))) == "daemon"
    finally:
        os.close(handle)


@pytest.mark.parametrize("entries", [(), ((USER, 0x07, 1),)])
def test_a_sticky_directory_takes_files_and_keeps_those_of_others(directory, entries):
    directory.chmod(0o1777)
    if entries:
        listed(directory, *entries)
        directory.chmod(0o1775)
    assert who(directory)
    assert replacer(str(directory), os.stat(directory)) is None
    assert refused_as_place(directory) == ""
    assert refused_as_configuration(directory)
    os.chown(directory, STRANGER, 0)
    assert str(replacer(str(directory), os.stat(directory))) == f"the user {STRANGER}"


def test_a_group_without_members_in_which_a_service_runs(directory):
    os.chown(directory, 0, EMPTY)
    directory.chmod(0o775)
    assert who(directory) == ""
    argv = ["setpriv", f"--reuid={STRANGER}", "--regid=1", f"--groups=1,{EMPTY}", "sh", "-c", "echo; exec sleep 60"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as service:
        try:
            assert service.stdout
            service.stdout.readline()
            assert who(directory) == "the group empty"
        finally:
            service.kill()
    assert who(directory) == ""


def test_a_group_of_a_directory_service_is_not_empty(directory, tmp_path):
    (tmp_path / "group").write_text("")
    os.chown(directory, 0, EMPTY)
    directory.chmod(0o775)
    assert who(directory) == "the group empty"


def test_a_friend_that_can_make_files_plants_nothing(directory, tmp_path):
    """The user that a file is for may change the directory; a link of that user's is not followed."""
    os.chown(directory, 0, 0)
    listed(directory, (USER, 0x07, 1))
    (directory / "file").symlink_to(tmp_path / "outside")
    with pytest.raises(Problem, match="is a symbolic link"):
        resolved(str(directory / "file"), [1])
    (directory / "file").unlink()
    assert resolved(str(directory / "file"), [1]) == str(directory / "file")
