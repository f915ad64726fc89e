# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import time

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import confined as module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.confined import confined


def children():
    """Whether there is a child that nobody has waited for."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


@pytest.fixture(autouse=True)
def no_child_stays():
    while children():  # of other tests
        time.sleep(0.01)
    yield
    assert not children()


def test_no_descriptor_stays():
    handles = os.listdir("/proc/self/fd")
    for work in (bytes, lambda: os._exit(7)):
        with contextlib.suppress(Problem):
            confined(work, "it")
    assert os.listdir("/proc/self/fd") == handles


def test_the_result_comes_back():
    assert confined(lambda: b"x" * 300_000, "it") == b"x" * 300_000
    assert confined(lambda: b"", "it") == b""


def test_it_is_another_process():
    assert confined(lambda: str(os.getpid()).encode(), "it") != str(os.getpid()).encode()


def test_a_problem_comes_back():
    def work():
        raise Problem("caf\xe9 \udcff", "mend it", subject="s", option="o")

    with pytest.raises(Problem) as caught:
        confined(work, "it")
    problem = caught.value
    assert (problem.found, problem.remedy, problem.subject, problem.option) == ("caf\xe9 \udcff", "mend it", "s", "o")


def endless():
    while True:
        pass


@pytest.mark.parametrize("work", [endless, lambda: b"%d" % (3 ** (10**9))])
def test_work_without_an_end(work, monkeypatch):
    monkeypatch.setattr(module, "PROCESSOR_TIME", 1)
    with pytest.raises(Problem, match="the file takes more than 1 seconds of work"):
        confined(work, "the file")


def sleep():
    time.sleep(60)
    return b""


def test_work_that_sleeps(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(Problem, match="takes more than"):
        confined(sleep, "the file")


def crash():
    faulthandler.disable()  # pytest's own, which would tell of it
    return ctypes.string_at(0)


@pytest.mark.parametrize(
    ("work", "how"),
    [
        (crash, "signal 11"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "signal 15"),
        (lambda: b"x" * (4 << 30), "exit code 1"),
        (lambda: 1 // 0, "exit code 1"),
        (lambda: os._exit(7), "exit code 7"),
    ],
)
def test_work_that_ends_its_process(work, how, capfd):
    with pytest.raises(Problem, match=f"the file cannot be read: the library that does so ended \\({how}\\)"):
        confined(work, "the file")
    assert capfd.readouterr() == ("", "")


def test_a_result_without_an_end(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_RESULT", 1000)
    with pytest.raises(Problem, match="takes more than"):
        confined(lambda: b"x" * 3_000_000, "the file")


def test_it_leaves_no_picture_of_its_memory():
    assert confined(lambda: b"%d %d" % resource.getrlimit(resource.RLIMIT_CORE), "it").startswith(b"0 ")
