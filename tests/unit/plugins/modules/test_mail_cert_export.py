# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import stat

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ed25519

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _cryptography_dep
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_cert_export, mail_cert_install
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
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

ROOT = Authority("Root")
ISSUING = Authority("Issuing", ROOT)
KEY = new_key()
LEAF = ISSUING.certify(KEY.public_key(), distinguished(NAME))
LABEL = "Default SMTP Virtual Sörver"
PASSPHRASE = "correct horse battery"
FORMATS = pytest.mark.parametrize("form", ["pkcs12", "pem"])


@pytest.fixture
def store(tmp_path):
    return Store(this_host(), str(tmp_path / "store"))


def make_live(store, key=KEY, leaf=LEAF, label=LABEL):
    os.makedirs(os.path.dirname(store.live_path(NAME)), exist_ok=True)
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(key_pem(key) + pem(leaf, ISSUING.certificate))
    if label:
        with open(store.live_record_path(NAME), "w", encoding="ascii") as stream:
            json.dump({"friendly_name": label}, stream)


@pytest.fixture
def export(no_daemons, tmp_path, store, capsys):
    """Calls the module for a live certificate."""
    make_live(store)

    def run(check=False, **params):
        path = str(tmp_path / "safe" / "backup")
        params = {"name": NAME, "path": path, "passphrase": PASSPHRASE, "store": store.root, **params}
        result = call(mail_cert_export.main, capsys, params, check=check)
        assert PASSPHRASE not in json.dumps(result)
        assert "PRIVATE" not in json.dumps(result)
        return result

    return run


def contents(directory):
    return {path: state for path, state in snapshot(directory).items() if os.path.isfile(path) and path[-5:] != "/lock"}


def test_pkcs12_is_what_openssl_reads(export):
    result = export()
    assert result["changed"]
    assert (result["format"], result["friendly_name"]) == ("pkcs12", LABEL)
    assert result["chain"] == ["CN=Issuing"]
    arguments = ("pkcs12", "-in", result["backup_path"], "-passin", f"pass:{PASSPHRASE}", "-nodes")
    shown = openssl(*arguments)
    assert pem(LEAF) in shown
    assert pem(ISSUING.certificate) in shown
    assert openssl("pkey", stdin=shown) == openssl("pkey", stdin=key_pem(KEY))
    assert b"friendlyName: " in shown
    assert not re.search(rb"subject=CN ?= ?Root", shown)
    of_the_key = openssl(*arguments, "-clcerts", "-nokeys")  # by its localKeyID, which cryptography 43.0.0 leaves out
    assert pem(LEAF) in of_the_key
    assert pem(ISSUING.certificate) not in of_the_key


def test_pem_is_what_openssl_reads(export):
    result = export(format="pem")
    with open(result["backup_path"], "rb") as stream:
        text = stream.read()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in text
    assert text.endswith(pem(LEAF, ISSUING.certificate))
    found = openssl("pkey", "-in", result["backup_path"], "-passin", f"pass:{PASSPHRASE}")
    assert found == openssl("pkey", stdin=key_pem(KEY))


@FORMATS
def test_for_root_alone(export, form):
    path = export(format=form)["backup_path"]
    state = os.stat(path)
    assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (0, 0, 0o600)
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    os.chmod(path, 0o644)
    again = export(format=form)
    assert again["files"] == [path]
    assert again["reason"] == "the backup's owner or mode was corrected"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@FORMATS
def test_second_run_changes_nothing(export, tmp_path, form):
    export(format=form)
    before = contents(tmp_path)
    again = export(format=form)
    assert not again["changed"]
    assert again["files"] == again["diff"] == []
    assert again["reason"] == "the backup is there already"
    assert contents(tmp_path) == before


@FORMATS
def test_check_mode_predicts_and_writes_nothing(export, tmp_path, form):
    before = snapshot(tmp_path)
    predicted = export(check=True, format=form)
    assert snapshot(tmp_path) == before
    assert predicted == export(format=form)
    before = contents(tmp_path)
    assert export(check=True, format=form) == export(format=form)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("source", ["pkcs12", "pem"])
@pytest.mark.parametrize(
    "key", [KEY, new_key(2048), ed25519.Ed25519PrivateKey.generate()], ids=["EC", "RSA", "Ed25519"]
)
def test_backup_brings_everything_back(export, store, tmp_path, capsys, source, key):
    make_live(store, key, ISSUING.certify(key.public_key(), distinguished(NAME)))
    live = store.entry(NAME).live.bundle
    path = export(format=source)["backup_path"]
    roots = tmp_path / "roots.pem"
    roots.write_bytes(pem(ROOT.certificate))
    other = Store(this_host(), str(tmp_path / "other"))
    params = {"name": NAME, "src": path, "passphrase": PASSPHRASE, "trust_store": roots, "store": other.root}
    result = call(mail_cert_install.main, capsys, params)
    assert "msg" not in result, result["msg"]
    assert result["certificates"][0]["friendly_name"] == LABEL
    assert other.entry(NAME).live.bundle == live
    assert not call(mail_cert_install.main, capsys, params)["changed"]
    assert not export(format=source, store=other.root)["changed"]


@FORMATS
def test_backup_follows_a_renewal(export, store, form):
    export(format=form)
    key = new_key()
    make_live(store, key, ISSUING.certify(key.public_key(), distinguished(NAME)))
    again = export(format=form)
    assert again["changed"]
    assert "differed" in again["reason"]
    assert not export(format=form)["changed"]


def test_backup_follows_its_label_and_format(export, store):
    export()
    make_live(store, label="Other")
    assert export()["changed"]
    assert export(format="pem")["changed"]
    assert not export(format="pem")["changed"]


def test_name_where_there_is_no_label(export, store):
    os.unlink(store.live_record_path(NAME))
    assert export()["friendly_name"] == NAME
    assert not export()["changed"]


def test_label_that_looks_like_pem(export, store):
    make_live(store, label="-----BEGIN CERTIFICATE-----")
    assert export(format="pem")["changed"]
    assert openssl("x509", "-in", export(format="pem")["backup_path"]) == pem(LEAF)


# ---- what must not be done


@pytest.fixture
def refused(export, tmp_path):
    def run(**params):
        before = contents(tmp_path)
        result = export(**params)
        assert result.get("failed"), result
        assert "exception" not in result
        assert contents(tmp_path) == before
        assert result["problem"]["remedy"]
        return result["problem"]

    return run


def test_empty_passphrase(refused):
    assert refused(passphrase="")["option"] == "passphrase"


def test_nothing_is_overwritten_that_cannot_be_read(export, refused, tmp_path):
    path = export()["backup_path"]
    problem = refused(passphrase="another passphrase")
    assert problem["option"] == "path"
    assert "passphrase does not open" in problem["found"]
    for content in (b"precious", key_pem(KEY), pem(LEAF)):
        with open(path, "wb") as stream:
            stream.write(content)
        assert refused()["option"] == "path"


def test_backup_of_another_certificate_stays(export, refused, store):
    export()
    key = new_key()
    make_live(store, key, ISSUING.certify(key.public_key(), distinguished("b"), ("b.example.test",)))
    assert f"a backup of another certificate ({NAME})" in refused()["found"]


def test_store_is_no_place_for_backups(refused, store):
    assert refused(path=store.live_path("backup"))["option"] == "path"


def test_directory(refused, tmp_path):
    (tmp_path / "there").mkdir()
    assert "is a directory, not a regular file" in refused(path=str(tmp_path / "there"))["found"]


@pytest.mark.parametrize("check", [False, True])
def test_relative_path(check, refused):
    problem = refused(path="backup.p12", check=check)
    assert (problem["option"], problem["found"]) == ("path", "'backup.p12' is no absolute path")


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", [NAME, "not-live.example.test"])
@pytest.mark.parametrize("plant", PLANTS)
def test_what_somebody_else_planted(plant, name, check, refused, tmp_path):
    theirs = directory_of_nobody(tmp_path)
    plant(theirs / "backup", tmp_path / "outside")
    before = os.lstat(theirs / "backup")
    problem = refused(name=name, path=str(theirs / "backup"), check=check)
    assert problem["option"] == "path"
    assert f"the directory {theirs} belongs to nobody (mode 0755)" in problem["found"]
    assert os.lstat(theirs / "backup") == before
    assert os.listdir(theirs) == ["backup"]


def test_no_such_certificate(export, refused):
    problem = refused(name="other.example.test")
    assert NAME in problem["found"]
    predicted = export(name="other.example.test", check=True)
    assert predicted["changed"]
    assert "not live yet" in predicted["reason"]


def test_key_of_another_certificate(refused, store):
    make_live(store, new_key())
    assert "does not belong" in refused()["found"]


def test_damaged_live_file(refused, store):
    with open(store.live_path(NAME), "wb") as stream:
        stream.write(b"garbage")
    assert store.live_path(NAME) in refused()["found"]


def test_bad_name(refused):
    assert refused(name="../x")["option"] == "name"


def test_missing_library(export, monkeypatch):
    monkeypatch.setattr(_cryptography_dep, "CRYPTOGRAPHY_VERSION", "0")
    assert "python3-cryptography" in export()["msg"]


def test_what_is_documented_is_what_is_returned(export, refused):
    documented = yaml.safe_load(mail_cert_export.RETURN)
    problem = refused(passphrase="")
    predicted, result = export(name="other", check=True), export()
    for one in (predicted, result):
        del one["changed"], one["diff"]
        assert undocumented(one, documented) == []
    assert undocumented({"problem": problem}, documented) == []
    assert set(result) | {"problem"} == set(documented)
    assert set(predicted) == {key for key in documented if documented[key]["returned"] == "success"}
