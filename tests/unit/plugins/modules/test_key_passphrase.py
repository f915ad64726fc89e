# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key under a passphrase, from request to backup."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import pem as pem_text
from ansible_collections.postmaster.secure_channel.plugins.modules import (
    mail_cert_export,
    mail_cert_info,
    mail_cert_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    call,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.installations import (
    ISSUING,
    files,
    put,
    read,
)

SECRET = "päss\\word 1"
FULL_COST = keys.ITERATIONS  # the other tests get by with less

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture
def asked(store, capsys):
    """Calls mail_cert_request and gives its result, good or bad."""

    def run(check=False, **params):
        params = {"name": NAME, "key_type": "ECDSA_P256", "store": store.root, **params}
        return call(mail_cert_request.main, capsys, params, check=check)

    return run


@pytest.fixture
def protected(asked, good):
    """Makes a protected certificate live and gives its leaf."""

    def run(**options):
        csr = asked(key_passphrase=SECRET)["requests"][0]["csr"]
        leaf = ISSUING.answer(csr, **options)
        good(leaf, ISSUING.certificate, key_passphrase=SECRET)
        return leaf

    return run


def public_key(text, passphrase=""):
    """As openssl reads it."""
    return openssl("pkey", "-pubout", "-passin", f"pass:{passphrase}", stdin=text)


# ---- request


def test_pending_key_is_encrypted(asked, store, monkeypatch):
    monkeypatch.setattr(keys, "ITERATIONS", FULL_COST)
    result = asked(key_passphrase=SECRET)
    assert result["changed"]
    key = store.entry(NAME).pending.key
    assert key.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(os.stat(store.pending_key_path(NAME)).st_mode) == 0o600
    request = openssl("req", "-pubkey", "-noout", stdin=result["requests"][0]["csr"].encode())
    assert public_key(key, SECRET) == request
    parameters = openssl("asn1parse", stdin=key).decode()
    assert "PBKDF2" in parameters
    assert "hmacWithSHA256" in parameters
    assert "aes-256-cbc" in parameters
    assert f"{FULL_COST:06X}" in parameters
    assert SECRET not in str(result)


@pytest.mark.parametrize("again", [None, SECRET])
def test_second_request_changes_nothing(asked, store, tmp_path, again):
    asked(key_passphrase=SECRET)
    before = files(tmp_path)
    result = asked(key_passphrase=again) if again else asked()
    assert not result["changed"]
    assert result["requests"][0]["pending"]
    assert files(tmp_path) == before


@pytest.mark.parametrize("params", [{}, {"organization": "X", "pending_policy": "replace"}])
def test_wrong_passphrase_of_a_pending_key(asked, tmp_path, params):
    asked(key_passphrase=SECRET)
    before = files(tmp_path)
    result = asked(key_passphrase="wrong", **params)
    assert result["problem"]["option"] == "key_passphrase"
    assert "does not open" in result["msg"]
    assert files(tmp_path) == before


def test_closed_key_is_never_overwritten(asked, store, tmp_path):
    asked(key_passphrase=SECRET)
    before = files(tmp_path)
    result = asked(organization="X", pending_policy="replace")
    assert result["problem"]["option"] == "key_passphrase"
    assert "none was given" in result["msg"]
    assert files(tmp_path) == before
    os.unlink(store.pending_request_path(NAME))
    assert "none was given" in asked()["msg"]
    assert asked(key_passphrase=SECRET)["requests"][0]["reason"].startswith("the pending request was lost")


def test_open_pending_key_is_put_under_the_passphrase(asked, store):
    asked()
    before = public_key(store.entry(NAME).pending.key)
    assert asked(key_passphrase=SECRET, check=True)["changed"]
    result = asked(key_passphrase=SECRET)
    assert result["files"] == [store.pending_key_path(NAME)]
    assert "encrypted with the passphrase" in result["reason"]
    assert public_key(store.entry(NAME).pending.key, SECRET) == before
    assert not asked(key_passphrase=SECRET)["changed"]


@pytest.mark.parametrize("passphrase", ["", "a\nb", "ä" * 501])
def test_unfit_passphrase(asked, refused, tmp_path, passphrase):
    before = files(tmp_path)
    assert asked(key_passphrase=passphrase)["problem"]["option"] == "key_passphrase"
    assert files(tmp_path) == before
    assert refused(key_passphrase=passphrase)["option"] == "key_passphrase"


def test_cancelled_without_passphrase(asked, store):
    asked(key_passphrase=SECRET)
    assert asked(state="absent")["changed"]
    assert not store.entry(NAME).pending.exists


def test_renewal_with_the_protected_live_key(asked, good, protected, store):
    protected(not_before=NOW - 90 * DAY, not_after=NOW + DAY)
    old = public_key(store.entry(NAME).live.bundle, SECRET)
    assert asked(renewal_key="reuse")["problem"]["option"] == "key_passphrase"
    again = asked(renewal_key="reuse", key_passphrase=SECRET)["requests"][0]
    assert again["key_reused"]
    assert public_key(store.entry(NAME).pending.key, SECRET) == old
    good(ISSUING.answer(again["csr"]), ISSUING.certificate, key_passphrase=SECRET)
    assert public_key(store.entry(NAME).live.bundle, SECRET) == old


def test_renewal_that_drops_the_protection_is_told(asked, protected):
    protected(not_before=NOW - 90 * DAY, not_after=NOW + DAY)
    assert "no key_passphrase was given" in str(asked()["warnings"])
    assert "warnings" not in asked()


# ---- install


def test_live_key_stays_encrypted_and_copies_are_open(asked, good, store):
    csr = asked(key_passphrase=SECRET)["requests"][0]["csr"]
    key, leaf = store.entry(NAME).pending.key, ISSUING.answer(csr)
    put(store.deployed_path("postfix", NAME), b"old", 0o640)
    entry = good(leaf, ISSUING.certificate, key_passphrase=SECRET)
    assert read(store.live_path(NAME)) == key + pem(leaf, ISSUING.certificate)
    copy = store.deployed("postfix", NAME)
    assert copy.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert copy.endswith(pem(leaf, ISSUING.certificate))
    assert public_key(copy) == public_key(key, SECRET)
    assert stat.S_IMODE(os.stat(store.deployed_path("postfix", NAME)).st_mode) == 0o640
    assert not store.entry(NAME).pending.exists
    assert SECRET not in str(entry)


@pytest.mark.parametrize("again", [{}, {"key_passphrase": SECRET}])
def test_second_install_changes_nothing(good, protected, store, tmp_path, again):
    leaf = protected()
    put(store.deployed_path("postfix", NAME), b"old")
    good(leaf, ISSUING.certificate, key_passphrase=SECRET)
    before = files(tmp_path)
    assert not good(leaf, ISSUING.certificate, **again)["changed"]
    assert files(tmp_path) == before


@pytest.mark.parametrize(("given", "words"), [({}, "none was given"), ({"key_passphrase": "wr0ng"}, "does not open")])
def test_passphrase_that_does_not_open_the_pending_key(asked, refused, given, words):
    leaf = ISSUING.answer(asked(key_passphrase=SECRET)["requests"][0]["csr"])
    problem = refused(leaf, ISSUING.certificate, **given)
    assert problem["option"] == "key_passphrase"
    assert words in problem["found"]


def test_needless_passphrase(asked, good, refused):
    leaf = ISSUING.answer(asked()["requests"][0]["csr"])
    problem = refused(leaf, ISSUING.certificate, key_passphrase="wr0ng")
    assert problem["option"] == "key_passphrase"
    assert "not protected" in problem["found"]
    good(leaf, ISSUING.certificate)
    assert "not protected" in refused(leaf, ISSUING.certificate, key_passphrase="wr0ng")["found"]


@pytest.mark.parametrize(("given", "words"), [({}, "none was given"), ({"key_passphrase": "wr0ng"}, "does not open")])
def test_copy_that_must_be_made_anew_needs_the_passphrase(protected, refused, good, store, given, words):
    leaf = protected()
    put(store.deployed_path("postfix", NAME), key_pem(new_key()) + pem(leaf, ISSUING.certificate))  # another key
    assert words in refused(leaf, ISSUING.certificate, **given)["found"]
    assert good(leaf, ISSUING.certificate, key_passphrase=SECRET)["files"] == [store.deployed_path("postfix", NAME)]


def test_new_certificate_for_the_protected_live_key(protected, good, store):
    leaf = protected()
    key = pem_text.key_block(store.entry(NAME).live.bundle)
    later = ISSUING.certify(leaf.public_key(), distinguished(NAME), not_after=NOW + 200 * DAY)
    good(later, ISSUING.certificate, key_passphrase=SECRET)
    assert store.entry(NAME).live.bundle == key + pem(later, ISSUING.certificate)


def test_answer_that_is_live_while_a_protected_renewal_is_pending(asked, protected, good):
    leaf = protected(not_before=NOW - 90 * DAY, not_after=NOW + DAY)
    asked(key_passphrase=SECRET)
    assert not good(leaf, ISSUING.certificate)["changed"]


def test_imported_key_is_put_under_the_passphrase(good, store, tmp_path):
    key = new_key()
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME))
    backup = key_pem(key, b"other")
    good(leaf, ISSUING.certificate, backup, passphrase="other", key_passphrase=SECRET)
    assert public_key(store.entry(NAME).live.bundle, SECRET) == public_key(key_pem(key))
    before = files(tmp_path)
    assert not good(leaf, ISSUING.certificate, backup, passphrase="other", key_passphrase=SECRET)["changed"]
    assert files(tmp_path) == before


# ---- info and export


def test_info_needs_no_passphrase(asked, protected, store, capsys):
    protected(not_before=NOW - 90 * DAY, not_after=NOW + DAY)
    asked(key_passphrase=SECRET)
    (found,) = call(mail_cert_info.main, capsys, {"store": store.root})["certificates"]
    assert found["faults"] == []
    assert found["live"]["key_protected"]
    assert found["pending"]["key_protected"]
    assert found["due"]


def test_export(protected, store, capsys, tmp_path):
    leaf = protected()

    def export(**params):
        backup = {"path": tmp_path / "backup.pem", "format": "pem", "passphrase": "backup"}
        return call(mail_cert_export.main, capsys, {"name": NAME, "store": store.root, **backup, **params})

    assert "none was given" in export()["msg"]
    assert "does not open" in export(key_passphrase="wr0ng")["msg"]
    assert export(key_passphrase=SECRET)["changed"]
    assert public_key(read(tmp_path / "backup.pem"), "backup") == public_key(store.entry(NAME).live.bundle, SECRET)
    assert not export()["changed"]
    put(store.live_path(NAME), key_pem(new_key()) + pem(leaf))
    assert "not protected" in export(key_passphrase=SECRET)["msg"]
