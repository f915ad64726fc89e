# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import stat

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _cryptography_dep
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import probe
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_install
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
    snapshot,
    undocumented,
)
from ansible_collections.postmaster.secure_channel.tests.support.installations import (
    ISSUING,
    ROOT,
    files,
    put,
    read,
)

pytestmark = pytest.mark.usefixtures("surroundings")


# ---- from request to live


def test_answer_becomes_live(request_, good, store):
    csr = request_(subject_alt_names=["imap.example.test"])
    key, record = store.entry(NAME).pending.key, store.entry(NAME).pending.record
    leaf = ISSUING.answer(csr)
    entry = good(ROOT.certificate, ISSUING.certificate, leaf)
    assert entry["changed"]
    assert entry["reason"] == "the CA's answer to the pending request was installed"
    assert read(store.live_path(NAME)) == key + pem(leaf, ISSUING.certificate)
    assert store.entry(NAME).live.record == record
    assert not store.entry(NAME).pending.exists
    assert entry["path"] == store.live_path(NAME)
    assert entry["chain"] == ["CN=Issuing"]
    assert entry["names"] == [NAME, "imap.example.test"]
    assert entry["issuer"] == "CN=Issuing"
    assert entry["days_left"] == 89
    assert entry["sha256"] == hashlib.sha256(der(leaf)).hexdigest()
    assert entry["converted_from"] is None
    state = os.stat(store.live_path(NAME))
    assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (0, 0, 0o600)
    assert stat.S_IMODE(os.stat(store.root).st_mode) == 0o755


def test_second_run_changes_nothing(request_, good, tmp_path):
    leaf = ISSUING.answer(request_())
    first = good(leaf, ISSUING.certificate)
    before = files(tmp_path)
    second = good(ISSUING.certificate, leaf, ROOT.certificate)
    assert not second["changed"]
    assert second["files"] == []
    assert second["reason"] == "this certificate is live already"
    assert files(tmp_path) == before
    same = ("subject", "issuer", "serial", "sha256", "chain", "path")
    assert {key: first[key] for key in same} == {key: second[key] for key in same}


def test_check_mode_predicts_and_writes_nothing(request_, install, tmp_path):
    leaf = ISSUING.answer(request_())
    before = snapshot(tmp_path)
    predicted = install(leaf, ISSUING.certificate, check=True)
    assert snapshot(tmp_path) == before
    assert predicted == install(leaf, ISSUING.certificate)


def test_request_is_satisfied_afterwards(request_, good):
    good(ISSUING.answer(request_()), ISSUING.certificate)
    assert request_() is None


def test_der_file(request_, good, tmp_path):
    path = tmp_path / "answer.cer"
    path.write_bytes(der(ISSUING.answer(request_())))
    entry = good(src=path, chain=pem(ISSUING.certificate).decode())
    assert entry["converted_from"] == "DER"
    assert entry["chain"] == ["CN=Issuing"]


def test_no_key_in_result_or_diff(request_, install, store):
    leaf = ISSUING.answer(request_())
    result = install(leaf, ISSUING.certificate)
    assert "PRIVATE" not in json.dumps(result)
    assert read(store.live_path(NAME)).splitlines()[1].decode() not in json.dumps(result)
    (diff,) = result["diff"]
    assert diff["before"] == {}
    assert diff["after"]["subject"] == f"CN={NAME}"
    assert "days_left" not in diff["after"]


def test_renewal_replaces_the_live_certificate(request_, good, store):
    old = ISSUING.answer(request_())
    good(old, ISSUING.certificate)
    new = ISSUING.answer(request_(renew_at=0.001))
    assert read(store.live_path(NAME)).count(pem(old)) == 1  # undisturbed until the answer is installed
    entry = good(new, ISSUING.certificate)
    assert entry["reason"] == "the CA's answer to the pending request replaced the live certificate"
    assert pem(old) not in read(store.live_path(NAME))


def test_old_answer_given_again_leaves_a_renewal_pending(request_, good, store):
    old = ISSUING.answer(request_())
    good(old, ISSUING.certificate)
    csr = request_(renew_at=0.001)
    assert not good(old, ISSUING.certificate)["changed"]
    assert store.entry(NAME).pending.request.decode() == csr


def test_new_certificate_for_the_live_key(request_, good, store):
    csr = request_()
    good(ISSUING.answer(csr), ISSUING.certificate)
    record = store.entry(NAME).live.record
    again = ISSUING.answer(csr, not_after=NOW + 180 * DAY)
    entry = good(again, ISSUING.certificate)
    assert entry["changed"]
    assert entry["reason"] == "a new certificate for the live key was installed"
    assert pem(again) in read(store.live_path(NAME))
    assert store.entry(NAME).live.record == record


def test_chain_that_was_renewed(request_, good):
    leaf = ISSUING.answer(request_())
    good(leaf, ISSUING.certificate)
    renewed = Authority("Issuing", ROOT, key=ISSUING.key)
    assert good(leaf, renewed.certificate)["changed"]
    assert not good(leaf, renewed.certificate)["changed"]


def test_leftovers_of_a_run_that_died(request_, good, store):
    leaf = ISSUING.answer(request_())
    pending = store.entry(NAME).pending
    entry = good(leaf, ISSUING.certificate)
    put(store.pending_key_path(NAME), pending.key)
    put(store.pending_record_path(NAME), pending.record)
    entry = good(leaf, ISSUING.certificate)
    assert entry["changed"]
    assert "what was left of its request was removed" in entry["reason"]
    assert set(entry["files"]) == {store.pending_key_path(NAME), store.pending_record_path(NAME)}
    assert not good(leaf, ISSUING.certificate)["changed"]


def test_several_in_one_call(request_, install, store, trust_store):
    answers = [
        {"name": name, "content": pem(ISSUING.answer(request_(name=name)), ISSUING.certificate).decode()}
        for name in ("a.example.test", "b.example.test")
    ]
    answers = [{**one, "trust_store": str(trust_store)} for one in answers]
    result = install(certificates=answers)
    assert [entry["name"] for entry in result["certificates"]] == ["a.example.test", "b.example.test"]
    assert store.names() == ["a.example.test", "b.example.test"]
    assert not install(certificates=answers)["changed"]


def test_all_or_none(request_, install, store, trust_store):
    answers = [
        {"name": name, "content": pem(ISSUING.answer(request_(name=name)), *chain).decode()}
        for name, chain in (("a.example.test", [ISSUING.certificate]), ("b.example.test", []))
    ]
    result = install(certificates=[{**one, "trust_store": str(trust_store)} for one in answers])
    assert "certificate b.example.test" in result["msg"]
    assert store.names() == []


def test_what_is_documented_is_what_is_returned(request_, install):
    documented = yaml.safe_load(mail_cert_install.RETURN)
    problem = install(b"garbage")["problem"]
    leaf = ISSUING.answer(request_())
    predicted = install(check=True)
    result = install(leaf, ISSUING.certificate)
    for one in (result, predicted):
        del one["changed"], one["diff"]
        assert undocumented(one, documented) == []
    assert undocumented({"problem": problem}, documented) == []
    assert set(result) | {"problem"} == set(documented)
    (entry,), inner = result["certificates"], documented["certificates"]["contains"]
    assert set(entry) == set(inner)
    assert set(predicted["certificates"][0]) == {key for key in inner if inner[key]["returned"] == "always"}


# ---- whatever form it comes in


def pkcs12_of(key, *certificates, passphrase="secret", name="Default SMTP Virtual Server", options=()):
    """PKCS#12 as OpenSSL makes it."""
    leaf, *chain = certificates
    text = key_pem(key) + pem(leaf) + pem(*chain)
    arguments = ("-export", "-name", name, "-passout", f"pass:{passphrase}", *options)
    return openssl("pkcs12", *arguments, stdin=text)


def pkcs7_of(*certificates, form="DER"):
    return openssl("crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", form, stdin=pem(*certificates))


FORMS = {
    "PKCS#7 DER": (lambda leaf: pkcs7_of(ISSUING.certificate, leaf), "PKCS#7"),
    "PKCS#7 PEM": (lambda leaf: pkcs7_of(leaf, ISSUING.certificate, form="PEM"), "PKCS#7"),
    "PKCS#7 beside PEM": (lambda leaf: pem(leaf) + pkcs7_of(ISSUING.certificate, form="PEM"), "PKCS#7"),
    "base64 of PKCS#7": (lambda leaf: base64.encodebytes(pkcs7_of(leaf, ISSUING.certificate)), "PKCS#7"),
    "PEM": (lambda leaf: pem(leaf, ISSUING.certificate), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_form_of_the_answer(request_, good, store, tmp_path, form):
    make, converted_from = FORMS[form]
    leaf = ISSUING.answer(request_())
    path = tmp_path / "answer"
    path.write_bytes(make(leaf))
    entry = good(src=path)
    assert entry["converted_from"] == converted_from
    assert read(store.live_path(NAME)).endswith(pem(leaf, ISSUING.certificate))


def test_base64_of_der_in_content(request_, good):
    leaf = ISSUING.answer(request_())
    entry = good(base64.b64encode(der(leaf)), chain=base64.b64encode(pkcs7_of(ISSUING.certificate)).decode())
    assert entry["converted_from"] == "DER"
    assert entry["chain"] == ["CN=Issuing"]


# ---- a backup with its key


KEY = new_key()
BACKED_UP = ISSUING.certify(KEY.public_key(), distinguished(NAME))


@pytest.fixture
def backup(tmp_path):
    path = tmp_path / "backup.p12"
    path.write_bytes(pkcs12_of(KEY, BACKED_UP, ISSUING.certificate))
    return path


def test_import(good, store, backup):
    entry = good(src=backup, passphrase="secret")
    assert entry["reason"] == "the certificate that came with its key was imported"
    assert (entry["converted_from"], entry["friendly_name"]) == ("PKCS#12", "Default SMTP Virtual Server")
    assert read(store.live_path(NAME)) == key_pem(KEY) + pem(BACKED_UP, ISSUING.certificate)
    assert stat.S_IMODE(os.stat(store.live_path(NAME)).st_mode) == 0o600
    again = good(src=backup, passphrase="secret")
    assert not again["changed"]
    assert again["friendly_name"] == "Default SMTP Virtual Server"


def test_import_in_check_mode(install, backup, tmp_path):
    before = files(tmp_path)
    predicted = install(src=backup, passphrase="secret", check=True)
    assert files(tmp_path) == before
    assert predicted == install(src=backup, passphrase="secret")
    assert "secret" not in json.dumps(predicted)
    assert "PRIVATE" not in json.dumps(predicted)


@pytest.mark.parametrize("passphrase", [None, "secret"])
def test_import_of_pem(good, store, passphrase):
    key = key_pem(KEY, passphrase.encode() if passphrase else b"")
    text = b"Bag Attributes\n    friendlyName: The mail server\n" + key
    entry = good(text, BACKED_UP, ISSUING.certificate, **({"passphrase": passphrase} if passphrase else {}))
    assert entry["friendly_name"] == "The mail server"
    assert entry["converted_from"] is None
    assert read(store.live_path(NAME)) == key_pem(KEY) + pem(BACKED_UP, ISSUING.certificate)


def test_key_and_passphrase_are_not_logged(store, trust_store, capsys, monkeypatch):
    told = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, msg, log_args=None: told.append(f"{msg} {log_args}"))
    for passphrase in ({}, {"passphrase": "pass\\word"}):
        text = (key_pem(KEY, passphrase.get("passphrase", "").encode()) + pem(BACKED_UP, ISSUING.certificate)).decode()
        one = {"name": NAME, "content": text, "trust_store": str(trust_store), **passphrase}
        for params in (one, {"certificates": [one]}):
            arguments = {**params, "store": store.root, "_ansible_remote_tmp": "/tmp", "_ansible_check_mode": True}
            with patch_module_args(arguments), contextlib.suppress(SystemExit):
                mail_cert_install.main()
            told.append(capsys.readouterr().out)
            assert json.loads(told[-1])["changed"]
    assert [line for line in text.splitlines() if len(line) > 40 and line in "".join(told)] == []
    assert "word" not in "".join(told).replace("password", "")


def test_request_after_an_import_has_nothing_to_do(good, request_, backup):
    good(src=backup, passphrase="secret")
    assert request_() is None


def test_answer_with_the_pending_key(request_, good, store, tmp_path):
    request_()
    put(store.pending_key_path(NAME), key_pem(KEY))
    path = tmp_path / "answer.p12"
    path.write_bytes(pkcs12_of(KEY, BACKED_UP, ISSUING.certificate, passphrase=""))
    assert good(src=path)["reason"] == "the CA's answer to the pending request was installed"
    assert not store.entry(NAME).pending.exists


def test_backup_does_not_disturb_a_pending_request(request_, refused, backup):
    request_()
    assert "does not belong to the key of the pending" in refused(src=backup, passphrase="secret")["found"]


def test_backup_never_replaces_a_newer_certificate(request_, good, refused, backup):
    good(ISSUING.answer(request_(), not_after=NOW + 91 * DAY), ISSUING.certificate)
    assert "at least as long" in refused(src=backup, passphrase="secret")["found"]


def test_backup_replaces_an_older_certificate(request_, good, store, backup):
    good(ISSUING.answer(request_(), not_after=NOW + 9 * DAY), ISSUING.certificate)
    assert good(src=backup, passphrase="secret")["reason"].endswith("replaced the live certificate")
    assert json.loads(store.entry(NAME).live.record) == {"friendly_name": "Default SMTP Virtual Server"}


UNPROTECTED = ("-keypbe", "NONE", "-certpbe", "NONE", "-nomac")
PASSPHRASES = {
    "PKCS#12, none": (pkcs12_of(KEY, BACKED_UP), None, "none was given"),
    "PKCS#12, wrong": (pkcs12_of(KEY, BACKED_UP), "wrong", "does not open"),
    "PKCS#12, empty": (pkcs12_of(KEY, BACKED_UP), "", "does not open"),
    "PKCS#12, needless": (pkcs12_of(KEY, BACKED_UP, passphrase=""), "secret", "is not protected"),
    "PKCS#12 without any, needless": (
        pkcs12_of(KEY, BACKED_UP, passphrase="", options=UNPROTECTED),
        "secret",
        "is not protected",
    ),
    "PEM, none": (key_pem(KEY, b"secret") + pem(BACKED_UP), None, "none was given"),
    "PEM, wrong": (key_pem(KEY, b"secret") + pem(BACKED_UP), "wrong", "does not open"),
    "PEM, empty": (key_pem(KEY, b"secret") + pem(BACKED_UP), "", "does not open"),
    "PEM, needless": (key_pem(KEY) + pem(BACKED_UP), "secret", "is not protected"),
    "no key": (pem(BACKED_UP), "secret", "there is no key in it"),
    "no key, DER": (der(BACKED_UP), "secret", "there is no key in it"),
    "no key, PKCS#7": (pkcs7_of(BACKED_UP), "secret", "there is no key in it"),
}


@pytest.mark.parametrize("what", PASSPHRASES)
def test_faults_with_passphrases_are_told_apart(refused, tmp_path, what):
    data, passphrase, found = PASSPHRASES[what]
    path = tmp_path / "backup"
    path.write_bytes(data)
    problem = refused(src=path, **({} if passphrase is None else {"passphrase": passphrase}))
    assert found in problem["found"]
    assert problem["option"] == "passphrase"


BAD_BACKUPS = {
    "another key": (pem(BACKED_UP) + key_pem(new_key()), "does not belong to the certificate in it"),
    "two keys": (pem(BACKED_UP) + key_pem(KEY) + key_pem(new_key()), "2 private keys"),
    "only a key": (key_pem(KEY), "no certificate in it but a private key"),
    "only a key, PKCS#12": (
        openssl("pkcs12", "-export", "-nocerts", "-inkey", "/dev/stdin", "-passout", "pass:", stdin=key_pem(KEY)),
        "no certificate in it but a private key",
    ),
    "a damaged key": (pem(BACKED_UP) + key_pem(KEY).replace(b"MIG", b"MIA"), "the private key in it cannot be read"),
    "cut off PKCS#12": (pkcs12_of(KEY, BACKED_UP, passphrase="")[:-9], "cut off"),
    "cut off PKCS#7": (pkcs7_of(BACKED_UP)[:-9], "cut off"),
    "empty PKCS#7": (openssl("crl2pkcs7", "-nocrl", "-outform", "DER"), "certificate"),
    "damaged PKCS#7": (pkcs7_of(BACKED_UP)[:20] + b"\xff" * 9 + pkcs7_of(BACKED_UP)[29:], "cannot be read"),
    "a request, DER": (
        openssl("req", "-new", "-key", "/dev/stdin", "-subj", "/CN=x", "-outform", "DER", stdin=key_pem(KEY)),
        "this is a request",
    ),
    "too many in PKCS#7": (
        pkcs7_of(*(ISSUING.certify(KEY.public_key(), distinguished(NAME)) for _number in range(65))),
        "65 certificates",
    ),
}


@pytest.mark.parametrize("what", BAD_BACKUPS)
def test_bad_backup(refused, tmp_path, what):
    data, found = BAD_BACKUPS[what]
    path = tmp_path / "backup"
    path.write_bytes(data)
    problem = refused(src=path)
    assert found in problem["found"]
    assert problem["option"] == "src"


def test_no_key_among_the_chain(request_, refused):
    problem = refused(ISSUING.answer(request_()), chain=(key_pem(KEY, b"secret") + pem(ISSUING.certificate)).decode())
    assert problem["found"] == "there is a private key in it"
    assert problem["option"] == "chain"


# ---- a renewal with the same key


def test_old_answer_given_again_leaves_a_renewal_with_the_same_key_pending(request_, good, store):
    old = ISSUING.answer(request_())
    good(old, ISSUING.certificate)
    csr = request_(renew_at=0.001, renewal_key="reuse")
    assert not good(old, ISSUING.certificate)["changed"]
    assert store.entry(NAME).pending.request.decode() == csr
    new = ISSUING.answer(csr)
    entry = good(new, ISSUING.certificate)
    assert entry["reason"] == "the CA's answer to the pending request replaced the live certificate"
    assert not store.entry(NAME).pending.exists
    assert not good(new, ISSUING.certificate)["changed"]
    assert request_(renewal_key="reuse") is None


def test_label_of_the_request(request_, good):
    leaf = ISSUING.answer(request_(friendly_name="Ours"))
    assert good(leaf, ISSUING.certificate)["friendly_name"] == "Ours"
    assert good(leaf, ISSUING.certificate)["friendly_name"] == "Ours"


@pytest.mark.parametrize("key_type", ["RSA", "ECDSA_P384", "Ed25519"])
def test_every_kind_of_key(request_, good, key_type):
    entry = good(ISSUING.answer(request_(key_type=key_type)), ISSUING.certificate)
    assert entry["key_type"] == key_type


# ---- the daemons that use it


@pytest.fixture
def in_use(request_, good, store):
    """A live certificate with two daemons' copies, and the answer to its renewal."""
    old = ISSUING.answer(request_())
    good(old, ISSUING.certificate)
    for daemon, mode in (("postfix", 0o600), ("dovecot", 0o640)):
        put(store.deployed_path(daemon, NAME), read(store.live_path(NAME)), mode)
    os.chown(store.deployed_path("dovecot", NAME), 1, 2)
    return ISSUING.answer(request_(renew_at=0.001))


def test_daemons_get_it_and_prove_it(in_use, install, store, journal):
    result = install(in_use, ISSUING.certificate)
    live = read(store.live_path(NAME))
    assert result["activated"] == ["dovecot", "postfix"]
    for daemon, owner in (("postfix", (0, 0, 0o600)), ("dovecot", (1, 2, 0o640))):
        state = os.stat(store.deployed_path(daemon, NAME))
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == owner
        assert read(store.deployed_path(daemon, NAME)) == live
    assert journal == [
        "dovecot check",
        "postfix check",
        "dovecot activate",
        "postfix activate",
        *(f"{daemon} serves {NAME} {hashlib.sha256(der(in_use)).hexdigest()}" for daemon in ("dovecot", "postfix")),
    ]
    journal.clear()
    assert not install(in_use, ISSUING.certificate)["changed"]
    assert journal == []


def test_must_staple_is_refused_where_a_daemon_uses_it(in_use, install, request_, daemons, journal, tmp_path):
    daemons["dovecot"].serves = [Vserver("imap", certificate=NAME)]
    stapled = ISSUING.answer(request_(renew_at=0.001), must_staple=True)
    before = snapshot(tmp_path / "store")
    for check_mode in (True, False):
        problem = install(stapled, ISSUING.certificate, check=check_mode)["problem"]
        assert problem["object"] == f"certificate {NAME}"
        assert "dovecot, which uses the live one for virtual server imap/default, sends none" in problem["found"]
    assert (journal, snapshot(tmp_path / "store")) == ([], before)
    daemons["dovecot"].staple = True
    assert install(stapled, ISSUING.certificate)["changed"]


def test_check_mode_disturbs_no_daemon(in_use, install, journal, tmp_path):
    before = snapshot(tmp_path)
    predicted = install(in_use, ISSUING.certificate, check=True)
    assert journal == []
    assert snapshot(tmp_path) == before
    assert predicted["activated"] == ["dovecot", "postfix"]
    assert predicted == install(in_use, ISSUING.certificate)


def test_everything_is_put_back_when_a_daemon_fails(in_use, install, daemons, journal, tmp_path):
    before = files(tmp_path)
    daemons["postfix"].refuses = True
    result = install(in_use, ISSUING.certificate)
    assert "postfix died; everything was put back as it was" in result["msg"]
    assert files(tmp_path) == before
    assert journal[-2:] == ["dovecot activate", "postfix activate"]


def test_everything_is_put_back_when_the_wire_shows_another(in_use, install, monkeypatch, tmp_path):
    def prove(*_arguments):
        raise Problem("imap shows another certificate", "look at the log")

    monkeypatch.setattr(probe, "prove_served", prove)
    before = files(tmp_path)
    assert "imap shows another certificate; everything was put back" in install(in_use, ISSUING.certificate)["msg"]
    assert files(tmp_path) == before


def test_copy_that_fell_behind_is_put_right(in_use, install, store, journal):
    install(in_use, ISSUING.certificate)
    journal.clear()
    put(store.deployed_path("postfix", NAME), b"old")
    result = install(in_use, ISSUING.certificate)
    assert result["activated"] == ["postfix"]
    assert result["files"] == [store.deployed_path("postfix", NAME)]
    assert "corrected" in result["reason"]
    assert journal[0] == "postfix check"


def test_copy_of_a_daemon_that_is_gone_stays(in_use, install, store, daemons):
    old = read(store.deployed_path("postfix", NAME))
    del daemons["postfix"]
    assert install(in_use, ISSUING.certificate)["activated"] == ["dovecot"]
    assert read(store.deployed_path("postfix", NAME)) == old


# ---- check mode before there is anything


@pytest.mark.parametrize("params", [{}, {"content": ""}, {"src": "/nonexistent/answer.pem"}])
def test_check_without_an_answer(request_, install, params, tmp_path):
    leaf = ISSUING.answer(request_())
    before = snapshot(tmp_path)
    predicted = install(check=True, **params)
    assert snapshot(tmp_path) == before
    assert predicted["changed"]
    assert "not known in check mode" in predicted["reason"]
    assert predicted["files"] == install(leaf, ISSUING.certificate)["files"]


def test_check_of_a_bare_host(request_, install, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_cryptography_dep, "CRYPTOGRAPHY_VERSION", "0")
        predicted = install(check=True)
        assert "python3-cryptography" in install(b"x")["msg"]
    assert predicted["changed"]
    assert predicted["files"] == install(ISSUING.answer(request_()), ISSUING.certificate)["files"]


def test_check_before_the_request(install):
    key = new_key()
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME))
    predicted = install(leaf, ISSUING.certificate, check=True)
    assert predicted["changed"]
    assert "not pending yet" in predicted["reason"]


def test_check_without_an_answer_in_use(in_use, install):
    predicted = install(check=True)
    made = install(in_use, ISSUING.certificate)
    assert set(predicted["files"]) == set(made["files"])
    assert predicted["activated"] == made["activated"]


# ---- what must not be installed


def test_no_answer(request_, refused):
    request_()
    for params in ({}, {"content": ""}):
        assert refused(**params)["option"] == "content"
    assert refused(src="/nonexistent/answer.pem")["option"] == "src"
    assert refused(pem(ROOT.certificate), src="/nonexistent/answer.pem")["option"] == "src"


def test_no_request(refused):
    leaf = ISSUING.certify(new_key().public_key(), distinguished(NAME))
    problem = refused(leaf, ISSUING.certificate)
    assert problem["found"] == "no request is pending on this host"
    assert "mail_cert_request" in problem["remedy"]


@pytest.mark.parametrize("content", [b" \n", b"garbage", b"-----BEGIN CERTIFICATE-----\nMIIB"])
def test_garbage(request_, refused, content):
    request_()
    assert refused(content)["option"] == "content"


def test_garbage_in_a_file(request_, refused, tmp_path):
    request_()
    path = tmp_path / "answer.pem"
    path.write_bytes(os.urandom(64))
    assert refused(src=path)["option"] == "src"
    path.write_bytes(b"x" * (10 * 1024 * 1024))
    assert "too many" in refused(src=path)["found"]


def test_garbage_in_the_chain(request_, refused):
    assert refused(ISSUING.answer(request_()), chain="garbage")["option"] == "chain"


def test_another_key(request_, refused, store):
    request_()
    problem = refused(ISSUING.certify(new_key().public_key(), distinguished(NAME)), ISSUING.certificate)
    assert "does not belong to the key of the pending request" in problem["found"]
    assert store.pending_request_path(NAME) in problem["remedy"]


def test_live_key_while_a_request_is_pending(request_, good, refused):
    csr = request_()
    good(ISSUING.answer(csr), ISSUING.certificate)
    request_(renew_at=0.001)
    assert "but to the live certificate's" in refused(ISSUING.answer(csr), ISSUING.certificate)["found"]


def test_another_key_than_the_live_one(request_, good, refused):
    good(ISSUING.answer(request_()), ISSUING.certificate)
    problem = refused(ISSUING.certify(new_key().public_key(), distinguished(NAME)), ISSUING.certificate)
    assert "no request is pending" in problem["found"]
    assert "does not belong" in problem["found"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}, "expired on"),
        ({"not_before": NOW + DAY}, "not valid before"),
        ({"names": ()}, f"does not cover {NAME}; its subject alternative names are: none"),
        ({"names": ("other.example.test",)}, f"does not cover {NAME}; .* are: other.example.test"),
        ({"names": ("*.test",)}, "does not cover"),
        ({"purposes": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, "for clientAuth, not for a server"),
        ({"usage": ("key_encipherment",)}, "key usage does not include digital signatures"),
    ],
)
def test_leaf_that_clients_would_refuse(request_, refused, options, found):
    problem = refused(ISSUING.answer(request_(), **options), ISSUING.certificate)
    assert re.search(found, problem["found"]), problem
    assert problem["option"] == "content"


@pytest.mark.parametrize(
    "options", [{"names": ("*.example.test",)}, {"purposes": None}, {"usage": ("digital_signature",)}]
)
def test_leaf_that_is_fine(request_, good, options):
    assert good(ISSUING.answer(request_(), **options), ISSUING.certificate)["changed"]


def test_names_on_demand(request_, good, refused):
    leaf = ISSUING.answer(request_(), names=("other.example.test",))
    assert "third.example.test" in refused(leaf, ISSUING.certificate, names=["third.example.test"])["found"]
    assert refused(leaf, ISSUING.certificate, names=["no name"])["option"] == "names"
    assert good(leaf, ISSUING.certificate, names=["OTHER.example.test"])["changed"]


def test_short_key(refused, store):
    key = new_key(1024)
    put(store.pending_key_path(NAME), key_pem(key))
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME))
    assert "RSA key of 1024 bits" in refused(leaf, ISSUING.certificate)["found"]


def test_broken_signature(refused, store):
    key = new_key()
    put(store.pending_key_path(NAME), key_pem(key))
    leaf = ISSUING.certify_with_sha1(key, NAME, f"subjectAltName=DNS:{NAME}")
    assert "ecdsa-with-SHA1" in refused(leaf, ISSUING.certificate)["found"]


def test_kind_of_key_that_tls_does_not_have(refused):
    key = dsa.generate_private_key(2048)
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME))
    assert "of the type DSA" in refused(leaf, ISSUING.certificate, key_pem(key))["found"]


def test_certificate_of_the_ca(request_, refused):
    request_()
    problem = refused(ISSUING.certificate, ROOT.certificate)
    assert "only CA certificates" in problem["found"]
    assert "CN=Issuing" in problem["found"]


def test_several_leaves(request_, refused):
    leaf = ISSUING.answer(request_())
    other = ISSUING.certify(new_key().public_key(), distinguished("other"))
    assert "2 certificates of servers" in refused(leaf, other, ISSUING.certificate)["found"]


def test_missing_intermediate(request_, refused):
    problem = refused(ISSUING.answer(request_()))
    assert "the issuer CN=Issuing" in problem["found"]
    assert problem["option"] == "chain"


def test_unknown_root(request_, refused, trust_store):
    trust_store.write_bytes(pem(Authority("Other").certificate))
    leaf = ISSUING.answer(request_())
    problem = refused(leaf, ISSUING.certificate, ROOT.certificate)
    assert "leads to the root CN=Root" in problem["found"]
    assert problem["option"] == "trust_store"


@pytest.mark.parametrize("content", [b"garbage", key_pem(new_key(), b"secret")])
def test_pending_key_that_cannot_be_read(request_, refused, store, content):
    leaf = ISSUING.answer(request_())
    put(store.pending_key_path(NAME), content)
    assert store.pending_key_path(NAME) in refused(leaf, ISSUING.certificate)["found"]


def test_damaged_live_file(request_, refused, store):
    leaf = ISSUING.answer(request_())
    put(store.live_path(NAME), b"garbage")
    assert store.live_path(NAME) in refused(leaf, ISSUING.certificate)["found"]


def test_bad_name(install):
    assert install(b"x", name="../x")["problem"]["option"] == "name"


def test_name_twice(install):
    assert install(certificates=[{"name": NAME}, {"name": NAME}])["problem"]["option"] == "name"
