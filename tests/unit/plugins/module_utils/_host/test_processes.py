# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import processes as processes_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import (
    halt,
    process,
    processes,
)
from ansible_collections.postmaster.secure_channel.tests.support.no_more_files import no_more_files

NAME = "a (daemon) b"  # up to 15 bytes, with what the kernel's own line is made of


@pytest.fixture
def daemon(tmp_path):
    """A process with an awkward name."""
    program = tmp_path / NAME
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([str(program), "60"], start_new_session=True) as running:
        yield running
        running.kill()


def until(state, pid):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        found = process(pid)
        if found and found.state == state:
            return found
        time.sleep(0.01)
    raise AssertionError(f"process {pid} never got into state {state}")


def test_a_process(daemon):
    found = until("S", daemon.pid)
    assert (found.name, found.parent, found.group) == (NAME, os.getpid(), daemon.pid)
    assert found.started > 0
    assert found in processes()
    assert found.beside_us()
    assert not found.frozen()


def test_a_process_that_has_ended(daemon):
    daemon.kill()
    daemon.wait()
    assert process(daemon.pid) is None


def test_what_waits_to_be_buried_has_ended():
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert process(ended.pid) is None


def test_a_daemon_that_goes_on_does_not_stand_still(daemon):
    until("S", daemon.pid)
    assert halt({NAME}) is None
    assert halt({"no such daemon"}) is None


def test_a_stopped_daemon_stands_still_until_the_remedy_is_followed(daemon):
    until("S", daemon.pid)
    daemon.send_signal(signal.SIGSTOP)
    until("T", daemon.pid)
    found = halt({NAME, "other"})
    assert found is not None
    assert found.process.pid == daemon.pid
    assert "stopped" in found.how
    subprocess.run(found.remedy.split(), check=True)
    until("S", daemon.pid)
    assert halt({NAME}) is None


def test_a_frozen_daemon_stands_still(daemon, monkeypatch):
    monkeypatch.setattr(processes_module.Process, "frozen", lambda _self: True)
    monkeypatch.setattr(
        processes_module.Process, "control_groups", lambda _self: frozenset({"system.slice", "x.service"})
    )
    found = halt({NAME})
    assert found is not None
    assert "frozen" in found.how
    assert found.remedy == "systemctl thaw x.service"


def test_what_stands_still_in_a_container_is_no_daemon_of_this_host(daemon, monkeypatch):
    daemon.send_signal(signal.SIGSTOP)
    until("T", daemon.pid)
    monkeypatch.setattr(processes_module.Process, "beside_us", lambda _self: False)
    assert halt({NAME}) is None


def test_a_child_that_stands_still_does_not_stop_the_daemon(tmp_path):
    program = tmp_path / "envtestd"
    shutil.copy("/bin/bash", program)
    with subprocess.Popen(
        [str(program), "-c", f"{program} -c 'kill -STOP $$; exit' & echo $!; wait"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        until("T", child)
        assert halt({"envtestd"}) is None
        os.killpg(running.pid, signal.SIGKILL)


def test_a_limit_of_this_process_is_no_answer():
    """Nobody may conclude that there is no such process."""
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        process(os.getpid())
