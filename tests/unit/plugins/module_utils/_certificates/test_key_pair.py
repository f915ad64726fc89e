# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import key_pair
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    Authority,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
)

ROOT = Authority()
KEY = new_key()
LEAF = ROOT.certify(KEY.public_key(), distinguished(NAME))
TEXT = pem(LEAF, ROOT.certificate)


@pytest.mark.parametrize(
    ("key_type", "size", "shown"),
    [("RSA", 2048, "RSA 2048"), ("ECDSA_P384", 0, "ECDSA_P384"), ("Ed25519", 0, "Ed25519")],
)
def test_new_key(key_type, size, shown):
    key = key_pair.new_key(key_type, size)
    text = key_pair.key_pem(key)
    assert str(key_pair.key_type_of(key.public_key())) == shown
    assert key_pair.public_key_of(key_pair.load_key(text, "key.pem")) == key_pair.public_key_of(key)
    assert openssl("pkey", "-pubout", "-outform", "DER", stdin=text) == key_pair.public_key_of(key)


def test_key_beside_certificates():
    assert key_pair.public_key_of(key_pair.load_key(key_pem(KEY) + TEXT, "live.pem")) == key_pair.public_key_of(KEY)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "there is no private key"),
        (TEXT, "there is no private key"),
        (key_pem(KEY, b"secret"), "passphrase"),
        (key_pem(KEY).replace(b"MIG", b"MIA"), "cannot be read"),
        (b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", "cannot be read"),
        (
            (
                b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
                b"-----END RSA PRIVATE KEY-----\n"
            ),
            "passphrase",
        ),
    ],
)
def test_key_that_cannot_be_used(data, found):
    with pytest.raises(Problem, match=found) as caught:
        key_pair.load_key(data, "/etc/key.pem")
    assert "/etc/key.pem" in caught.value.found
    assert "stays as it is" in caught.value.remedy
