# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import config_roots
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import (
    ConfigRoot,
    Reference,
    reader_of,
    refuse_strangers,
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


def test_what_is_missing_is_whoevers_can_make_it(tmp_path):
    look(tmp_path / "missing")
    tmp_path.chmod(0o1777)
    with pytest.raises(Problem, match="can be written by everybody"):
        look(tmp_path / "missing")


def test_a_sticky_directory_of_configuration_takes_new_files(root):
    (root / "conf.d").chmod(0o1777)
    with pytest.raises(Problem, match=r"conf\.d can be written by everybody"):
        look(root)


def test_a_link_of_somebody_else_on_the_way(root, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(root / "data/table")
    (root / "linked.cf").symlink_to(shared / "link")
    look(root)
    os.lchown(shared / "link", STRANGER, STRANGER)
    look(root)  # nobody else can put another one there
    shared.chmod(0o1777)
    with pytest.raises(Problem, match=f"shared can be written by the user {STRANGER}"):
        look(root)


def test_links_without_end(root):
    (root / "one.cf").symlink_to("two.cf")
    (root / "two.cf").symlink_to("one.cf")
    look(root)


# ---- what configuration refers to


def lines(texts):
    """Each line is a reference; one with a plus is no configuration itself."""
    for path, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if line:
                there = os.path.join(os.path.dirname(path), line.strip("+"))
                yield Reference(there, f"{path}:{number}", follow="+" not in line)


@pytest.fixture
def refer(root, tmp_path):
    """Looks at what the main file refers to."""
    (tmp_path / "out").mkdir()

    def made(text):
        (root / "main.cf").write_text(text)
        look(root, first=(str(root / "*.cf"),), references=lines)

    return made


def out(tmp_path, name, text="", mode=0o644):
    path = tmp_path / "out" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "line", ["{out}/part", "{out}/pa*", "{out}/sub/../part", "../out/part", "{out}", "+{out}/part", "{above}/o*/part"]
)
def test_what_lies_elsewhere_is_guarded_alike(root, refer, tmp_path, line):
    part = out(tmp_path, "part")
    (tmp_path / "out/sub").mkdir()
    text = "\n\n" + line.format(out=part.parent, above=tmp_path)
    refer(text)
    part.chmod(0o666)
    with pytest.raises(Problem, match=f"{part} can be written by everybody, and {root}/main.cf:3 has") as refused:
        refer(text)
    assert (refused.value.option, refused.value.subject) == (f"{root}/main.cf:3", "daemon")
    command = refused.value.remedy.partition("(")[2].rpartition(")")[0].replace("chown root", "true")
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    refer(text)


def test_what_is_included_includes_more(refer, tmp_path):
    last = out(tmp_path, "sub/last", mode=0o666)
    middle = out(tmp_path, "middle", f"{last}\n{tmp_path}/out/middle")
    with pytest.raises(Problem, match=f"{last} can be written by everybody, and {middle}:1"):
        refer(str(middle))
    refer(f"+{middle}")  # a program reads it, which does not understand it


@pytest.mark.parametrize("line", ["part-*", "part", "sub/*/part", "*/part"])
def test_who_can_add_to_what_is_read(root, refer, tmp_path, line):
    place = tmp_path / "out"
    refer(f"{place}/{line}")
    place.chmod(0o1777)
    with pytest.raises(Problem, match=f"{place} can be written by everybody, and {root}/main.cf:1 has") as refused:
        refer(f"{place}/{line}")
    assert "chmod" not in refused.value.remedy  # a directory for everybody stays one


def test_a_file_of_root_in_a_directory_for_everybody(refer, tmp_path):
    part = out(tmp_path, "part")
    part.parent.chmod(0o1777)
    refer(str(part))
    part.parent.chmod(0o777)
    with pytest.raises(Problem, match=f"out can be written by everybody, and .* has root's programs read {part}"):
        refer(str(part))


def test_more_than_a_configuration_has(root, monkeypatch):
    monkeypatch.setattr(config_roots, "_MOST", 3)
    with pytest.raises(Problem, match="more than 3 files"):
        look(root)


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
    (root / "data").chmod(0o1777)
    assert reader_of(table) == ""
    assert reader_of(f"{table}.missing") == ":65534"
    (root / "data").chmod(0o755)
    os.chown(table, 1, 0)
    assert reader_of(table) == Identity.of("daemon")
    os.chown(table, 0, STRANGER)
    (root / "data/table").chmod(0o664)
    assert reader_of(table) == f":{STRANGER}"
    assert Identity.of_number(STRANGER, STRANGER) == Identity(STRANGER, STRANGER, (STRANGER,))
