# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import reading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of

pytestmark = pytest.mark.usefixtures("no_waiting")


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


MAKERS = {
    "a FIFO": fifo,
    "a directory": Path.mkdir,
    "a socket": unix_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory() as directory:  # a socket's path must be short
        yield Path(directory) / "x"


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_regular_file(kind, linked, place):
    MAKERS[kind](place)
    path = place
    if linked:
        path = place.with_name("link")
        path.symlink_to("x")
    with pytest.raises(Problem, match=f"{path} is {kind}, not a regular file"):
        content_of(str(path))


def test_a_device_is_not_even_opened(place, monkeypatch):
    opened = []
    real = os.open

    def note(path, flags):
        opened.append(flags)
        return real(path, flags)

    monkeypatch.setattr(os, "open", note)
    with pytest.raises(Problem, match="a device"):
        content_of("/dev/tty")
    assert [flags & os.O_PATH for flags in opened] == [os.O_PATH]


def test_a_file_that_is_too_large(place):
    place.write_bytes(b"x" * 11)
    assert content_of(str(place), 11) == b"x" * 11
    with pytest.raises(Problem, match="has more than 10 bytes"):
        content_of(str(place), 10)


def test_a_file_that_says_nothing_of_its_size():
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(Problem, match="has more than 10 bytes"):
        content_of("/proc/self/status", 10)
    assert b"Name:" in (content_of("/proc/self/status") or b"")


@pytest.mark.parametrize("path", ["/proc/self/mem", "/proc/self/pagemap"])
def test_files_of_the_kernel_without_an_end(path):
    with pytest.raises(Problem):
        content_of(path)


def test_a_file_that_grows_while_it_is_read(place, monkeypatch):
    place.write_bytes(b"x")
    monkeypatch.setattr(os, "read", lambda _handle, count: b"x" * min(count, 4))
    with pytest.raises(Problem, match="has more than 100 bytes"):
        content_of(str(place), 100)


def test_a_file_that_takes_too_long(place, monkeypatch):
    place.write_bytes(b"x")
    monkeypatch.setattr(reading, "PATIENCE", -1)
    with pytest.raises(Problem, match="could not be read to its end"):
        content_of(str(place))


def test_a_link_to_a_file_is_followed(place):
    place.write_bytes(b"x")
    place.with_name("link").symlink_to("x")
    assert content_of(str(place.with_name("link"))) == b"x"


@pytest.mark.parametrize("name", ["x", "x/y", "link"])
def test_what_is_not_there(name, place):
    place.with_name("link").symlink_to("nowhere")
    assert content_of(str(place.parent / name)) is None


def test_a_link_to_itself(place):
    place.symlink_to("x")
    with pytest.raises(Problem, match="leads in a circle of symbolic links"):
        content_of(str(place))


@pytest.mark.parametrize("path", ["/etc/\0passwd", "/etc/\ud800\ud800"])
def test_what_is_no_path(path):
    with pytest.raises(Problem, match="cannot be read"):
        content_of(path)


def test_no_descriptor_stays_open(place):
    place.mkdir()
    before = os.listdir("/proc/self/fd")
    for path in (str(place), "/dev/null", "/proc/self/status", "/proc/kcore"):
        try:
            content_of(path)
        except Problem:
            continue
    assert os.listdir("/proc/self/fd") == before
