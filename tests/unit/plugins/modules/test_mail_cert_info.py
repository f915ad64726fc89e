# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _cryptography_dep
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_info, mail_cert_request
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    call,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
    snapshot,
    undocumented,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

ISSUING = Authority("Issuing", Authority("Root"))
KEY = new_key()


@pytest.fixture
def store(tmp_path):
    return Store(this_host(), str(tmp_path / "store"))


def put(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)


def make_live(store, name=NAME, key=KEY, names=(NAME,), **options):
    leaf = ISSUING.certify(key.public_key(), distinguished(name), names, **options)
    put(store.live_path(name), key_pem(KEY) + pem(leaf, ISSUING.certificate))


@pytest.fixture
def info(tmp_path, store, capsys):
    """Calls the module, in check mode too, and sees to it that nothing changes and no key comes out."""

    def run(**params):
        before = snapshot(tmp_path)
        result = call(mail_cert_info.main, capsys, {"store": store.root, **params})
        assert call(mail_cert_info.main, capsys, {"store": store.root, **params}, check=True) == result
        assert snapshot(tmp_path) == before
        assert "PRIVATE" not in json.dumps(result)
        return result

    return run


@pytest.fixture
def entry(info):
    def run(**params):
        result = info(**params)
        assert "msg" not in result, result["msg"]
        assert not result["changed"]
        (found,) = result["certificates"]
        return found

    return run


@pytest.fixture
def pending(no_daemons, store, capsys):
    params = {"name": NAME, "key_type": "ECDSA_P256", "friendly_name": "Label", "store": store.root}
    return call(mail_cert_request.main, capsys, params)["requests"][0]


def test_empty_store(info, monkeypatch):
    monkeypatch.setattr(_cryptography_dep, "CRYPTOGRAPHY_VERSION", "0")
    result = info()
    assert (result["certificates"], result["shared_names"]) == ([], [])
    assert result["reason"] == "0 live, 0 due for renewal, 0 pending, 0 with faults"
    assert "python3-cryptography" in info(name=NAME)["msg"]


def test_live(entry, store):
    make_live(store)
    put(store.live_record_path(NAME), b'{"friendly_name": "Label"}')
    for daemon in ("postfix", "dovecot"):
        put(store.deployed_path(daemon, NAME), b"")
    found = entry()
    assert found == entry(name=NAME)
    assert found["pending"] is None
    assert found["daemons"] == ["dovecot", "postfix"]
    assert found["faults"] == []
    assert not found["due"]
    live = found["live"]
    assert live["path"] == store.live_path(NAME)
    assert (live["friendly_name"], live["chain"], live["names"]) == ("Label", ["CN=Issuing"], [NAME])
    assert live["days_left"] == 89


def test_due(entry, store):
    make_live(store, not_before=NOW - 67 * DAY, not_after=NOW + 33 * DAY)
    assert entry(renew_at=0.66)["due"]
    assert not entry(renew_at=0.68)["due"]


def test_pending(entry, pending):
    found = entry()
    assert found["live"] is None
    assert not found["due"]
    assert found["faults"] == []
    for same in ("csr", "csr_path", "subject", "subject_alt_names", "key_type", "key_size", "friendly_name"):
        assert found["pending"][same] == pending[same]


def test_nothing_of_that_name(entry):
    found = entry(name=NAME)
    nothing = dict.fromkeys(("live", "pending", "previous"))
    tlsa = {"current": None, "next": None}
    assert found.pop("host")
    assert found == {"name": NAME, **nothing, "tlsa": tlsa, "daemons": [], "due": False, "faults": []}


def test_counts(info, store, pending):
    make_live(store)
    make_live(store, "b.example.test", names=("b.example.test",), not_after=NOW + DAY / 4)
    put(store.live_path("c"), b"garbage")
    result = info()
    assert result["reason"] == "2 live, 1 due for renewal, 1 pending, 1 with faults"
    assert [one["name"] for one in result["certificates"]] == ["b.example.test", "c", NAME]


# ---- TLSA records


def tlsa(key_text):
    """As openssl makes it."""
    public_key = openssl("pkey", "-pubout", "-outform", "DER", stdin=key_text)
    return f"3 1 1 {hashlib.sha256(public_key).hexdigest()}"


def test_tlsa_of_live_and_pending_key(entry, store, pending):
    following = tlsa(store.entry(NAME).pending.key)
    assert pending["tlsa_3_1_1"] == following
    assert pending["spki_sha256"] == following.split()[-1]
    found = entry()
    assert found["tlsa"] == {"current": None, "next": following}
    assert found["pending"]["tlsa_3_1_1"] == following
    make_live(store)
    assert entry()["tlsa"] == {"current": tlsa(key_pem(KEY)), "next": following}


def test_no_next_record_for_the_same_key(entry, store, pending):
    make_live(store)
    put(store.pending_key_path(NAME), key_pem(KEY))
    request = openssl("req", "-new", "-key", store.pending_key_path(NAME), "-subj", f"/CN={NAME}")
    put(store.pending_request_path(NAME), request)
    assert entry()["tlsa"] == {"current": tlsa(key_pem(KEY)), "next": None}


# ---- the previous certificate


def test_previous(entry, store):
    make_live(store)
    put(store.previous_path(NAME), store.entry(NAME).live.bundle)
    found = entry()
    assert found["previous"]["path"] == store.previous_path(NAME)
    assert found["previous"]["sha256"] == found["live"]["sha256"]
    put(store.previous_path(NAME), b"garbage")
    found = entry()
    assert found["previous"] is None
    assert store.previous_path(NAME) in found["faults"][0]


# ---- faults


@pytest.mark.parametrize("content", [b"", b"garbage", pem(ISSUING.certificate)[:-40]])
def test_damaged_live_file(entry, store, content):
    put(store.live_path(NAME), content)
    found = entry()
    assert found["live"] is None
    assert all(store.live_path(NAME) in fault for fault in found["faults"])
    assert len(found["faults"]) == 2


def test_key_of_another_certificate(entry, store):
    make_live(store, key=new_key())
    found = entry()
    assert found["live"]
    assert "does not belong" in found["faults"][0]


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("key", None, "lost its key"),
        ("key", b"garbage", "no private key"),
        ("key", key_pem(KEY), "a different key"),
        ("request", None, "has only its key"),
        ("request", b"\xffgarbage", "cannot be read"),
        ("record", b"{", "not known"),
    ],
)
@pytest.mark.usefixtures("pending")
def test_faults_of_a_pending_request(entry, store, part, content, words):
    path = getattr(store, f"pending_{part}_path")(NAME)
    os.unlink(path)
    if content is not None:
        put(path, content)
    found = entry()
    assert words in found["faults"][0]
    assert found["pending"]["csr_path"] == store.pending_request_path(NAME)


# ---- two for one name


def test_two_certificates_for_one_name(info, store):
    make_live(store, names=(NAME, "imap.example.test"))
    make_live(store, "imap", names=("IMAP.example.test",))
    make_live(store, "wild", names=("*.example.test",))
    result = info()
    assert result["shared_names"] == [
        {"dns_name": "imap.example.test", "certificates": ["imap", NAME, "wild"]},
        {"dns_name": NAME, "certificates": [NAME, "wild"]},
    ]
    assert info(name="imap")["shared_names"] == []


def test_two_kinds_of_keys_for_one_name_are_meant(info, store):
    make_live(store)
    make_live(store, "rsa", key=new_key(2048), names=(NAME, "other.example.test"))
    result = info()
    assert result["shared_names"] == []
    assert result["paired_names"] == [{"dns_name": NAME, "certificates": [NAME, "rsa"]}]
    assert "warnings" not in result


# ---- bad input


@pytest.mark.parametrize(("params", "option"), [({"name": "../x"}, "name"), ({"renew_at": 0}, "renew_at")])
def test_bad_option(info, params, option):
    assert info(**params)["problem"]["option"] == option


def test_store_that_cannot_be_read(info, monkeypatch):
    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "Run the module as root" in info()["msg"]


def test_what_is_documented_is_what_is_returned(info, store, pending):
    documented = yaml.safe_load(mail_cert_info.RETURN)
    make_live(store)
    make_live(store, "other")
    make_live(store, "rsa", key=new_key(2048))
    put(store.previous_path(NAME), store.entry(NAME).live.bundle)
    result = info()
    assert result.pop("warnings")
    del result["changed"]
    assert undocumented(result, documented) == []
    assert undocumented({"problem": info(name="../x")["problem"]}, documented) == []
    assert set(result) | {"problem"} == set(documented)
    found, inner = result["certificates"][0], documented["certificates"]["contains"]
    assert set(found) == set(inner)
    for part in ("live", "pending", "previous", "tlsa"):
        assert set(found[part]) == set(inner[part]["contains"])


@pytest.mark.parametrize(("record", "source"), [(b'{"source": "own_ca"}', "own_ca"), (b'{"friendly_name": "x"}', None)])
def test_where_it_comes_from(entry, store, record, source):
    make_live(store)
    put(store.live_record_path(NAME), record)
    assert entry()["live"]["source"] == source
