# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import pem as pem_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    openssl,
    pem,
)

NAME = "mx1.example.test"
KEY = new_key()
LEAF = Authority().certify(KEY.public_key(), distinguished(NAME))


def test_block_is_as_openssl_writes_it():
    assert pem_module.pem_block("CERTIFICATE", der(LEAF)) == openssl("x509", stdin=pem(LEAF))


def test_certificates_and_key_of_a_bundle():
    bundle = b"text\n" + key_pem(KEY) + pem(LEAF) + pem(LEAF)
    assert [block + b"\n" for block in pem_module.certificate_blocks(bundle)] == [pem(LEAF), pem(LEAF)]
    assert pem_module.key_block(bundle) == key_pem(KEY)
    assert pem_module.key_block(pem(LEAF)) == b""


def test_protected_key():
    assert pem_module.is_protected(pem(LEAF) + key_pem(KEY, b"secret"))
    assert pem_module.is_protected(
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    )
    assert not pem_module.is_protected(pem(LEAF) + key_pem(KEY))


def test_leaf_is_the_first_certificate():
    root = Authority()
    key = new_key()
    leaf = root.certify(key.public_key(), distinguished(NAME))
    assert pem_module.leaf_of(key_pem(key) + pem(leaf, root.certificate)) == der(leaf)


@pytest.mark.parametrize("bundle", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----"])
def test_no_leaf(bundle):
    with pytest.raises(Problem):
        pem_module.leaf_of(bundle)
