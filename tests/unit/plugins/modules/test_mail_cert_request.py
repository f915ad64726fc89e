# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _cryptography_dep
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_request
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
from ansible_collections.postmaster.secure_channel.tests.support.plants import PLANTS, directory_of_nobody
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

ROOT = Authority()
EC = {"key_type": "ECDSA_P256"}  # fast to make


@pytest.fixture
def store(tmp_path):
    return Store(this_host(), str(tmp_path / "store"))


@pytest.fixture
def request_(no_daemons, store, capsys):
    """Calls the module on a store of its own."""

    def run(check=False, **params):
        return call(mail_cert_request.main, capsys, {"store": store.root, **params}, check=check)

    return run


@pytest.fixture
def one(request_):
    """Calls the module for one EC request and gives its entry."""

    def run(check=False, **params):
        result = request_(check, **{"name": NAME, **EC, **params})
        assert "msg" not in result, result["msg"]
        assert result["files"] == result["requests"][0]["files"]
        return result["requests"][0]

    return run


def make_live(store, key, *certificates, record=None):
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key_pem(key) + pem(*certificates))
    if record:
        with open(store.live_record_path(NAME), "wb") as stream:
            stream.write(record)


def answer_and_promote(store, one, **options):
    """Let the CA answer the pending request, and put it into place by hand."""
    made = one()
    pending = store.entry(NAME).pending
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(pending.key + pem(ROOT.answer(made["csr"], **options)))
    with open(store.live_record_path(NAME), "wb") as stream:
        stream.write(pending.record)
    for path in made["files"]:
        os.unlink(path)


# ---- a new request


def test_new_request(request_, store):
    result = request_(name=NAME, subject_alt_names=["imap.example.test"], organization="Example Ltd", country="de")
    (entry,) = result["requests"]
    assert result["changed"]
    assert entry["changed"]
    assert entry["pending"]
    assert entry["reason"] == "there is no live certificate yet"
    assert entry["subject"] == f"CN={NAME},O=Example Ltd,C=DE"
    assert entry["subject_alt_names"] == [NAME, "imap.example.test"]
    assert (entry["key_type"], entry["key_size"]) == ("RSA", 3072)
    assert entry["not_after"] is entry["days_left"] is None
    assert entry["csr_path"] == store.pending_request_path(NAME)
    assert sorted(entry["files"]) == sorted(str(path) for path in snapshot_paths(store))
    with open(entry["csr_path"], encoding="ascii") as stream:
        assert stream.read() == entry["csr"]
    shown = openssl("req", "-noout", "-text", "-verify", stdin=entry["csr"].encode()).decode()
    assert "Public-Key: (3072 bit)" in shown
    assert f"DNS:{NAME}, DNS:imap.example.test" in shown


def snapshot_paths(store):
    return [os.path.join(where, name) for where, _directories, names in os.walk(store.root) for name in names]


def test_files_are_for_root_alone(one, store):
    for path in one()["files"]:
        state = os.stat(path)
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (0, 0, 0o600)
    assert stat.S_IMODE(os.stat(store.pending_directory(NAME)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(store.root).st_mode) == 0o755  # daemons must get to their copies


def test_no_key_in_result_or_diff(request_, store):
    result = request_(name=NAME, **EC)
    assert "PRIVATE KEY" not in json.dumps(result)
    assert store.entry(NAME).pending.key.splitlines()[1].decode() not in json.dumps(result)
    assert result["diff"] == [
        {
            "before_header": f"pending request {NAME}",
            "after_header": f"pending request {NAME}",
            "before": {},
            "after": {"common_name": NAME, "key_type": "ECDSA_P256", "names": [NAME]},
        }
    ]


def test_second_run_changes_nothing(one, tmp_path):
    first = one(subject_alt_names=["b.example.test", "a.example.test"])
    before = snapshot(tmp_path / "store")
    second = one(subject_alt_names=["A.example.test.", "b.example.test", "a.example.test", NAME])
    assert not second["changed"]
    assert second["pending"]
    assert second["files"] == []
    assert second["csr"] == first["csr"]
    assert second["reason"] == "the request is pending: the CA's answer is awaited"
    assert snapshot(tmp_path / "store") == before


def test_check_mode_predicts_and_writes_nothing(one, tmp_path):
    before = snapshot(tmp_path)
    predicted = one(check=True)
    assert snapshot(tmp_path) == before
    assert "BEGIN CERTIFICATE REQUEST" in predicted["csr"]
    made = one()
    for same in ("files", "changed", "pending", "reason", "csr_path", "subject", "subject_alt_names"):
        assert predicted[same] == made[same]
    before = snapshot(tmp_path)
    assert one(check=True) == one()
    after = snapshot(tmp_path)
    after.pop(str(tmp_path / "lock"), None), before.pop(str(tmp_path / "lock"), None)
    assert after == before


def test_unicode_name_is_stored_in_ascii(one):
    entry = one(common_name="bücher.example", subject_alt_names=["*.BÜCHER.example"])
    assert entry["subject_alt_names"] == ["xn--bcher-kva.example", "*.xn--bcher-kva.example"]
    assert entry["subject"] == "CN=xn--bcher-kva.example"


def test_every_field_of_the_subject(one):
    entry = one(
        country="DE",
        state_or_province="Hessen",
        locality="Frankfurt",
        organization="Example, Ltd",
        organizational_unit="Post",
        email="postmaster@example.test",
    )
    shown = openssl("req", "-noout", "-subject", "-nameopt", "RFC2253", stdin=entry["csr"].encode()).decode()
    assert shown.strip() == (
        f"subject=emailAddress=postmaster@example.test,CN={NAME},OU=Post,O=Example\\, Ltd,L=Frankfurt,ST=Hessen,C=DE"
    )


def test_blank_attributes_are_left_out(one):
    assert one(organization=" ", country="", email="")["subject"] == f"CN={NAME}"


def test_several_in_one_call(request_, store):
    result = request_(requests=[{"name": "a.example.test", **EC}, {"name": "b.example.test", **EC}])
    assert [entry["name"] for entry in result["requests"]] == ["a.example.test", "b.example.test"]
    assert len(result["files"]) == 6
    assert result["reason"].startswith("a.example.test: there is no live certificate yet; b.example.test: ")
    assert store.pending_names() == ["a.example.test", "b.example.test"]


def test_all_or_none(request_, tmp_path):
    before = snapshot(tmp_path / "store")
    result = request_(requests=[{"name": "a.example.test", **EC}, {"name": "b.example.test", "country": "x", **EC}])
    assert result["failed"]
    assert snapshot(tmp_path / "store") == before


def test_copy_of_the_request(one, tmp_path):
    copy = tmp_path / "out" / "request.csr"
    first = one(csr_path=str(copy))
    assert first["csr_path"] == str(copy)
    assert str(copy) in first["files"]
    assert copy.read_text() == first["csr"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o644
    assert not one(csr_path=str(copy))["changed"]
    copy.unlink()
    again = one(csr_path=str(copy))
    assert again["files"] == [str(copy)]
    assert "copy" in again["reason"]
    assert str(copy) in one(state="absent", csr_path=str(copy))["files"]
    assert not copy.exists()


def test_what_is_documented_is_what_is_returned(request_):
    documented = yaml.safe_load(mail_cert_request.RETURN)
    inner = documented["requests"]["contains"]
    problem = request_(name=NAME, country="x")["problem"]
    present, absent = request_(name=NAME, **EC), request_(name=NAME, state="absent")
    for one in (present, absent):
        del one["changed"], one["diff"]
        assert undocumented(one, documented) == []
        assert set(one) | {"problem"} == set(documented)
    assert undocumented({"problem": problem}, documented) == []
    assert set(present["requests"][0]) == set(inner)
    assert set(absent["requests"][0]) == {key for key in inner if inner[key]["returned"] == "always"}


# ---- a request that is pending already


def test_pending_key_survives_a_request_for_something_else(request_, one, tmp_path):
    one()
    before = snapshot(tmp_path / "store")
    result = request_(name=NAME, subject_alt_names=["new.example.test"], **EC)
    assert result["failed"]
    assert result["problem"]["option"] == "pending_policy"
    assert "pending_policy=replace" in result["msg"]
    assert "state=absent" in result["msg"]
    assert snapshot(tmp_path / "store") == before


@pytest.mark.parametrize(
    "difference",
    [{"subject_alt_names": ["x.test"]}, {"organization": "X"}, {"key_type": "ECDSA_P384"}, {"common_name": "x.test"}],
)
def test_pending_request_is_replaced_on_demand(one, store, difference):
    first = one()
    key = store.entry(NAME).pending.key
    second = one(pending_policy="replace", **difference)
    assert second["changed"]
    assert second["csr"] != first["csr"]
    assert store.entry(NAME).pending.key != key
    assert not one(**difference)["changed"]


@pytest.mark.parametrize("policy", ["keep", "replace"])
@pytest.mark.parametrize("content", [b"", b"garbage", key_pem(new_key(), b"secret")])
def test_key_that_cannot_be_read_is_never_destroyed(request_, one, store, tmp_path, policy, content):
    one()
    with open(store.pending_key_path(NAME), "wb") as stream:
        stream.write(content)
    before = snapshot(tmp_path / "store")
    result = request_(name=NAME, organization="X", pending_policy=policy, **EC)
    assert result["failed"]
    keeps_closed_key = policy == "keep" and b"ENCRYPTED" in content  # the request beside it is enough to say no
    assert ("pending_policy" if keeps_closed_key else store.pending_key_path(NAME)) in result["msg"]
    assert snapshot(tmp_path / "store") == before


def test_lost_request_is_made_anew_with_the_same_key(one, store):
    one()
    key = store.entry(NAME).pending.key
    os.unlink(store.pending_request_path(NAME))
    again = one()
    assert again["files"] == [store.pending_request_path(NAME)]
    assert store.entry(NAME).pending.key == key
    assert "same key" in again["reason"]


def test_request_for_another_key_is_made_anew(one, store):
    one()
    other = one(name="other.example.test")
    with open(store.pending_request_path(NAME), "w", encoding="ascii") as stream:
        stream.write(other["csr"])
    assert one()["files"] == [store.pending_request_path(NAME)]
    assert not one()["changed"]


def test_lost_key_makes_a_new_request(one, store):
    one()
    os.unlink(store.pending_key_path(NAME))
    again = one()
    assert "lost its key" in again["reason"]
    assert set(again["files"]) == {store.pending_key_path(NAME), store.pending_request_path(NAME)}
    assert not one()["changed"]


def test_wide_open_key_is_closed(one, store):
    one()
    os.chmod(store.pending_key_path(NAME), 0o644)
    assert one()["files"] == [store.pending_key_path(NAME)]
    assert stat.S_IMODE(os.stat(store.pending_key_path(NAME)).st_mode) == 0o600


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"{}", b"7", b'{"names": [1]}', b"\xff"])
def test_record_that_cannot_be_read_is_something_else(request_, one, store, record):
    one()
    with open(store.pending_record_path(NAME), "wb") as stream:
        stream.write(record)
    assert request_(name=NAME, **EC)["problem"]["option"] == "pending_policy"


def test_cancel(one, store, request_):
    one()
    entry = one(state="absent")
    assert entry["changed"]
    assert not entry["pending"]
    assert entry["reason"] == "the pending request was cancelled"
    assert not store.entry(NAME).pending.exists
    result = request_(name=NAME, state="absent")
    assert not result["changed"]
    assert result["requests"][0]["reason"] == "no request was pending"


def test_cancel_in_check_mode(one, tmp_path):
    one()
    before = snapshot(tmp_path / "store")
    assert one(check=True, state="absent")["changed"]
    assert snapshot(tmp_path / "store") == before


# ---- beside a live certificate


def test_live_certificate_as_asked_for(one, store, tmp_path):
    answer_and_promote(store, one)
    before = snapshot(tmp_path / "store")
    entry = one()
    assert not entry["changed"]
    assert not entry["pending"]
    assert entry["csr"] is entry["csr_path"] is None
    assert entry["days_left"] == 89
    assert entry["not_after"].endswith("Z")
    assert snapshot(tmp_path / "store") == before


def test_ca_that_drops_attributes(one, store):
    made = one(organization="Example Ltd")
    key, record = store.entry(NAME).pending.key, store.entry(NAME).pending.record
    one(state="absent")
    certificate = ROOT.answer(made["csr"])
    assert "Example" not in certificate.subject.rfc4514_string()
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key + pem(certificate))
    with open(store.live_record_path(NAME), "wb") as stream:
        stream.write(record)
    assert not one(organization="Example Ltd")["changed"]
    assert "organization" in one(organization="Other Ltd")["reason"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"subject_alt_names": ["new.example.test"]}, "does not cover new.example.test"),
        ({"key_type": "ECDSA_P384"}, "has a key of type ECDSA_P256"),
        ({"renew_at": 0.01}, "due for renewal (89 days left)"),
        ({"organization": "X"}, "requested with another organization"),
    ],
)
def test_new_request_beside_a_live_certificate(one, store, params, reason):
    answer_and_promote(store, one)
    live = snapshot(store_directory(store, "live"))
    entry = one(**params)
    assert entry["changed"]
    assert entry["pending"]
    assert reason in entry["reason"]
    assert snapshot(store_directory(store, "live")) == live
    assert one(**params) == {**entry, "changed": False, "files": [], "reason": one(**params)["reason"]}


def store_directory(store, name):
    return Path(store.root) / name


def test_expired(one, store):
    answer_and_promote(store, one, not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    assert one(renew_at=1)["reason"] == "the live certificate has expired"


def test_due_by_fraction_of_life(one, store):
    answer_and_promote(store, one, not_before=NOW - 67 * DAY, not_after=NOW + 33 * DAY)
    assert not one(renew_at=0.68)["changed"]
    assert one(renew_at=0.66)["changed"]


def test_imported_certificate_without_a_record(one, store):
    key = new_key()
    make_live(store, key, ROOT.certify(key.public_key(), distinguished("whatever"), (NAME, f"www.{NAME}")))
    assert not one()["changed"]


def test_request_for_something_else_waits_beside_a_good_certificate(one, store, tmp_path):
    answer_and_promote(store, one)
    one(organization="X")
    before = snapshot(tmp_path / "store")
    entry = one()
    assert not entry["changed"]
    assert not entry["pending"]
    assert "pending as well" in entry["reason"]
    assert snapshot(tmp_path / "store") == before


def test_leftovers_of_an_answered_request_are_removed(one, store):
    made = one()
    key = store.entry(NAME).pending.key
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key + pem(ROOT.answer(made["csr"])))
    entry = one()
    assert entry["changed"]
    assert not entry["pending"]
    assert sorted(entry["files"]) == sorted(made["files"])
    assert not store.entry(NAME).pending.exists
    assert not one()["changed"]


def test_renewal_does_not_reuse_the_key_of_an_answered_request(one, store):
    made = one()
    key = store.entry(NAME).pending.key
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key + pem(ROOT.answer(made["csr"])))
    entry = one(renew_at=0.001)
    assert entry["pending"]
    assert entry["csr"] != made["csr"]
    assert store.entry(NAME).pending.key != key


def test_damaged_live_file_stops(request_, store, tmp_path):
    os.makedirs(os.path.dirname(store.live_path(NAME)))
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key_pem(new_key()))
    before = snapshot(tmp_path / "store")
    result = request_(name=NAME, **EC)
    assert result["failed"]
    assert store.live_path(NAME) in result["msg"]
    assert snapshot(tmp_path / "store") == before


# ---- digest, TLS feature, key types


def shown(entry):
    return openssl("req", "-noout", "-text", "-verify", stdin=entry["csr"].encode()).decode()


@pytest.mark.parametrize(
    ("params", "digest", "words"),
    [
        ({}, "sha256", "ecdsa-with-SHA256"),
        ({"digest": "sha512"}, "sha512", "ecdsa-with-SHA512"),
        ({"key_type": "ECDSA_P384"}, "sha384", "ecdsa-with-SHA384"),
        ({"key_type": "ECDSA_P384", "digest": "sha256"}, "sha256", "ecdsa-with-SHA256"),
        ({"key_type": "RSA", "key_size": 2048, "digest": "sha384"}, "sha384", "sha384WithRSAEncryption"),
        ({"key_type": "Ed25519"}, None, "Signature Algorithm: ED25519"),
        ({"key_type": "Ed25519", "digest": "sha512"}, None, "Signature Algorithm: ED25519"),
    ],
)
def test_digest(one, params, digest, words):
    entry = one(**params)
    assert entry["digest"] == digest
    assert words in shown(entry)
    assert not one(**params)["changed"]


def test_default_digest_is_the_same_when_it_is_named(one):
    one()
    assert not one(digest="sha256")["changed"]


def test_another_digest_is_another_request_but_no_other_certificate(request_, one, store):
    one()
    assert request_(name=NAME, digest="sha512", **EC)["problem"]["option"] == "pending_policy"
    one(state="absent")
    answer_and_promote(store, one)
    assert not one(digest="sha512")["changed"]


def test_must_staple(one, store):
    entry = one(must_staple=True)
    assert entry["must_staple"]
    assert "TLS Feature" in shown(entry)
    assert "status_request" in shown(entry)
    one(state="absent")
    answer_and_promote(store, one)
    assert "must_staple" in one(must_staple=True)["reason"]


def test_must_staple_is_warned_of(request_):
    (warning,) = request_(name=NAME, must_staple=True, **EC)["warnings"]
    assert "refuse to bind it to a daemon that sends none" in str(warning)


# ---- friendly name


LABEL = "Default SMTP Virtual Server"


def test_label_is_kept_beside_the_request(one, store):
    entry = one(friendly_name=LABEL)
    assert entry["friendly_name"] == LABEL
    assert LABEL not in shown(entry)
    assert json.loads(store.entry(NAME).pending.record)["friendly_name"] == LABEL
    again = one()
    assert not again["changed"]
    assert again["friendly_name"] == LABEL


def test_another_label_is_no_other_request(one, store):
    first = one(friendly_name=LABEL)
    second = one(friendly_name="Other")
    assert second["files"] == [store.pending_record_path(NAME)]
    assert second["csr"] == first["csr"]
    assert "friendly name was changed" in second["reason"]
    assert one(friendly_name="")["friendly_name"] is None
    assert not one()["changed"]


def test_label_of_a_live_certificate(one, store):
    answer_and_promote(store, one)
    entry = one(friendly_name=LABEL)
    assert entry["files"] == [store.live_record_path(NAME)]
    assert not entry["pending"]
    assert not one()["changed"]
    assert one(renew_at=0.001)["friendly_name"] == LABEL


def test_label_of_an_imported_certificate(one, store):
    key = new_key()
    make_live(store, key, ROOT.certify(key.public_key(), distinguished(NAME)))
    assert one(friendly_name=LABEL)["files"] == [store.live_record_path(NAME)]
    assert not one(friendly_name=LABEL)["changed"]
    assert one(friendly_name="")["files"] == [store.live_record_path(NAME)]
    assert not one()["changed"]


# ---- which key a renewal gets


def key_in(csr):
    return openssl("req", "-noout", "-pubkey", stdin=csr.encode())


def live_key(store):
    return openssl("pkey", "-pubout", stdin=store.entry(NAME).live.bundle)


def test_renewal_gets_a_new_key(one, store):
    answer_and_promote(store, one)
    entry = one(renew_at=0.001)
    assert not entry["key_reused"]
    assert key_in(entry["csr"]) != live_key(store)


def test_renewal_keeps_the_key_on_demand(one, store):
    answer_and_promote(store, one)
    live = store.entry(NAME).live.bundle
    entry = one(renew_at=0.001, renewal_key="reuse")
    assert entry["key_reused"]
    assert entry["reason"].endswith("; its key is kept")
    assert key_in(entry["csr"]) == live_key(store)
    assert store.entry(NAME).live.bundle == live
    for policy in ("reuse", "new"):
        again = one(renew_at=0.001, renewal_key=policy)
        assert not again["changed"]
        assert again["csr"] == entry["csr"]
    # once the answer is live, what is left is no request any more
    pending = store.entry(NAME).pending
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(pending.key + pem(ROOT.answer(entry["csr"])))
    assert "what was left of its request was removed" in one()["reason"]
    assert not store.entry(NAME).pending.exists


def test_key_of_another_kind_is_not_kept(one, store):
    answer_and_promote(store, one)
    entry = one(key_type="ECDSA_P384", renewal_key="reuse")
    assert not entry["key_reused"]
    assert entry["key_type"] == "ECDSA_P384"


def test_live_key_that_cannot_be_read_stops_a_renewal_with_it(request_, one, store, tmp_path):
    answer_and_promote(store, one)
    with open(store.live_path(NAME), "wb") as stream:
        key = new_key()
        stream.write(key_pem(key, b"secret") + pem(ROOT.certify(key.public_key(), distinguished(NAME))))
    before = snapshot(tmp_path / "store")
    result = request_(name=NAME, renew_at=0.001, renewal_key="reuse", **EC)
    assert "protected with a passphrase" in result["msg"]
    assert snapshot(tmp_path / "store") == before


# ---- bad input


@pytest.mark.parametrize(
    ("params", "option"),
    [
        ({"name": "../etc"}, "name"),
        ({"name": "*.example.test"}, "name"),
        ({"common_name": "not a host"}, "common_name"),
        ({"common_name": f"{'a' * 60}.example"}, "common_name"),
        ({"name": "under_score"}, "common_name"),
        ({"subject_alt_names": ["192.0.2.1"]}, "subject_alt_names"),
        ({"country": "Germany"}, "country"),
        ({"country": "Ä1"}, "country"),
        ({"organization": "x" * 65}, "organization"),
        ({"organization": "a\nb"}, "organization"),
        ({"email": "bücher@example.test"}, "email"),
        ({"friendly_name": "x" * 129}, "friendly_name"),
        ({"friendly_name": "a\nb"}, "friendly_name"),
        ({"renew_at": 0}, "renew_at"),
        ({"renew_at": 1.5}, "renew_at"),
        ({"requests": [{"name": NAME}, {"name": NAME}]}, "name"),
        ({"requests": [{"name": "a", "csr_path": "/x"}, {"name": "b", "csr_path": "/x"}]}, "csr_path"),
    ],
)
def test_bad_option(request_, tmp_path, params, option):
    result = request_(**params if "requests" in params else {"name": NAME, **params})
    assert result["failed"]
    assert "exception" not in result
    assert result["problem"]["option"] == option
    assert result["problem"]["remedy"]
    assert snapshot_of_files(tmp_path) == {}


def snapshot_of_files(directory):
    return {path: state for path, state in snapshot(directory).items() if not path.endswith("/lock")}


def test_copy_overwrites_nothing_else(request_, tmp_path, store):
    other = tmp_path / "precious"
    other.write_text("mine")
    for path in (other, store.live_path(NAME), store.pending_key_path("other")):
        result = request_(name=NAME, csr_path=str(path), **EC)
        assert result["problem"]["option"] == "csr_path"
    assert other.read_text() == "mine"


def test_name_or_list_is_needed(request_):
    assert "one of the following is required: name, requests" in request_()["msg"]


# ---- without cryptography


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(_cryptography_dep, "CRYPTOGRAPHY_VERSION", "37.0.0")


def test_missing_library(request_, bare):
    result = request_(name=NAME)
    assert result["failed"]
    assert "cryptography >= 38" in result["msg"]
    assert "python3-cryptography" in result["msg"]


@pytest.mark.usefixtures("bare")
def test_check_of_a_bare_host(request_, tmp_path, monkeypatch):
    predicted = request_(check=True, name=NAME, csr_path=str(tmp_path / "x.csr"), **EC)
    assert predicted["changed"]
    assert predicted["requests"][0]["csr"] is None
    monkeypatch.undo()


def test_check_of_a_bare_host_predicts_the_real_run(request_, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_cryptography_dep, "CRYPTOGRAPHY_VERSION", "37.0.0")
        predicted = request_(check=True, name=NAME, **EC)
    made = request_(name=NAME, **EC)
    assert predicted["files"] == made["files"]
    assert predicted["requests"][0].keys() == made["requests"][0].keys()


def test_cancelling_takes_no_library(request_, bare):
    assert not request_(name=NAME, state="absent")["changed"]


# ---- a new key now


def test_renew_now(store, one):
    answer_and_promote(store, one)
    assert not one()["changed"]
    assert one(check=True, renew="now")["changed"]
    made = one(renew="now")
    assert made["changed"]
    assert made["pending"]
    assert "asked for now" in made["reason"]
    assert not made["key_reused"]
    live = openssl("x509", "-pubkey", "-noout", stdin=store.entry(NAME).live.bundle)
    assert openssl("req", "-pubkey", "-noout", stdin=made["csr"].encode()) != live
    again = one(renew="now")
    assert not again["changed"]
    assert again["csr"] == made["csr"]


def test_renew_now_with_the_live_key(store, one):
    answer_and_promote(store, one)
    assert one(renew="now", renewal_key="reuse")["key_reused"]


def test_nothing_pins_a_key_that_is_thrown_away(store, one):
    predicted = one(check=True)
    assert (predicted["spki_sha256"], predicted["tlsa_3_1_1"]) == (None, None)
    made = one()
    assert made["tlsa_3_1_1"] == f"3 1 1 {made['spki_sha256']}"
    assert one(check=True)["spki_sha256"] == made["spki_sha256"]
    answer_and_promote(store, one)
    assert one()["tlsa_3_1_1"] is None
    assert one(check=True, renew="now", renewal_key="reuse")["spki_sha256"] == made["spki_sha256"]


# ---- where the names lead


@pytest.fixture
def dns(monkeypatch):
    """Has every name lead to one address, and notes which names were looked up."""
    asked = []

    def query(self, argv, **more):
        if argv[0] == "getent":
            asked.append(argv[-1])
            return Completed(0, "192.0.2.1 STREAM\n", "")
        return real(self, argv, **more)

    real = Host.query
    monkeypatch.setattr(Host, "query", query)
    return asked


def test_names_that_lead_elsewhere(request_, one, dns, tmp_path):
    elsewhere = {"expected_addresses": ["192.0.2.7"], "subject_alt_names": ["*.example.test"]}
    assert one(check_dns="fail", expected_addresses=["192.0.2.1"], check=True)["changed"]
    before = snapshot(tmp_path)
    refused = request_(name=NAME, check_dns="fail", **EC, **elsewhere)
    assert refused["problem"]["option"] == "check_dns"
    assert f"{NAME} resolves to 192.0.2.1; expected: 192.0.2.7" in refused["msg"]
    assert {**snapshot(tmp_path), "": ()}.keys() - before.keys() <= {"", str(tmp_path / "lock")}
    warned = request_(name=NAME, check_dns="warn", **EC, **elsewhere)
    assert warned["changed"]
    assert "resolves to 192.0.2.1" in str(warned["warnings"])
    assert dns == [NAME] * 3
    assert "warnings" not in request_(name=NAME, check_dns="fail", **EC, **elsewhere)  # pending: not looked at again
    assert dns == [NAME] * 3


def test_names_are_not_looked_up_by_default(one, dns):
    one()
    assert dns == []


# ---- directories of others


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("plant", PLANTS)
def test_what_somebody_else_planted_for_the_copy(plant, state, check, request_, tmp_path):
    theirs = directory_of_nobody(tmp_path)
    plant(theirs / "copy", tmp_path / "outside")
    before = os.lstat(theirs / "copy")
    result = request_(check, name=NAME, csr_path=str(theirs / "copy"), state=state, **EC)
    assert result["problem"]["option"] == "csr_path"
    assert f"the directory {theirs} belongs to nobody (mode 0755)" in result["problem"]["found"]
    assert os.lstat(theirs / "copy") == before
    assert os.listdir(theirs) == ["copy"]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("option", ["csr_path", "store"])
def test_relative_path(option, check, request_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = request_(check, name=NAME, **EC, **{option: "relative"})
    assert result["problem"]["option"] == option
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check", [False, True])
def test_store_of_somebody_else(check, request_, tmp_path):
    theirs = directory_of_nobody(tmp_path)
    result = request_(check, name=NAME, store=str(theirs / "store"), **EC)
    assert result["problem"]["option"] == "store"
    assert list(theirs.iterdir()) == []


def test_two_copies_at_one_place(request_, tmp_path):
    (tmp_path / "linked").symlink_to(tmp_path)
    both = [("a.example.test", tmp_path / "copy"), ("b.example.test", tmp_path / "linked/copy")]
    result = request_(requests=[{"name": name, "csr_path": str(path), **EC} for name, path in both])
    assert result["problem"]["found"] == "two requests would be written to the same file"
