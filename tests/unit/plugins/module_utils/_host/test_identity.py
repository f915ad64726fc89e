# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import programs as programs_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity, acting_as

DROPPED = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig=KILL", "--"]
CONFINED = ["unshare", "--pid", "--fork", "--kill-child", "--"]


class Programs:
    """Stands for what runs programs, and notes what it is given."""

    def __init__(self, *, can_confine):
        self.can_confine = can_confine
        self.ran = []

    def run(self, argv, surroundings, _patience):
        self.ran.append((argv, surroundings.environment))
        return int(argv == [*CONFINED, "true"] and not self.can_confine), b"", b""


@pytest.fixture
def somebody():
    return pwd.getpwall()[1]  # not root


def test_an_account_with_its_groups(somebody):
    identity = Identity.of(somebody.pw_name)
    assert (identity.uid, identity.gid) == (somebody.pw_uid, somebody.pw_gid)
    others = {one.gr_gid for one in grp.getgrall() if somebody.pw_name in one.gr_mem}
    assert set(identity.groups) == {somebody.pw_gid} | others


def test_a_user_without_an_account():
    identity = Identity.of(":daemon")
    assert identity.groups == (identity.gid,) == (grp.getgrnam("daemon").gr_gid,)
    with pytest.raises(KeyError):
        pwd.getpwuid(identity.uid)
    assert Identity.of(f":{identity.gid}") == identity


@pytest.mark.parametrize(("user", "words"), [("nobody-knows", "no user nobody-knows"), (":nobody-knows", "no group")])
def test_who_is_not_there(user, words):
    with pytest.raises(Problem, match=f"there is {words}"):
        Identity.of(user)


@pytest.mark.parametrize("can_confine", [True, False])
def test_a_program_gets_nothing_that_is_roots(somebody, can_confine, monkeypatch):
    programs = Programs(can_confine=can_confine)
    monkeypatch.setattr(programs_module, "run", programs.run)
    host = Host()
    for _time in range(2):
        assert host.query(["true", "x"], user=somebody.pw_name) == Completed(0, "", "")
    (_asked, _environment), (argv, environment), again = programs.ran
    identity = Identity.of(somebody.pw_name)
    groups = ",".join(map(str, identity.groups))
    who = [f"--reuid={identity.uid}", f"--regid={identity.gid}", f"--groups={groups}"]
    assert argv == [*(CONFINED if can_confine else []), "setpriv", *who, *DROPPED, "true", "x"]
    assert again[0] == argv
    assert environment["HOME"] == "/"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
def test_a_program_finds_nothing_where_it_is_and_says_how_it_ended(somebody):
    assert Host().query(["sh", "-c", "pwd; exit 7"], user=somebody.pw_name) == Completed(7, "/\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")
def test_a_program_of_another_user_that_hangs_is_ended(somebody, monkeypatch):
    monkeypatch.setattr(programs_module, "IDLE", 0.5)
    monkeypatch.setattr(programs_module, "slowness", lambda: 1.0)
    with pytest.raises(Problem, match=r"'sleep 4323' hangs: it did nothing for 0\.5 seconds"):
        Host().query(["sleep", "4323"], user=somebody.pw_name)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(b"sleep\0" + b"4323" in line for line in lines)


def test_a_program_that_is_missing(somebody):
    with pytest.raises(Problem, match="no-such-program is not installed"):
        Host().query(["no-such-program"], user=somebody.pw_name)


def test_a_guard_comes_before_every_program(monkeypatch):
    programs = Programs(can_confine=True)
    monkeypatch.setattr(programs_module, "run", programs.run)
    host = Host()

    def refuse(program):
        assert program == "true"
        raise Problem("no", "ask")

    for guarded in (host.guarded(refuse), host.guarded(refuse)):
        with pytest.raises(Problem, match="no"):
            guarded.query(["true"])
    assert programs.ran == []
    host.query(["true"])
    assert len(programs.ran) == 1


def test_acting_as_root_is_nothing_special():
    before = os.geteuid(), os.getegid(), os.getgroups()
    with acting_as(None):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_acting_as_another_user_ends(monkeypatch):
    calls: list[object] = []
    for name in ("setgroups", "setegid", "seteuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: calls.append((name, value)))
    before = os.geteuid(), os.getegid(), os.getgroups()

    def fail():
        with acting_as(Identity(7, 8, (8, 9))):
            calls.append("acting")
            raise OSError("x")

    with pytest.raises(OSError, match="x"):
        fail()
    assert calls[:4] == [("setgroups", (8, 9)), ("setegid", 8), ("seteuid", 7), "acting"]
    assert calls[4:] == [("seteuid", before[0]), ("setegid", before[1]), ("setgroups", before[2])]
