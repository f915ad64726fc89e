# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that another tool looks after, and the way back to the previous certificate."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.installations import (
    ISSUING,
    files,
    put,
    read,
)

pytestmark = pytest.mark.usefixtures("surroundings")


class Lineage:
    """As certbot keeps it: numbered files, and symbolic links to the present ones."""

    def __init__(self, root):
        self.root = root
        self.number = 0
        self.certificate = root / "live" / "fullchain.pem"
        self.key = root / "live" / "privkey.pem"
        self.options = {"src": self.certificate, "key_src": self.key}

    def renew(self, key=None, key_passphrase=b"", mode=0o644, **options):
        """The next certificate; gives what is live then."""
        self.number += 1
        key = key or new_key()
        leaf = ISSUING.certify(key.public_key(), distinguished(NAME), **options)
        found = {self.certificate: pem(leaf, ISSUING.certificate), self.key: key_pem(key, key_passphrase)}
        for link, content in found.items():
            target = self.root / "archive" / f"{link.stem}{self.number}.pem"
            put(target, content, mode)
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            os.symlink(os.path.relpath(target, link.parent), link)
        return key_pem(key) + found[self.certificate]


@pytest.fixture
def lineage(tmp_path):
    return Lineage(tmp_path / "letsencrypt")


# ---- lineages


def test_lineage_is_imported_and_followed(lineage, good, store, tmp_path):
    first = lineage.renew(not_before=NOW - 60 * DAY, not_after=NOW + 30 * DAY)
    entry = good(**lineage.options)
    assert entry["reason"] == "the certificate that came with its key was imported"
    assert read(store.live_path(NAME)) == first
    before = files(tmp_path)
    assert not good(**lineage.options)["changed"]
    assert files(tmp_path) == before
    second = lineage.renew()
    theirs = files(lineage.root)
    assert good(**lineage.options)["changed"]
    assert read(store.live_path(NAME)) == second
    assert read(store.previous_path(NAME)) == first
    assert files(lineage.root) == theirs


def test_renewal_with_the_same_key(lineage, good, store):
    key = new_key()
    lineage.renew(key, not_before=NOW - 60 * DAY, not_after=NOW + 30 * DAY)
    good(**lineage.options)
    second = lineage.renew(key)
    assert good(**lineage.options)["reason"] == "a new certificate for the live key was installed"
    assert read(store.live_path(NAME)) == second


def test_renewal_with_a_shorter_life(lineage, good, refused, store):
    old = lineage.renew(not_before=NOW - 10 * DAY, not_after=NOW + 80 * DAY)
    good(**lineage.options)
    new = lineage.renew(not_before=NOW - DAY, not_after=NOW + 5 * DAY)
    good(**lineage.options)
    assert read(store.live_path(NAME)) == new
    put(lineage.certificate, old)  # an older one with its key
    put(lineage.key, old)
    good(src=lineage.certificate)  # as a backup it wins, since it expires later
    lineage.renew(not_before=NOW - 20 * DAY, not_after=NOW + 70 * DAY)
    assert "at least as long" in refused(**lineage.options)["found"]


def test_protected_key_of_a_lineage(lineage, good, refused, store):
    lineage.renew(key_passphrase=b"theirs")
    assert refused(**lineage.options)["option"] == "passphrase"
    assert refused(**lineage.options, passphrase="wr0ng")["option"] == "passphrase"
    good(**lineage.options, passphrase="theirs", key_passphrase="ours")
    assert b"ENCRYPTED" in read(store.live_path(NAME))


def test_certificate_in_der_with_a_key_beside_it(tmp_path, good, store):
    key = new_key()
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME))
    put(tmp_path / "a.der", der(leaf))
    put(tmp_path / "a.key", key_pem(key), 0o644)
    options = {"src": tmp_path / "a.der", "key_src": tmp_path / "a.key", "chain": pem(ISSUING.certificate).decode()}
    assert good(**options)["converted_from"] == "DER"
    assert stat.S_IMODE(os.stat(store.live_path(NAME)).st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not there"),
        (b"", "no private keys"),
        (pem(ISSUING.certificate), "no private keys"),
        (key_pem(new_key()) + key_pem(new_key()), "2 private keys"),
        (key_pem(new_key()), "does not belong"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
        (b"x" * (formats.LARGEST_INPUT + 1), "too many"),
    ],
)
def test_bad_key_file(lineage, refused, content, words):
    lineage.renew()
    lineage.key.unlink()
    if content is not None:
        put(lineage.key, content)
    problem = refused(**lineage.options)
    assert problem["option"] == "key_src"
    assert words in problem["found"]


def test_key_file_beside_other_options(lineage, refused, install):
    bundle = lineage.renew()
    assert refused(key_src=lineage.key)["option"] == "key_src"
    assert refused(bundle, key_src=lineage.key)["option"] == "key_src"
    put(lineage.certificate, bundle)
    assert "already" in refused(**lineage.options)["found"]
    lineage.key.unlink()
    assert install(**lineage.options, check=True)["changed"]


# ---- the previous certificate


@pytest.fixture
def two(request_, good, store):
    """Two certificates after each other; gives both live files, the first one first."""
    good(ISSUING.answer(request_(), not_before=NOW - 80 * DAY, not_after=NOW + 20 * DAY), ISSUING.certificate)
    first = read(store.live_path(NAME)), store.entry(NAME).live.record
    leaf = ISSUING.answer(request_(subject_alt_names=["imap.example.test"]))
    good(leaf, ISSUING.certificate)
    return first, (read(store.live_path(NAME)), store.entry(NAME).live.record)


def both(store):
    return [
        (store.entry(NAME).live.bundle, store.entry(NAME).live.record),
        (store.entry(NAME).previous.bundle, store.entry(NAME).previous.record),
    ]


def test_previous_is_kept_for_root_alone(two, store):
    assert both(store) == [two[1], two[0]]
    for path in (store.previous_path(NAME), store.previous_record_path(NAME)):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_other_chain_alone_makes_no_previous(request_, good, store):
    leaf = ISSUING.answer(request_())
    good(leaf, ISSUING.certificate)
    put(store.live_path(NAME), store.entry(NAME).live.bundle + pem(ISSUING.certificate))
    good(leaf, ISSUING.certificate)
    assert store.entry(NAME).previous.bundle is None


def test_back_and_forth(two, good, install, store, journal, daemons):
    put(store.deployed_path("postfix", NAME), two[1][0], 0o640)
    predicted = install(state="previous", check=True)
    assert both(store) == [two[1], two[0]]
    entry = good(state="previous")
    assert predicted["certificates"] == [entry]
    assert both(store) == [two[0], two[1]]
    assert store.deployed("postfix", NAME) == two[0][0]
    assert stat.S_IMODE(os.stat(store.deployed_path("postfix", NAME)).st_mode) == 0o640
    assert journal[-1] == f"postfix serves {NAME} {entry['sha256']}"
    assert entry["days_left"] == 19
    assert "put back" in entry["reason"]
    good(state="previous")
    assert both(store) == [two[1], two[0]]
    daemons["postfix"].refuses = True
    assert "put back as it was" in install(state="previous")["msg"]
    assert both(store) == [two[1], two[0]]


def test_pending_request_outlives_the_way_back(two, request_, good, store):
    good(state="previous")
    csr = request_()
    pending = store.entry(NAME).pending
    good(state="previous")
    assert store.entry(NAME).pending == pending
    good(ISSUING.answer(csr), ISSUING.certificate)
    assert store.entry(NAME).previous.bundle == two[1][0]


def test_previous_without_a_live_one(two, good, store):
    os.unlink(store.live_path(NAME))
    good(state="previous")
    assert store.entry(NAME).live.bundle == two[0][0]
    assert store.entry(NAME).previous.bundle is None


def test_no_previous(request_, good, refused):
    assert refused(state="previous")["option"] == "state"
    good(ISSUING.answer(request_()), ISSUING.certificate)
    assert "no previous" in refused(state="previous")["found"]


@pytest.mark.parametrize("option", ["content", "src", "key_src", "chain", "passphrase"])
def test_nothing_is_handed_over_with_previous(two, refused, option):
    assert refused(state="previous", **{option: "/x"})["option"] == option


def test_previous_that_expired(two, refused, store):
    key = new_key()
    leaf = ISSUING.certify(key.public_key(), distinguished(NAME), not_after=NOW - DAY / 2)
    put(store.previous_path(NAME), key_pem(key) + pem(leaf, ISSUING.certificate))
    assert "expired" in refused(state="previous")["found"]


def test_previous_that_cannot_be_used(two, refused, store):
    put(store.previous_path(NAME), b"garbage")
    assert store.previous_path(NAME) in refused(state="previous")["found"]
    put(store.previous_path(NAME), key_pem(new_key()) + two[0][0][two[0][0].index(b"-----BEGIN CERT") :])
    assert "does not belong" in refused(state="previous")["found"]
    key = new_key()
    leaf = Authority("Stranger").certify(key.public_key(), distinguished(NAME))
    put(store.previous_path(NAME), key_pem(key) + pem(leaf))
    assert "neither in the answer" in refused(state="previous")["found"]


def test_answer_that_is_the_previous_one(two, refused, store):
    leaf = two[0][0][two[0][0].index(b"-----BEGIN CERT") :]
    assert "state=previous" in refused(leaf)["remedy"]


def test_protected_previous(good, refused, store):
    key = new_key()
    old = ISSUING.certify(key.public_key(), distinguished(NAME), not_after=NOW + 30 * DAY)
    good(old, ISSUING.certificate, key_pem(key), key_passphrase="s3cret")
    put(store.deployed_path("dovecot", NAME), key_pem(key) + pem(old, ISSUING.certificate))
    other = new_key()
    good(ISSUING.certify(other.public_key(), distinguished(NAME)), ISSUING.certificate, key_pem(other))
    assert refused(state="previous")["option"] == "key_passphrase"
    assert "does not open" in refused(state="previous", key_passphrase="wr0ng")["found"]
    good(state="previous", key_passphrase="s3cret")
    assert store.deployed("dovecot", NAME) == key_pem(key) + pem(old, ISSUING.certificate)
    assert refused(state="previous", key_passphrase="s3cret")["option"] == "key_passphrase"


# ---- two certificates for one name


def bundle(name, names, size=0):
    key = new_key(size)
    leaf = ISSUING.certify(key.public_key(), distinguished(name), names)
    return {"name": name, "content": (key_pem(key) + pem(leaf, ISSUING.certificate)).decode(), "names": [names[0]]}


def test_second_certificate_for_a_name_is_warned_of(install, trust_store):
    first = {**bundle("a", ("a.example.test", "imap.example.test")), "trust_store": str(trust_store)}
    second = {**bundle("b", ("IMAP.example.test",)), "trust_store": str(trust_store)}
    wild = {**bundle("c", ("*.example.test",)), "trust_store": str(trust_store)}
    other_kind = {**bundle("d", ("imap.example.test",), 2048), "trust_store": str(trust_store)}
    assert "warnings" not in install(certificates=[first, other_kind])
    warnings = str(install(certificates=[second, wild])["warnings"])
    assert "certificate b: the live certificate a, with the same kind of key, covers imap.example.test too" in warnings
    assert (
        "certificate c: the live certificate a, with the same kind of key, covers a.example.test, imap.example.test too"
        in warnings
    )
    assert "certificate c: the live certificate b, with the same kind of key, covers imap.example.test too" in warnings
    assert "certificate d" not in warnings
    assert "warnings" not in install(certificates=[second, wild])  # nothing new


# ---- from one source to another


def test_a_certificate_of_another_source_takes_the_place_of_one_that_expires_later(
    lineage, good, refused, request_, store
):
    good(ISSUING.answer(request_(source="own_ca"), not_after=NOW + 80 * DAY), ISSUING.certificate)
    new = lineage.renew(not_before=NOW - 60 * DAY, not_after=NOW + 5 * DAY)
    assert "at least as long" in refused(**lineage.options)["found"]
    assert "replace=true" in refused(**lineage.options)["remedy"]
    entry = good(**lineage.options, source="lineage")
    assert entry["reason"].endswith("replaced the live certificate, which came from own_ca")
    assert read(store.live_path(NAME)) == new
    assert not good(**lineage.options, source="lineage")["changed"]


def test_replacing_on_demand(lineage, good, request_, store):
    good(ISSUING.answer(request_(), not_after=NOW + 80 * DAY), ISSUING.certificate)
    request_(renew="now")
    new = lineage.renew(not_before=NOW - 60 * DAY, not_after=NOW + 5 * DAY)
    good(**lineage.options, replace=True)
    assert read(store.live_path(NAME)) == new
    assert not store.entry(NAME).pending.exists
    assert not good(**lineage.options, replace=True)["changed"]


def test_a_pending_request_to_another_source_ends(lineage, good, refused, request_, store):
    request_(source="external")
    lineage.renew()
    assert "pending request" in refused(**lineage.options)["found"]
    assert "pending request" in refused(**lineage.options, source="external")["found"]
    good(**lineage.options, source="lineage")
    assert not store.entry(NAME).pending.exists


@pytest.mark.parametrize(("before", "now"), [("own_ca", "acme"), ("acme", "external"), ("external", "own_ca")])
def test_a_live_certificate_of_another_source_is_requested_anew(good, request_, before, now):
    good(ISSUING.answer(request_(source=before)), ISSUING.certificate)
    assert request_(source=before) is None
    assert request_() is None
    csr = request_(source=now)
    assert csr
    assert request_(source=now) == csr
    good(ISSUING.answer(csr), ISSUING.certificate)
    assert request_(source=now) is None


def test_what_another_tool_keeps_is_requested_anew(lineage, good, request_):
    lineage.renew()
    good(**lineage.options, source="lineage")
    assert request_(key_type="ECDSA_P256") is None
    assert request_(key_type="ECDSA_P256", source="own_ca")


def test_a_pending_request_is_good_for_any_ca(request_):
    csr = request_(source="external")
    assert request_(source="own_ca") == csr
