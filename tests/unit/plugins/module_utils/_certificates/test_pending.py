# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import key_pair, pending
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import new_request
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import CertificateSpec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import PendingRequest
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import load_certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
)

KEY = new_key()
SPEC = CertificateSpec(NAME, (NAME,), "ECDSA_P256", 0)
REQUEST = new_request(KEY, distinguished(NAME), [NAME])
OPEN = PendingRequest("/key.pem", "/request.csr", "/request.json", key_pem(KEY), REQUEST, SPEC.record)
PROTECTED = replace(OPEN, key=key_pem(KEY, b"secret"))


def key_of(stored, passphrase=None):
    found = pending.pending_key(stored, passphrase)
    assert found is not None
    return found


def test_open_key():
    found = key_of(OPEN)
    assert found.public_key == key_pair.public_key_of(KEY)
    assert key_pair.public_key_of(found.opened()) == found.public_key
    assert "PRIVATE" not in repr(found)


def test_no_key():
    assert pending.pending_key(replace(OPEN, key=None), None) is None


def test_protected_key_is_known_by_its_request():
    found = key_of(PROTECTED)
    assert found.public_key == key_pair.public_key_of(KEY)
    with pytest.raises(Problem, match=r"key in /key\.pem is protected") as caught:
        found.opened()
    assert caught.value.option == "key_passphrase"


def test_protected_key_that_is_opened():
    assert key_of(PROTECTED, "secret").opened() is not None
    with pytest.raises(Problem, match="does not open the key"):
        pending.pending_key(PROTECTED, "other")


def test_protected_key_without_its_request():
    with pytest.raises(Problem, match="is protected"):
        pending.pending_key(replace(PROTECTED, request=None), None)


def test_request_with_the_live_key():
    leaf = load_certificate(der(Authority().certify(KEY.public_key(), distinguished(NAME))), "it")
    renewal = replace(OPEN, record=replace(SPEC, renews=leaf.fingerprint).record)
    assert pending.reuses_key_of(renewal, leaf)
    assert not pending.reuses_key_of(OPEN, leaf)
    assert not pending.reuses_key_of(replace(OPEN, record=None), leaf)


def test_files_and_their_removal():
    files = pending.files(OPEN, SPEC, key_pem(KEY), REQUEST)
    assert [(one.path, one.content) for one in files] == [
        ("/key.pem", key_pem(KEY)),
        ("/request.csr", REQUEST),
        ("/request.json", SPEC.record),
    ]
    assert {(one.owner, one.group, one.mode, one.parent_mode) for one in files} == {("root", "root", 0o600, 0o700)}
    assert [one.secret for one in files] == [True, False, False]
    removal = pending.removal(OPEN)
    assert [(one.path, one.content, one.secret) for one in removal] == [(one.path, None, one.secret) for one in files]
