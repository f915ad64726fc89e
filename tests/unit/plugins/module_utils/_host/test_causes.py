# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the system really refuses here, in a mount namespace of its own where that takes mounts."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes, obstacles
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host

ASKING = """
import os
import sys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.causes import problem, unchangeable
found = unchangeable(sys.argv[1])
try:
    open(sys.argv[1] + "-new", "wb").write(b"x" * 200000)
except OSError as exc:
    print(problem(exc, "cannot be written", sys.argv[1] + "-new").message)
else:
    print("written")
try:
    os.replace(sys.argv[1], sys.argv[1] + "-other")
except OSError as exc:
    print(problem(exc, "cannot be replaced").message)
else:
    print("replaced")
print(found)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and attributes are for root")


def asked(path, before, after=""):
    """What is seen of a file after shell commands, in a mount namespace of its own; whether the last ones succeed."""
    script = f'{before}\n"$0" -c "$ASKING" "{path}"; {after}'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script, sys.executable],
        env={**os.environ, "ASKING": ASKING, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "main.cf"
    path.write_text("old")
    return path


def remedies(seen):
    """The commands that the messages tell to run."""
    return re.findall(r"'((?:mount|umount|chattr) [^']+)'", seen)


@needs_root
def test_directory_on_a_read_only_mount(file):
    seen = asked(file, f"mount --bind {file.parent} {file.parent}; mount -o remount,bind,ro {file.parent}")
    assert f"cannot be written (the file system at {file.parent} is mounted read-only). Make it writable" in seen
    assert "None" not in seen
    again = asked(
        file,
        f"mount --bind {file.parent} {file.parent}; mount -o remount,bind,ro {file.parent}; {remedies(seen)[0]}",
    )
    assert again == "written\nreplaced\nNone\n"


@needs_root
def test_read_only_file_system(file):
    mount = f"mount -t tmpfs -o size=1m tmpfs {file.parent}; touch {file}; mount -o remount,ro {file.parent}"
    seen = asked(file, mount)
    assert f"the file system at {file.parent} is mounted read-only" in seen
    assert asked(file, f"{mount}; {remedies(seen)[0]}") == "written\nreplaced\nNone\n"


@needs_root
def test_file_that_is_mounted_by_itself(file):
    seen = asked(file, f"mount --bind {file} {file}")
    assert f"cannot be replaced ({file} is mounted by itself, so that it cannot be replaced). Unmount it" in seen
    assert "None" not in seen
    assert asked(file, f"mount --bind {file} {file}; {remedies(seen)[0]}") == "written\nreplaced\nNone\n"


@needs_root
def test_full_file_system(file):
    seen = asked(file, f"mount -t tmpfs -o size=16k tmpfs {file.parent}; touch {file}")
    assert f"cannot be written (no space is left on the file system at {file.parent}). Make room there" in seen


@needs_root
def test_file_system_without_room_for_files(file):
    seen = asked(file, f"mount -t tmpfs -o size=1m,nr_inodes=2 tmpfs {file.parent}; touch {file}")
    assert f"cannot be written (no more files fit on the file system at {file.parent}). Remove files there" in seen


@needs_root
@pytest.mark.parametrize("letter", ["i", "a"])
@pytest.mark.parametrize("of", ["file", "directory"])
def test_attributes(letter, of, file):
    marked = file if of == "file" else file.parent
    if subprocess.run(["chattr", f"+{letter}", str(marked)], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such attributes")
    try:
        seen = asked(file, "true")
        found = causes.unchangeable(str(file))
    finally:
        subprocess.run(["chattr", f"-{letter}", str(marked)], check=True)
    word = {"i": "immutable", "a": "append-only"}[letter]
    assert found == (
        f"{marked} is {word}, chattr +{letter}",
        f"remove the attribute ('chattr -{letter} {marked}') and run again",
    )
    assert f"cannot be replaced ({marked} is {word}, chattr +{letter})" in seen
    assert causes.unchangeable(str(file)) is None


def test_nothing_is_known_against_a_file_that_can_be_made(tmp_path):
    assert causes.unchangeable(str(tmp_path / "not" / "yet" / "there")) is None


@pytest.mark.parametrize(
    ("number", "words", "remedy"),
    [
        (errno.EMFILE, "too many open files, whose limit is", "ulimit -n"),
        (errno.ENFILE, "the host has too many open files", "fs.file-max"),
        (errno.EFBIG, "File too large", "ls -ld /x"),
        (errno.EAGAIN, "too many processes on the host", "kernel.threads-max"),
        (errno.ENOMEM, "not enough memory", "ulimit -v"),
        (errno.EIO, "the disk", "journalctl -k"),
        (errno.EDQUOT, "quota", "quota"),
        (errno.ELOOP, "symbolic link", "ls -l /x"),
        (errno.EISDIR, "Is a directory", "ls -ld /x"),
    ],
)
def test_each_refusal_is_named(number, words, remedy):
    found = causes.problem(OSError(number, os.strerror(number), "/x"), "cannot be changed")
    assert found.found.startswith("/x cannot be changed (")
    assert words in found.found
    assert remedy in found.remedy
    assert "\n" not in found.message


def test_a_limit_of_file_sizes_is_named(monkeypatch):
    monkeypatch.setattr(causes, "limit", lambda _number: "4096")
    found = causes.problem(OSError(errno.EFBIG, os.strerror(errno.EFBIG), "/x"), "cannot be changed")
    assert "too large for this process, whose limit is 4096" in found.found
    assert "ulimit -f" in found.remedy


def test_refusal_without_a_file_or_a_number():
    assert causes.problem(OSError("odd"), "cannot be changed").found == "a file cannot be changed (odd)"


def test_what_is_refused_while_a_directory_is_copied():
    why = str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/b/x"))
    found = causes.problem(shutil.Error([("/a/x", "/b/x", why), ("/a/y", "/b/y", why)]), "cannot be changed")
    assert found.found == "/b/x cannot be changed (no space is left on the file system at /)"
    assert causes.problem(shutil.Error([("/a", "/b", "odd")]), "cannot be made").found == "/b cannot be made (odd)"


def test_others_than_root_are_told_to_become_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = causes.problem(PermissionError(errno.EACCES, "no", "/x"), "cannot be read")
    assert found.remedy == "run the module as root (become: true)"


def test_mounts_that_the_kernel_does_not_tell(monkeypatch):
    def refuse():
        raise FileNotFoundError(errno.ENOENT, "no /proc")

    monkeypatch.setattr(obstacles, "_mounts", refuse)
    assert obstacles.mount_of("/etc") is None
    found = causes.problem(OSError(errno.EROFS, "ro", "/etc/x"), "cannot be changed")
    assert "the file system at / is mounted read-only" in found.found


def test_path_of_a_mount_with_a_blank(monkeypatch, tmp_path):
    lines = ["1 0 0:1 / / rw - ext4 x rw\n", "2 1 0:2 / /a\\040b ro - tmpfs x rw\n", "3 1 0:2 / /c rw - tmpfs x ro\n"]
    (tmp_path / "mountinfo").write_text("".join(lines))
    monkeypatch.setattr(obstacles, "_TABLE", str(tmp_path / "mountinfo"))
    assert obstacles.mount_of("/a b/file") == obstacles.Mount("/a b", True, "remount,bind,rw")
    assert obstacles.mount_of("/c/file") == obstacles.Mount("/c", True, "remount,rw")
    assert obstacles.mount_of("/ab/file") == obstacles.Mount("/", False, "remount,bind,rw")


def test_what_has_no_attributes(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert obstacles.attribute(str(tmp_path / "fifo")) is None
    assert obstacles.attribute(str(tmp_path / "missing")) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGXFSZ, "ended by SIGXFSZ: a file is larger than the limit of"),
        (signal.SIGKILL, "ended by SIGKILL, as where the host has no more memory"),
        (signal.SIGSEGV, "ended by SIGSEGV"),
        (40, "ended by signal 40"),
    ],
)
def test_what_has_ended_a_program_is_named(number, words):
    done = Host().query(["sh", "-c", f"echo its last words >&2; kill -{int(number)} $$"])
    assert done.complaint.startswith(f"its last words / {words}")
    assert Completed(-int(number), "", "").complaint.startswith(words)
    assert Completed(1, "", "").complaint == ""
