# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats, key_pair, x509
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    Authority,
    der,
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


def test_dates_have_a_time_zone():
    certificate = x509.load_certificate(der(LEAF), "it")
    assert certificate.not_after.tzinfo is datetime.timezone.utc


def test_certificate_without_extended_key_usage():
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), purposes=None)
    assert x509.load_certificate(der(leaf), "it").purposes is None


def test_purposes_have_names():
    purposes = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), purposes=purposes)
    assert x509.load_certificate(der(leaf), "it").purposes == ("clientAuth", "serverAuth")


def test_issuer_is_found_by_name_and_signature():
    impostor = Authority(key=new_key())  # the same name, another key
    leaf, root, other = (
        x509.load_certificate(der(one), "it") for one in (LEAF, ROOT.certificate, impostor.certificate)
    )
    assert root.may_have_issued(leaf)
    assert not other.may_have_issued(leaf)
    assert not leaf.may_have_issued(leaf)
    assert root.is_self_issued
    assert not leaf.is_self_issued


@pytest.mark.parametrize("key", [new_key(2048), ec.generate_private_key(ec.SECP384R1())], ids=["RSA", "ECDSA_P384"])
def test_issuer_with_another_kind_of_key(key):
    root = Authority(key=key)
    leaf = root.certify(KEY.public_key(), distinguished(NAME), digest=hashes.SHA384())
    assert x509.load_certificate(der(root.certificate), "it").may_have_issued(x509.load_certificate(der(leaf), "it"))


def test_ed25519_issuer(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(key))
    root = formats.load_certificates(openssl("req", "-x509", "-key", str(path), "-subj", "/CN=ed"))[0]
    assert root.key_type == key_pair.KeyType("Ed25519", 256)
    assert root.signature_algorithm == "ED25519"
    assert root.may_have_issued(root)
