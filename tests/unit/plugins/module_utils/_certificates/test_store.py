# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import store as store_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)
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
    for path in (store.live_path, store.live_record_path, store.pending_directory, store.pending):
        with pytest.raises(Problem) as caught:
            path(name)
        assert caught.value.option == "name"


def test_bare_host(store):
    assert store.live(NAME) is None
    assert store.pending(NAME) is None
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
    assert store.pending("answered.example.test") is None


def test_pending_shows_no_key(store):
    put(store.pending_key_path(NAME), b"secret")
    assert b"secret" not in repr(store.pending(NAME)).encode()


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


def test_leaf_is_the_first_certificate():
    root = Authority()
    key = new_key()
    leaf = root.certify(key.public_key(), distinguished(NAME))
    assert store_module.leaf_of(key_pem(key) + pem(leaf, root.certificate)) == der(leaf)


@pytest.mark.parametrize("bundle", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----"])
def test_no_leaf(bundle):
    with pytest.raises(Problem):
        store_module.leaf_of(bundle)


def test_a_name_stands_in_a_list_once():
    store_module.check_distinct(["a", "b"])
    with pytest.raises(Problem) as caught:
        store_module.check_distinct(["a", "b", "a"])
    assert "certificate a" in caught.value.message
