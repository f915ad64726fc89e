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
    assert later.take_text("another") is None
    assert later.take_text("a key") == "old\n"
    assert later.change().content is None


def test_no_notes_no_file(host):
    assert not notes(host).change().needed(host)


def test_notes_that_are_forgotten(host):
    found = notes(host)
    found.note("a", "1")
    found.forget(["a", "never noted"])
    assert found.keys() == []
    assert found.text("a") is None


def test_every_kind_of_value(host):
    first = notes(host)
    first.note("list", ["a", "b"])
    first.note("table", {"before": None, "ours": "x"})
    host.take([first.change()])
    later = notes(host)
    assert later.texts("list") == ("a", "b")
    assert later.texts("never noted") == ()
    assert later.take_table("table", "before", "ours") == {"before": None, "ours": "x"}
    assert later.table("table", "before", "ours") == {"before": None, "ours": None}


@pytest.mark.parametrize(
    "content", [b'{"a": ', b"5", b"null", b"[]", b'"text"', b"\0", b"\xff", b"[" * 100000, b'{"a": 1' + b"0" * 5000]
)
def test_damaged_notes_are_not_lost(content, host):
    host.files[PATH] = content
    with pytest.raises(Problem, match=f"{PATH} is damaged") as caught:
        notes(host)
    assert caught.value.option == PATH
    assert len(caught.value.found) < 400


def test_what_is_advised_works(host):
    host.files[PATH] = b'{"a": '
    with pytest.raises(Problem) as caught:
        notes(host)
    assert f"'rm {PATH}'" in caught.value.remedy
    del host.files[PATH]
    assert notes(host).keys() == []


@pytest.mark.parametrize("value", ["5", '{"b": 1}', '["a", 1]', "true", "1.5"])
@pytest.mark.parametrize("ask", ["text", "take_text", "texts", "table", "take_table"])
def test_a_value_of_the_wrong_kind_is_damage(value, ask, host):
    host.files[PATH] = f'{{"a": {value}}}'.encode()
    with pytest.raises(Problem, match=f"{PATH} is damaged"):
        getattr(notes(host), ask)("a")


def test_a_table_without_a_column_is_damage(host):
    host.files[PATH] = b'{"a": {"before": null}}'
    with pytest.raises(Problem, match="not a table with before, ours"):
        notes(host).table("a", "before", "ours")


def test_lost_settings_are_refused_with_what_to_do(host):
    ours = f"{STORE}/deployed/daemon/mx.pem"
    with pytest.raises(Problem, match="nobody knows what was there before") as caught:
        notes(host).refuse_lost(ours, "/etc/daemon.conf", "do this")
    assert caught.value.option == "/etc/daemon.conf"
    assert "take the settings out yourself (do this)" in caught.value.remedy
    notes(host).refuse_lost("/etc/ssl/theirs.pem", "/etc/daemon.conf", "do this")
