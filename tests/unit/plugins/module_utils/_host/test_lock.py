# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
import time

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import lock as lock_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.lock import Lock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import LOCK_FILE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run/lock"


def test_second_one_is_refused_when_the_first_is_not_released(path, monkeypatch):
    monkeypatch.setattr(lock_module, "LOCK_PATIENCE", 0.2)
    first, second = Lock(str(path)), Lock(str(path))
    first.take()
    start = time.monotonic()
    with pytest.raises(Problem, match="another run, or the guard of one that was cut off, has been") as caught:
        second.take()
    assert time.monotonic() - start >= 0.2
    assert "wait until it ends" in caught.value.remedy
    first.release()
    second.take()
    second.release()


def test_second_one_waits_longer_where_the_first_one_gets_little_of_a_processor(path, monkeypatch):
    monkeypatch.setattr(lock_module, "LOCK_PATIENCE", 0.1)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0 * (os.cpu_count() or 1), 0.0, 0.0))
    first, second = Lock(str(path)), Lock(str(path))
    first.take()
    start = time.monotonic()
    with pytest.raises(Problem, match="another run"):
        second.take()
    assert time.monotonic() - start >= 0.3
    first.release()


def test_second_one_waits_for_the_first(path, monkeypatch):
    first, second, waited = Lock(str(path)), Lock(str(path)), []

    def sleep(seconds):
        waited.append(seconds)
        first.release()

    monkeypatch.setattr(time, "sleep", sleep)
    first.take()
    second.take()
    second.release()
    assert len(waited) == 1


def test_file_stays_and_is_for_root_alone(path):
    lock = Lock(str(path))
    lock.take()
    lock.release()
    lock.release()  # once more does no harm
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lock_that_cannot_be_had(path):
    path.parent.write_text("no directory")
    with pytest.raises(Problem, match=r"run/lock cannot be opened .*ls -ld"):
        Lock(str(path)).take()


def test_lock_is_nobody_elses_file(path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(Problem, match=r"symbolic links, or through one where none may be.*See who made it"):
        Lock(str(path)).take()
    assert not (tmp_path / "victim").exists()
    assert not LOCK_FILE.startswith("/run/lock/")  # where everybody may create files
