# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import programs
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import Process, processes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import (
    Hanging,
    Patience,
    Surroundings,
    TooMuch,
)

BUSY = 'end=$(($(date +%s) + 2)); while [ "$(date +%s)" -lt $end ]; do :; done; echo done'


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(programs, "IDLE", 0.6)
    monkeypatch.setattr(programs, "_SHORTEST", 0.1)
    monkeypatch.setattr(programs, "slowness", lambda: 1.0)


@pytest.fixture
def run():
    """Runs a shell script, with nothing on its standard input."""
    reader = os.open(os.devnull, os.O_RDONLY)

    def shell(script, patience=None, *words):
        surroundings = Surroundings(reader, {"PATH": os.environ["PATH"]})
        return programs.run(["sh", "-c", script, *words], surroundings, patience or Patience())

    yield shell
    os.close(reader)


def left_behind(marker):
    lines = [Path(f"/proc/{one.pid}/cmdline") for one in processes()]
    return [path for path in lines if path.exists() and marker.encode() in path.read_bytes()]


def test_what_works_is_given_its_time(run):
    """A slow host is no reason to give up: this takes longer than a program may do nothing."""
    assert run(BUSY) == (0, b"done\n", b"")


def test_work_of_what_it_has_started_counts(run):
    assert run(f"sh -c '{BUSY}'; exit 3") == (3, b"done\n", b"")


def test_what_does_nothing_is_ended_with_all_that_it_has_started(run):
    with pytest.raises(Hanging, match=r"did nothing for 0\.6 seconds"):
        run("sleep 4321.5 & sleep 4321.6")
    time.sleep(0.1)
    assert left_behind("4321.") == []


def test_what_is_stopped_does_nothing(run):
    with pytest.raises(Hanging, match="did nothing"):
        run("kill -STOP $$")


def test_what_spins_is_ended(run, monkeypatch):
    monkeypatch.setattr(programs, "WORK", 0.5)
    with pytest.raises(Hanging, match=r"took more than 0\.5 seconds of processor time"):
        run("while :; do :; done")


def test_what_never_ends_is_ended(run, monkeypatch):
    monkeypatch.setattr(programs, "LONGEST", 1.0)
    with pytest.raises(Hanging, match="did not end within 1 seconds"):
        run("while :; do :; done")


def test_looking_again_and_again_is_no_work(run):
    """Such as a script that waits for a file of somebody else."""
    began = time.monotonic()
    with pytest.raises(Hanging, match="did nothing"):
        run("while test ! -e /nowhere; do sleep 0.1; done")
    assert time.monotonic() - began < 20


def test_what_works_a_third_of_the_time_is_given_its_time(run, monkeypatch):
    """Longer than a program may do nothing, with pauses that are shorter."""
    monkeypatch.setattr(programs, "IDLE", 2.5)
    times = "for _ in range(4):\n  end = time.process_time() + 0.5\n  while time.process_time() < end: pass\n"
    assert run(f"exec python3 -c 'import time\n{times}  time.sleep(1)'") == (0, b"", b"")


def test_each_that_hangs_leaves_less_patience_for_the_next(run):
    patience = Patience()
    began = time.monotonic()
    for _time in range(4):
        with pytest.raises(Hanging):
            run("sleep 30", patience)
    assert patience.idle == pytest.approx(0.1)
    assert time.monotonic() - began < 10


def test_nothing_is_waited_for_that_holds_the_outputs_of_what_has_ended(run):
    began = time.monotonic()
    assert run("echo said; setsid sleep 8 & exit 0") == (0, b"said\n", b"")
    assert time.monotonic() - began < 6


def test_what_is_started_for_a_program_ends_with_an_error_of_ours(run, monkeypatch):
    """Such as a signal to the module."""

    def interrupted(_watch):
        raise KeyboardInterrupt

    monkeypatch.setattr(programs._Watch, "fault", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("sleep 4322.5")
    time.sleep(0.1)
    assert left_behind("4322.5") == []


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_what_writes_without_end_is_ended(run, monkeypatch, stream):
    monkeypatch.setattr(programs, "LARGEST_OUTPUT", 1_000_000)
    with pytest.raises(TooMuch):
        run(f"yes 4323{stream}")
    time.sleep(0.1)
    assert left_behind("yes\0004323") == []


def test_much_is_taken_of_both_outputs(run):
    assert run("head -c 3000000 /dev/zero & head -c 2000000 /dev/zero >&2; wait") == (
        0,
        bytes(3_000_000),
        bytes(2_000_000),
    )


def test_outputs_that_are_closed_early(run):
    assert run("exec >&- 2>&-; sleep 0.5; exit 4") == (4, b"", b"")
    with pytest.raises(Hanging):
        run("exec >&- 2>&-; exec sleep 30")


def test_while_things_are_put_back_there_is_little_time_once_something_has_hung(run, monkeypatch):
    monkeypatch.setattr(programs, "AFTER_A_HANG", 1.5)
    patience = Patience()
    patience.hasten()
    run("end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do :; done", patience)  # none has hung
    with pytest.raises(Hanging):
        run("sleep 30", patience)
    patience.hasten()
    began = time.monotonic()
    with pytest.raises(Hanging, match="was not done soon after another program had hung"):
        run("while :; do :; done", patience)
    with pytest.raises(Hanging):
        run("while :; do :; done", patience)
    assert time.monotonic() - began < 5
    assert run("echo quick", patience) == (0, b"quick\n", b"")


def seen_by(watch, monkeypatch, *others):
    """What part of the time a program has done nothing, when these processes are there besides it."""
    me = Process(watch._pid, "sleep", "S", 1, watch._pid, 0, 10)
    monkeypatch.setattr(programs, "processes", lambda: [me, *others])
    for _look in range(3):
        time.sleep(0.01)
        watch.fault()
    return watch._idle / (watch._last - watch._began)


@pytest.mark.parametrize(
    ("others", "idles"),
    [
        ([("systemd", "S", 0, 1, 0)], 1),
        ([("sleep", "S", 1, 20, 50)], 1),
        ([("reload", "R", 1, 20, 50)], 0),
        ([("reload", "S", 1, 20, 50), ("its-child", "R", 20, 21, 51)], 0),
        ([("sh", "S", 1, 20, 50), ("sh", "S", 20, 21, 51), ("slaptest", "D", 21, 22, 52)], 0.5),
        ([("dovecot", "S", 1, 20, 5), ("imap-login", "R", 20, 21, 50)], 1),  # for a client
        ([("dovecot", "R", 1, 20, 5)], 1),
    ],
)
def test_work_that_counts(monkeypatch, others, idles):
    monkeypatch.setattr(programs, "process", lambda pid: Process(pid, "systemctl", "S", 1, pid, 0, 10))
    monkeypatch.setattr(Process, "control_groups", lambda _self: frozenset({"dovecot.service"}))
    program = type("Program", (), {"pid": 4242})()
    watch = programs._Watch(program, ["systemctl", "reload", "dovecot.service"], Patience())
    found = [Process(pid, name, state, parent, pid, 0, started) for name, state, parent, pid, started in others]
    assert seen_by(watch, monkeypatch, *found) == pytest.approx(idles)


def test_work_for_a_program_is_bounded_like_its_own(monkeypatch):
    """A reload that spins."""
    monkeypatch.setattr(programs, "process", lambda pid: Process(pid, "systemctl", "S", 1, pid, 0, 10))
    monkeypatch.setattr(Process, "control_groups", lambda _self: frozenset({"dovecot.service"}))
    watch = programs._Watch(type("Program", (), {"pid": 4242})(), ["systemctl", "x", "dovecot.service"], Patience())
    spins = Process(20, "reload", "R", 1, 20, int(programs.WORK) * os.sysconf("SC_CLK_TCK"), 50)
    monkeypatch.setattr(programs, "processes", lambda: [spins])
    assert watch.fault() == "took more than 15 seconds of processor time"


def test_busy_hosts_are_waited_for_longer(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for load, expected in ((0.1, 1.0), (2.0, 1.0), (3.0, 1.5), (500.0, 1.5)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert programs.slowness() == expected
