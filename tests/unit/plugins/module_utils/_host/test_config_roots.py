# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import struct
import subprocess

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import config_roots
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import (
    ConfigRoot,
    reader_of,
    refuse_strangers,
    stranger,
    user_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity

STRANGER = 4242424  # a user and group that no machine knows


@pytest.fixture
def root(tmp_path):
    for name in ("main.cf", "conf.d/part.cf", "data/table"):
        (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / name).write_text("")
    return tmp_path / "etc"


def look(root, **options):
    refuse_strangers([ConfigRoot(str(root), **options)], "daemon")


def test_what_only_root_can_write_passes(root):
    look(root)


@pytest.mark.parametrize("name", ["", "main.cf", "conf.d", "conf.d/part.cf", "data/table"])
def test_what_everybody_can_write_is_refused_and_the_remedy_helps(root, name):
    place = root / name
    place.chmod(0o777)
    with pytest.raises(Problem, match="can be written by everybody, and root runs programs") as refused:
        look(root)
    assert (refused.value.option, refused.value.subject) == (str(place), "daemon")
    command = refused.value.remedy.partition("(")[2].partition("),")[0].replace("chown root", "true")
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    look(root)


def test_data_may_be_others(root):
    (root / "data").chmod(0o777)
    look(root, configuration=("*.cf", "conf.d"))
    (root / "conf.d/part.cf").chmod(0o666)
    with pytest.raises(Problem, match=r"part\.cf"):
        look(root, configuration=("*.cf", "conf.d"))


def test_what_is_read_as_the_daemons_user_may_be_that_users(root):
    root.chmod(0o777)
    look(root, user="daemon")


def test_a_link_counts_as_what_it_leads_to(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/part.cf").write_text("")
    (root / "linked.d").symlink_to(tmp_path / "elsewhere")
    (root / "nowhere").symlink_to("missing")
    (root / "up").symlink_to(".")
    look(root)
    (tmp_path / "elsewhere/part.cf").chmod(0o666)
    with pytest.raises(Problem, match=r"linked\.d/part\.cf|elsewhere/part\.cf"):
        look(root)
    (tmp_path / "elsewhere/part.cf").chmod(0o644)
    (tmp_path / "elsewhere").chmod(0o777)
    with pytest.raises(Problem, match="elsewhere can be written by everybody"):
        look(root)


def test_a_directory_above_counts(root, tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(Problem, match="can be written by everybody"):
        look(root)
    tmp_path.chmod(0o1777)  # nobody can replace what is another's there
    look(root)


def test_what_is_missing_is_nobodys(tmp_path):
    look(tmp_path / "missing")


def test_more_than_a_configuration_has(root, monkeypatch):
    monkeypatch.setattr(config_roots, "_MOST", 3)
    with pytest.raises(Problem, match="more than 3 files"):
        look(root)


def stat(mode, uid=0, gid=0):
    return os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


def test_who_can_write(root, monkeypatch):
    path = str(root)
    assert stranger(path, stat(0o100644)) == ""
    assert stranger(path, stat(0o100644, uid=STRANGER)) == f"the user {STRANGER}"
    assert stranger(path, stat(0o100664, gid=STRANGER)) == f"the group {STRANGER}"
    assert stranger(path, stat(0o100664)) == ""  # nobody is in root's group
    assert stranger(path, stat(0o100646)) == "everybody"


@pytest.mark.parametrize(
    ("entry", "who"),
    [
        ((0x02, 0x06, STRANGER), f"the user {STRANGER}"),
        ((0x08, 0x06, STRANGER), f"the group {STRANGER}"),
        ((0x02, 0x04, STRANGER), ""),
        ((0x02, 0x06, 0), ""),
    ],
)
def test_access_control_lists_count(root, monkeypatch, entry, who):
    packed = struct.pack("<I", 2) + struct.pack("<HHI", *entry)
    monkeypatch.setattr(os, "getxattr", lambda _path, _name: packed)
    assert stranger(str(root), stat(0o100664)) == who


def test_one_user_reads_all():
    assert user_of([]) == ""
    assert user_of([ConfigRoot("/a", "news"), ConfigRoot("/b", "news")]) == "news"
    with pytest.raises(ValueError, match="unpack"):
        user_of([ConfigRoot("/a", "news"), ConfigRoot("/b")])


def test_paths_are_quoted_in_the_remedy(root):
    odd = root / "a b'c"
    odd.write_text("")
    odd.chmod(0o666)
    with pytest.raises(Problem) as refused:
        look(root)
    assert shlex.quote(str(odd)) in refused.value.remedy


def test_a_file_is_read_as_whoever_can_replace_it(root, tmp_path, monkeypatch):
    table = str(root / "data/table")
    assert reader_of(table) == ""
    assert reader_of(str(root / "missing")) == ""
    (root / "data").chmod(0o777)
    assert reader_of(table) == ":65534"
    (tmp_path / "link").symlink_to(table)
    assert reader_of(str(tmp_path / "link")) == ":65534"
    monkeypatch.setattr(config_roots, "_ROOT", STRANGER)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert reader_of("/etc") == Identity.of("root")
    assert Identity.of_number(STRANGER, STRANGER) == Identity(STRANGER, STRANGER, (STRANGER,))
