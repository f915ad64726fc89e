# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import stat

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import bounded_copy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.bounded_copy import BoundedCopy


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source/below").mkdir(parents=True)
    (tmp_path / "source/file").write_text("content")
    (tmp_path / "source/below/file").write_text("below")
    (tmp_path / "source/.file.postmaster-new").write_text("ours")
    os.utime(tmp_path / "source/file", ns=(1, 1))
    return tmp_path / "source"


def names(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def copied(source, tmp_path, *, trusted):
    BoundedCopy(str(source), trusted=trusted).to(str(tmp_path / "copy"))
    return names(tmp_path / "copy")


def plant_link(source):
    (source / "planted").symlink_to("/usr")


def plant_dangling_link(source):
    (source / "planted").symlink_to("nowhere")


def plant_pipe(source):
    os.mkfifo(source / "planted")


def plant_socket(source):
    with socket.socket(socket.AF_UNIX) as planted:
        planted.bind(os.path.relpath(source / "planted"))


PLANTED = [plant_link, plant_dangling_link, plant_pipe, plant_socket]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_copy_has_all_files_but_ours(source, tmp_path, trusted):
    assert copied(source, tmp_path, trusted=trusted) == ["below", "below/file", "file"]
    assert (tmp_path / "copy/file").read_text() == "content"


def test_a_copy_for_root_looks_as_old_as_the_original(source, tmp_path):
    (source / "file").chmod(0o604)
    copied(source, tmp_path, trusted=True)
    state = (tmp_path / "copy/file").stat()
    assert (state.st_mtime_ns, state.st_mode & 0o777) == (1, 0o604)


def test_a_copy_for_another_user_is_closed(source, tmp_path):
    copied(source, tmp_path, trusted=False)
    assert (tmp_path / "copy/file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "copy/below").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("plant", PLANTED)
def test_nothing_but_files_and_directories_where_others_can_write(source, tmp_path, plant):
    plant(source)
    with pytest.raises(Problem, match=r"planted is a .*, in a directory that others than root can write") as refused:
        copied(source, tmp_path, trusted=False)
    assert refused.value.option == str(source / "planted")


@pytest.mark.parametrize("plant", PLANTED)
def test_nor_in_such_a_directory_below_one_of_roots(source, tmp_path, plant):
    (source / "below").chmod(0o777)
    plant(source / "below")
    with pytest.raises(Problem, match="below/planted is a"):
        copied(source, tmp_path, trusted=True)


@pytest.mark.parametrize("plant", PLANTED[1:])
def test_what_root_has_put_there_is_left_out(source, tmp_path, plant):
    plant(source)
    assert copied(source, tmp_path, trusted=True) == ["below", "below/file", "file"]


def test_roots_links_are_followed(source, tmp_path):
    (source / "link").symlink_to("below")
    (source / "up").symlink_to(".")
    assert "link/file" in copied(source, tmp_path, trusted=True)
    assert not (tmp_path / "copy/link").is_symlink()
    assert not (tmp_path / "copy/up").exists()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_file_without_end(source, tmp_path, trusted):
    os.truncate(source / "file", bounded_copy.MOST_BYTES + 1)
    with pytest.raises(Problem, match="too large for a configuration"):
        copied(source, tmp_path, trusted=trusted)


def test_a_file_that_grows_meanwhile(source, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_copy, "MOST_BYTES", 20)
    monkeypatch.setattr(os, "read", lambda _handle, _size: b"x" * 7)
    with pytest.raises(Problem, match="more than 20 bytes"):
        copied(source, tmp_path, trusted=False)


def test_many_files_together(source, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_copy, "MOST_BYTES", 10)
    with pytest.raises(Problem, match="more than 10 bytes"):
        copied(source, tmp_path, trusted=False)
    monkeypatch.setattr(bounded_copy, "MOST_NAMES", 2)
    with pytest.raises(Problem, match="more than 2 files"):
        BoundedCopy(str(source), trusted=False).to(str(tmp_path / "other"))


def test_directories_without_end(source, tmp_path):
    (source / "/".join("d" * 40)).mkdir(parents=True)
    with pytest.raises(Problem, match="directories more than"):
        copied(source, tmp_path, trusted=False)


def test_a_file_that_becomes_a_link_meanwhile(source, tmp_path, monkeypatch):
    (source / "below/file").unlink()
    listed = os.stat

    def swapped(name, **options):
        found = listed(name, **options)
        if name == "file" and not (source / name).is_symlink():
            (source / name).unlink()
            (source / name).symlink_to("/etc/passwd")
        return found

    monkeypatch.setattr(os, "stat", swapped)
    with pytest.raises(OSError, match="symbolic links"):
        copied(source, tmp_path, trusted=False)


def test_a_single_file(source, tmp_path):
    BoundedCopy(str(source / "file"), trusted=False).to(str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_text() == "content"
    os.mkfifo(source / "pipe")
    with pytest.raises(Problem, match="pipe is a named pipe"):
        BoundedCopy(str(source / "pipe"), trusted=False).to(str(tmp_path / "other"))


@pytest.mark.parametrize(("before", "after"), [(0o640, 0o600), (0o660, 0o600), (0o644, 0o644), (0o755, 0o755)])
def test_what_not_everybody_can_read_is_for_root_alone(tmp_path, before, after):
    source = tmp_path / "file"
    source.write_text("content")
    source.chmod(before)
    BoundedCopy(str(source), trusted=True).to(str(tmp_path / "copy"))
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == after
