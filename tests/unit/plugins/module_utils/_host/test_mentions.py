# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.mentions import mention

COPY = "/etc/postmaster/deployed/daemon/main.pem"


@pytest.fixture
def config(tmp_path):
    directory = tmp_path / "daemon"
    (directory / "conf.d").mkdir(parents=True)
    return directory


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"cert = <{COPY}", True),
        (f'"{COPY}"', True),
        (f"{COPY},/etc/other.pem", True),
        (f"cert = {COPY}.old", False),
        (f"cert = {COPY}pem", False),
        (f"cert = /chroot{COPY}", False),
    ],
)
def test_the_whole_path_counts(config, line, named):
    (config / "conf.d/tls.conf").write_text(f"one\n{line}\n")
    assert mention(COPY, [str(config)], {}) == (str(config / "conf.d/tls.conf") if named else "")


@pytest.mark.parametrize("name", ["main.cf~", "main.cf.bak", "main.cf.dpkg-old", "main.cf.ucf-dist"])
def test_copies_of_files_do_not_count(config, name):
    (config / name).write_text(COPY)
    assert mention(COPY, [str(config)], {}) == ""


def test_files_count_as_they_are_to_be(config):
    there, new = str(config / "main.cf"), str(config / "new.cf")
    (config / "main.cf").write_text(COPY)
    assert mention(COPY, [there], {}) == there
    assert mention(COPY, [there], {there: None}) == ""
    assert mention(COPY, [there], {there: b"", new: COPY.encode()}) == new


def test_a_file_that_cannot_be_read_may_name_it(config):
    large = config / "large.cf"
    with large.open("wb") as stream:
        stream.truncate(20 * 1024 * 1024)
    assert mention(COPY, [str(config)], {}) == str(large)


def test_what_is_no_file_is_not_read(config):
    os.mkfifo(config / "fifo")
    (config / "link").symlink_to("nowhere")
    assert mention(COPY, [str(config), str(config / "missing")], {}) == ""
