# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
)

PATH = f"{STORE}/originals/daemon.json"


@pytest.fixture
def host():
    return RecordedHost()


def notes(host):
    return SavedSettings(host, Store(host, STORE), "daemon")


def test_the_first_note_counts_also_in_a_later_run(host):
    first = notes(host)
    first.note("a key", "old\n")
    first.note("a key", "ours")
    first.note("another", None)
    change = first.change()
    assert (change.path, change.owner, change.mode, change.parent_mode) == (PATH, "root", 0o600, 0o700)
    host.take([change])
    later = notes(host)
    later.note("a key", "ours")
    assert later.keys("a k") == ["a key"]
    assert "another" in later
    assert later.take("another") is None
    assert later.take("a key") == "old\n"
    assert later.change().content is None


def test_no_notes_no_file(host):
    assert not notes(host).change().needed(host)


def test_notes_that_are_forgotten(host):
    found = notes(host)
    found.note("a", 1)
    found.forget(["a", "never noted"])
    assert found.keys() == []
    with pytest.raises(KeyError):
        found.take("a")


def test_damaged_notes_are_not_lost(host):
    host.files[PATH] = b'{"a": '
    with pytest.raises(Problem, match=f"{PATH} is damaged") as caught:
        notes(host)
    assert caught.value.option == PATH
