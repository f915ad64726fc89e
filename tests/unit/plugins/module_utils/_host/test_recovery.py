# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that undoes what a killed run left, as the host runs it: on Python without Ansible, with systemctl."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import guard, recovery
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import Journal
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import write_private
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Command,
    Record,
    RegisteredFile,
    WayBack,
)


@pytest.fixture
def places(tmp_path):
    """A host with systemd, whose programs write down how they are called."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "etc").mkdir()
    for name in ("systemctl", "systemd-run", "change"):
        tool = tmp_path / "bin" / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/called\n[ ! -e {tmp_path}/fails ]\n')
        tool.chmod(0o755)
    found = Places(*(str(tmp_path / name) for name in ("state", "lock", "units", "bin")))
    os.makedirs(os.path.dirname(found.wanted))
    os.makedirs(found.transaction)
    write_private(found.program, guard.program())
    write_private(found.unit, b"")
    os.symlink("../x", found.wanted)
    return found


@pytest.fixture
def called(tmp_path):
    """What was called since it was last asked."""

    def ask():
        try:
            lines = (tmp_path / "called").read_text().splitlines()
        except FileNotFoundError:
            return []
        (tmp_path / "called").unlink()
        return lines

    return ask


def argv(places, how):
    return [sys.executable, "-IS", places.program, how, places.state, places.lock, places.units, places.systemd]


def run(places, how, **options):
    environment = {"PATH": f"{places.systemd}:/usr/bin:/bin"}
    return subprocess.run(argv(places, how), env=environment, capture_output=True, text=True, timeout=30, check=False)


def replaced(path):
    """A file that a run has replaced."""
    path.parent.mkdir(exist_ok=True)
    saved = path.with_name(f".{path.name}.postmaster-before")
    saved.write_text("old")
    path.write_text("new")
    staged = path.with_name(f".{path.name}.postmaster-new")
    return RegisteredFile(str(path), str(path), str(staged), str(saved), True, False, False)


def made(path):
    """A file that a run has made."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("new")
    return RegisteredFile(str(path), str(path), f"{path.parent}/.n", f"{path.parent}/.s", False, False, False)


@pytest.fixture
def killed(places, tmp_path):
    """A journal that a killed run left."""

    def make(*more, begun=True, done=False, ways=()):
        files = [replaced(tmp_path / "etc/main.cf"), *more]
        Journal(places).write(Record(done, files, [], {}, ways, begun))

    return make


DAEMON = WayBack("daemon", ("d.service",), ("d.service",))
SETTINGS = WayBack("directory", ("s.service",), ("s.service",), (Command(("change", "it"), "to this"),))
IDLE = WayBack("idle", ("i.service",))
DOWN = WayBack("down", ("x.service",), commands=(Command(("change", "it"), "to this"),), down=True)


def gone(places):
    return not any(os.path.lexists(path) for path in (places.state, places.unit, os.path.dirname(places.wanted)))


def test_the_program_is_made_of_the_files_in_use(places):
    with zipfile.ZipFile(places.program) as archive:
        names = [name for name in archive.namelist() if not name.endswith("__init__.py")]
        assert len(names) == len(guard.shipped()) + 1
        for name in names[1:]:
            with open(sys.modules[name[:-3].replace("/", ".")].__file__ or "", encoding="utf-8") as stream:
                assert archive.read(name).decode() == stream.read()


def test_while_the_system_runs(places, killed, called, tmp_path):
    killed(ways=[DAEMON, SETTINGS, IDLE])
    done = run(places, "watch")
    assert (done.returncode, done.stderr) == (0, "a run was killed half-way; what it had changed was put back\n")
    assert (tmp_path / "etc/main.cf").read_text() == "old"
    assert gone(places)
    assert called() == [
        "systemctl show --property=Job --value d.service",
        "systemctl reset-failed d.service",
        "systemctl restart d.service",
        "systemctl is-active d.service",
        "systemctl show --property=Job --value s.service",
        "systemctl stop s.service",
        "change it",
        "systemctl reset-failed s.service",
        "systemctl restart s.service",
        "systemctl is-active s.service",
        "systemctl show --property=Job --value i.service",
    ]


def test_a_daemon_that_did_not_run_before_is_stopped(places, killed, called):
    killed(ways=[DOWN])
    assert run(places, "watch").returncode == 0
    assert called() == ["systemctl show --property=Job --value x.service", "systemctl stop x.service", "change it"]


def test_while_the_system_starts_no_daemon_is_touched(places, killed, called, tmp_path):
    killed(ways=[DAEMON, SETTINGS, IDLE])
    assert run(places, "boot").returncode == 0
    assert (tmp_path / "etc/main.cf").read_text() == "old"
    assert gone(places)
    assert called() == ["change it"]


@pytest.mark.parametrize("how", ["watch", "boot"])
def test_a_program_of_the_killed_run_does_not_write_afterwards(how, places, killed, tmp_path):
    killed(ways=[DAEMON])
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    name = f"{dead.pid} 1 {os.readlink('/proc/self/ns/pid')}"
    script = f"sleep 2; echo late >{tmp_path}/etc/main.cf"
    with subprocess.Popen(["sh", "-c", script], env={"PATH": os.environ["PATH"], "POSTMASTER_RUN": name}) as left:
        assert run(places, how).returncode == 0
        left.wait()
    assert (tmp_path / "etc/main.cf").read_text() == "old"


def units(places, tmp_path):
    """Units that a run has changed and made, and parts of some."""
    directory = tmp_path / "units"
    return [
        replaced(directory / "a.socket"),
        made(directory / "b.socket"),
        made(directory / "b@.service"),
        made(directory / "sockets.target.d/part.conf"),
    ]


def test_a_reload_that_was_begun_is_let_end(places, killed, called, tmp_path):
    killed(ways=[DAEMON])
    systemctl = tmp_path / "bin/systemctl"
    count = f'[ "$1" != show ] || [ $(wc -l <{tmp_path}/called) -gt 3 ] || echo 17'
    systemctl.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/called\n{count}\n')
    assert run(places, "watch").returncode == 0
    assert called() == ["show", "show", "show", "show", "reset-failed", "restart", "is-active"]


SOCKETS = WayBack("sockets", ("d.service", "a.socket"), ("d.service", "a.socket"))


def test_units_while_the_system_runs(places, killed, called, tmp_path):
    killed(*units(places, tmp_path), ways=[SOCKETS])
    assert run(places, "watch").returncode == 0
    assert called()[:2] == ["systemctl stop b.socket", "systemctl daemon-reload"]


def test_units_while_the_system_starts(places, killed, called, tmp_path):
    killed(*units(places, tmp_path), ways=[SOCKETS])
    assert run(places, "boot").returncode == 0
    assert called() == [
        "systemctl daemon-reload",
        "systemctl --no-block stop b.socket",
        "systemctl --no-block start a.socket",
    ]


@pytest.mark.parametrize("how", ["watch", "boot"])
def test_a_run_that_had_succeeded_is_tidied_up_behind(how, places, killed, called, tmp_path):
    killed(done=True, ways=[DAEMON])
    assert run(places, how).returncode == 0
    assert (tmp_path / "etc/main.cf").read_text() == "new"
    assert gone(places)
    assert called() == []
    assert os.listdir(tmp_path / "etc") == ["main.cf"]


@pytest.mark.parametrize("how", ["watch", "boot"])
def test_a_run_that_had_replaced_nothing_disturbs_nobody(how, places, killed, called, tmp_path):
    killed(begun=False, ways=[DAEMON, SETTINGS])
    assert run(places, how).returncode == 0
    assert gone(places)
    assert called() == []


@pytest.mark.parametrize("how", ["watch", "boot"])
def test_where_nothing_was_left_everything_of_ours_goes(how, places, called):
    assert run(places, how).returncode == 0
    assert gone(places)
    assert called() == []


def test_a_run_that_goes_on_is_not_touched(places, killed, tmp_path):
    killed(ways=[DAEMON])
    with open(places.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        guarding = subprocess.Popen(argv(places, "watch"), env={"PATH": f"{places.systemd}:/usr/bin:/bin"})
        time.sleep(1.5)
        assert guarding.poll() is None
        assert (tmp_path / "etc/main.cf").read_text() == "new"
    assert guarding.wait(timeout=20) == 0
    assert (tmp_path / "etc/main.cf").read_text() == "old"


def test_a_daemon_that_would_not_start_again_goes_on(places, killed, called, tmp_path):
    needs = WayBack("needs", ("n.service",), ("n.service",), conditions=(Command(("test", "-r", "/no/such/file")),))
    killed(ways=[needs, DAEMON])
    environment = {"PATH": f"{places.systemd}:/usr/bin:/bin"}
    with subprocess.Popen(argv(places, "watch"), env=environment, stderr=subprocess.PIPE, text=True) as guarding:
        assert guarding.stderr
        assert "(needs: it goes on with what it has, and would not start again (test -r /no/such/file))" in (
            guarding.stderr.readline()
        )
        assert [line for line in called() if "n.service" in line] == [
            "systemctl show --property=Job --value n.service",
            "systemctl is-active n.service",
        ]
        record = Journal(places).read()
        assert record is not None
        assert (list(record.files), [one.daemon for one in record.ways_back]) == ([], ["needs"])
        guarding.terminate()
    assert (tmp_path / "etc/main.cf").read_text() == "old"


def test_what_fails_is_tried_again(places, killed, tmp_path):
    killed(ways=[DAEMON])
    (tmp_path / "fails").touch()
    environment = {"PATH": f"{places.systemd}:/usr/bin:/bin"}
    with subprocess.Popen(argv(places, "watch"), env=environment, stderr=subprocess.PIPE, text=True) as guarding:
        assert guarding.stderr
        assert "could not be undone yet (daemon: systemctl restart: " in guarding.stderr.readline()
        assert os.path.exists(places.journal)
        (tmp_path / "fails").unlink()
        assert guarding.wait(timeout=40) == 0
    assert gone(places)


def test_what_fails_while_the_system_starts_is_left_to_a_guard(places, killed, called, tmp_path):
    killed(ways=[SETTINGS])
    (tmp_path / "fails").touch()
    done = run(places, "boot")
    assert done.returncode == 1
    assert "could not be undone before the daemons start (directory: change: " in done.stderr
    assert (tmp_path / "etc/main.cf").read_text() == "old"
    assert os.path.exists(places.journal)
    assert any(line.startswith("systemd-run") and f"{places.program} watch" in line for line in called())


def test_a_damaged_journal_is_left_to_a_run(places, killed, called):
    killed()
    with open(places.journal, "w") as journal:
        journal.write("{")
    done = run(places, "boot")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.path.exists(places.journal)


def test_a_power_cut_does_not_bring_back_a_link_to_a_unit_that_is_gone(tmp_path, monkeypatch):
    places = Places(*(str(tmp_path / name) for name in ("state", "lock", "units", "systemd")))
    wants = os.path.dirname(places.wanted)
    os.makedirs(wants)
    for path in (places.unit, places.wanted, f"{wants}/other.service"):
        Path(path).touch()
    there = []
    monkeypatch.setattr(recovery, "sync_directory", lambda path: there.append((path, os.path.exists(places.unit))))
    recovery.clear(places)
    assert (wants, True) in there
    assert os.listdir(wants) == ["other.service"]
    assert not os.path.exists(places.unit)
