# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a killed run has left running neither goes on nor writes after everything has been put back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import leftovers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.leftovers import end_leftovers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import processes

MODULE = """
import sys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
Host().query(["sh", "-c", sys.argv[1]], user=sys.argv[2])
"""


@pytest.fixture
def killed(no_waiting):
    """A run that is killed while its program runs; answers the file that the program may write."""
    place = Path(tempfile.mkdtemp())  # where everybody gets to
    place.chmod(0o777)
    written, begun = place / "written", place / "begun"

    def made(seconds, user=""):
        script = f"touch {begun}; (sleep {seconds}; echo late >{written}) & wait"
        with subprocess.Popen([sys.executable, "-c", MODULE, script, user]) as run:
            while not begun.exists():
                time.sleep(0.02)
            run.send_signal(signal.SIGKILL)
        return written

    yield made
    shutil.rmtree(place)


def running(words):
    """Whether a program runs."""
    return any(words in " ".join(one._lines("cmdline")).replace("\0", " ") for one in processes())


@pytest.mark.parametrize("user", ["", "nobody"])
def test_what_does_not_end_is_ended(killed, monkeypatch, user):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.2)
    written = killed(7.25, user)
    assert running("sleep 7.25")
    assert end_leftovers() == []
    assert not running("sleep 7.25")
    assert not written.exists()


def test_what_ends_soon_is_waited_for(killed):
    written = killed(1.5)
    assert end_leftovers() == []
    assert written.read_text() == "late\n"


def test_programs_of_runs_that_go_on_are_left_alone(monkeypatch):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.2)
    environment = {**os.environ, leftovers.VARIABLE: leftovers.this_run()}
    others = [{**environment, leftovers.VARIABLE: name} for name in ("", "1 2", "x y z", "999999999 5 pid:[7]")]
    started = [subprocess.Popen(["sleep", "30"], env=one) for one in (environment, *others)]
    try:
        assert end_leftovers() == []
        assert [one.poll() for one in started] == [None] * len(started)
    finally:
        for one in started:
            one.kill()
            one.wait()


def test_another_process_may_have_the_number_of_the_run(monkeypatch):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.2)
    number, _started, namespace = leftovers.this_run().split(" ", 2)
    name = f"{number} 1 {namespace}"
    with subprocess.Popen(["sleep", "30"], env={**os.environ, leftovers.VARIABLE: name}) as left:
        assert end_leftovers() == []
        assert left.wait(5) == -signal.SIGKILL


def test_each_program_carries_the_name_of_its_run():
    assert Host().query(["sh", "-c", "echo $POSTMASTER_RUN"]).out.strip() == leftovers.this_run()
