# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transaction with daemons whose users can write their configuration, and files that another user's programs edit."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Edit, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction

# Whoever runs these tests stands for the daemon's user.
OURSELVES = Identity(os.geteuid(), os.getegid(), tuple(os.getgroups()))


class Machine(Host):
    """Notes as whom programs are run; one of them leaves something else than a file."""

    def __init__(self):
        super().__init__()
        self.users = []

    def query(self, argv, *, stdin=b"", user="", **_options):
        self.users.append((argv[0], user))
        if argv[0] == "append":
            with open(argv[1], "ab") as handle:
                handle.write(stdin)
        if argv[0] == "swap":
            os.unlink(argv[1])
            os.symlink("/etc/passwd", argv[1])
        return Completed(0, "", "")


class Daemon:
    """A daemon whose test runs as its user."""

    name = "daemon"
    reads_files_by_itself = False

    def __init__(self, root, user):
        self.config_roots = (ConfigRoot(str(root), user),)
        self.seen = {}

    def refuse_broken(self, _changes):
        """It goes on with whatever is there."""

    def check(self, run, mirrors):
        ((_root, mirror),) = mirrors.items()
        for name in sorted(os.listdir(mirror)):
            path = os.path.join(mirror, name)
            with open(path, encoding="utf-8") as handle:
                self.seen[name] = handle.read(), stat.S_IMODE(os.stat(path).st_mode)
        self.seen["."] = stat.S_IMODE(os.stat(os.path.dirname(mirror)).st_mode)
        self.seen[".."] = stat.S_IMODE(os.stat(os.path.dirname(os.path.dirname(mirror))).st_mode)
        run(["test"])

    def activate(self, run):
        run(["activate"])

    def snapshot(self):
        return {}

    def restore(self, run, _snapshot):
        run(["restore"])

    def way_back(self, _snapshot):
        return WayBack(self.name)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/main.cf").write_text("old")
    (tmp_path / "etc/other").write_text("other")
    return tmp_path / "etc"


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(Identity, "of", classmethod(lambda _cls, _user: OURSELVES))
    for name in ("setgroups", "setegid", "seteuid"):
        monkeypatch.setattr(os, name, lambda _value: None)
    return Machine()


@pytest.fixture
def apply(machine, tmp_path):
    def make(changes, daemons=()):
        with Transaction(
            machine,
            lambda _name: None,
            check_mode=False,
            warn=print,
            places=Places(str(tmp_path / "state"), str(tmp_path / "run/lock"), systemd=str(tmp_path / "no systemd")),
        ) as transaction:
            transaction.apply(changes, daemons)

    return make


def test_the_daemons_test_runs_as_its_user_on_a_copy_of_this_users(apply, machine, root, tmp_path):
    daemon = Daemon(root, "news")
    apply([FileChange(str(root / "main.cf"), b"new")], [daemon])
    assert daemon.seen == {"main.cf": ("new", 0o600), "other": ("other", 0o600), ".": 0o700, "..": 0o701}
    assert machine.users == [("test", "news"), ("activate", "")]
    assert not (tmp_path / "state").exists()


def test_a_planted_link_stops_everything(apply, machine, root):
    (root / "planted").symlink_to("/usr")
    with pytest.raises(Problem, match=r"planted is a symbolic link, .*; nothing was changed"):
        apply([FileChange(str(root / "main.cf"), b"new")], [Daemon(root, "news")])
    assert (root / "main.cf").read_text() == "old"
    assert machine.users == []


def test_configuration_that_others_can_write_stops_everything(apply, machine, root):
    (root / "other").chmod(0o666)
    with pytest.raises(Problem, match="other can be written by everybody"):
        apply([FileChange(str(root / "main.cf"), b"new")], [Daemon(root, "")])
    assert machine.users == []


def edited(root, *edits, content=b"old"):
    owner, group = str(os.geteuid()), str(os.getegid())
    return FileChange(str(root / "main.cf"), content, owner, group, edits=edits, editor=":sasl", secret=True)


@pytest.mark.parametrize("content", [b"old", b""])
def test_programs_edit_a_copy_as_another_user(apply, machine, root, tmp_path, content):
    apply([edited(root, Edit(("append", "{file}"), b" new"), content=content)])
    assert (root / "main.cf").read_bytes() == content + b" new"
    assert machine.users == [("append", OURSELVES)]
    assert not (tmp_path / "state").exists()


def test_a_program_that_leaves_a_link(apply, machine, root, tmp_path):
    with pytest.raises(Problem, match="nothing was changed"):
        apply([edited(root, Edit(("swap", "{file}")))])
    assert (root / "main.cf").read_text() == "old"
    assert sorted(os.listdir(root)) == ["main.cf", "other"]
    assert not (tmp_path / "state").exists()
