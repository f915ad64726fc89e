# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store, check_distinct
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host


@pytest.fixture
def store(tmp_path):
    return Store(this_host(), str(tmp_path))


def put(path, content=b"x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)


@pytest.mark.parametrize("name", ["mx1.example.test", "a", "Wildcard_1", "9-lives", "a" * 200])
def test_name_that_is_safe_as_a_file(name, store):
    assert store.live_path(name) == f"{store.root}/live/{name}.pem"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../etc/passwd", "a/b", ".hidden", "-rf", "*.example.test", "a b", "a\n", "ä", "a" * 201]
)
def test_name_that_is_not(name, store):
    for path in (store.live_path, store.live_record_path, store.pending_directory, store.entry):
        with pytest.raises(Problem) as caught:
            path(name)
        assert caught.value.option == "name"


def test_bare_host(store):
    assert not store.entry(NAME).live.exists
    assert not store.entry(NAME).previous.exists
    assert not store.entry(NAME).pending.exists
    assert store.names() == []
    assert store.pending_names() == []
    assert store.deployed_daemons(NAME) == []


def test_names_are_those_of_live_certificates(store):
    put(store.live_path("b.example.test"))
    put(store.live_path("a.example.test"))
    put(store.live_record_path("a.example.test"))
    put(f"{store.root}/live/.a.example.test.pem.postmaster-before")
    assert store.names() == ["a.example.test", "b.example.test"]


def test_pending_names_leave_out_empty_directories(store):
    put(store.pending_key_path(NAME))
    os.makedirs(store.pending_directory("answered.example.test"))
    assert store.pending_names() == [NAME]
    assert not store.entry("answered.example.test").pending.exists


def test_deployed_copies(store):
    put(store.deployed_path("postfix", NAME))
    put(store.deployed_path("dovecot", NAME))
    put(store.deployed_path("inn", "other"))
    assert store.deployed_daemons(NAME) == ["dovecot", "postfix"]


def test_name_of_a_daemons_copy(store):
    assert store.name_of_deployed("postfix", store.deployed_path("postfix", NAME)) == NAME
    assert store.name_of_deployed("postfix", f"{store.root}/live/../deployed/postfix/{NAME}.pem") == NAME
    for foreign in (
        store.deployed_path("dovecot", NAME),
        store.live_path(NAME),
        "/etc/ssl/certs/snakeoil.pem",
        f"{store.root}/deployed/postfix/{NAME}.key",
        f"{store.root}/deployed/postfix/.pem",
        "",
    ):
        assert store.name_of_deployed("postfix", foreign) is None


def test_what_lies_in_the_store(store):
    assert store.holds(f"{store.root}/pending/x/../../live/y.pem")
    assert not store.holds(store.root + "-other/file")
    assert not store.holds("/root/request.csr")


def test_a_name_stands_in_a_list_once():
    check_distinct(["a", "b"])
    with pytest.raises(Problem) as caught:
        check_distinct(["a", "b", "a"])
    assert "certificate a" in caught.value.message


class Counting(Host):
    """A host that notes each file that is read."""

    def __init__(self):
        self.read_paths = []

    def read(self, path):
        self.read_paths.append(path)
        return super().read(path)


def test_each_file_is_read_once_and_only_when_asked_for(tmp_path):
    counting = Counting()
    store = Store(counting, str(tmp_path))
    put(store.live_path(NAME), b"live")
    put(store.pending_record_path(NAME), b"asked for")
    put(store.previous_record_path(NAME), b"asked for before")
    entry = store.entry(NAME)
    assert counting.read_paths == []
    for _time in range(2):
        assert (entry.live.bundle, entry.live.record, entry.live.exists) == (b"live", None, True)
        assert (entry.pending.key, entry.pending.record, entry.pending.exists) == (None, b"asked for", True)
    assert sorted(counting.read_paths) == sorted(
        [
            store.live_path(NAME),
            store.live_record_path(NAME),
            store.pending_key_path(NAME),
            store.pending_request_path(NAME),
            store.pending_record_path(NAME),
        ]
    )
    assert (entry.previous.bundle, entry.previous.record) == (None, b"asked for before")
    assert not entry.previous.exists


def test_entry_shows_no_key(store):
    for path in (store.live_path(NAME), store.previous_path(NAME), store.pending_key_path(NAME)):
        put(path, b"secret")
    entry = store.entry(NAME)
    assert "secret" not in f"{entry!r} {entry.live!r} {entry.previous!r} {entry.pending!r}"
