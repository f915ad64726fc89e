# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import csr, key_pair
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NAME,
    Authority,
    distinguished,
    new_key,
    openssl,
    pem,
)

ROOT = Authority()
KEY = new_key()
LEAF = ROOT.certify(KEY.public_key(), distinguished(NAME))
TEXT = pem(LEAF, ROOT.certificate)


@pytest.mark.parametrize("key_type", ["RSA", "ECDSA_P256", "ECDSA_P384"])
def test_request_is_what_openssl_reads(key_type):
    key = key_pair.new_key(key_type, 2048)
    subject = csr.subject_name([("COUNTRY_NAME", "DE"), ("ORGANIZATION_NAME", "Bücher GmbH"), ("COMMON_NAME", NAME)])
    text = csr.new_request(key, subject, [NAME, "*.example.test"])
    shown = openssl("req", "-noout", "-text", "-verify", "-nameopt", "RFC2253,utf8,-esc_msb", stdin=text).decode()
    assert f"Subject: CN={NAME},O=Bücher GmbH,C=DE" in shown
    assert f"DNS:{NAME}, DNS:*.example.test" in shown
    assert "X509v3 Key Usage: critical\n" in shown
    usage = "Digital Signature, Key Encipherment" if key_type == "RSA" else "Digital Signature\n"
    assert usage in shown
    assert "TLS Web Server Authentication" in shown
    assert ("SHA384" if key_type == "ECDSA_P384" else "ecdsa-with-SHA256" if key_type != "RSA" else "sha256") in shown
    assert key_pair.public_key_of(csr.load_request(text, "request.csr")) == key_pair.public_key_of(key)


@pytest.mark.parametrize("data", [b"", b"garbage", TEXT])
def test_damaged_request(data):
    with pytest.raises(Problem, match="cannot be read"):
        csr.load_request(data, "request.csr")


def test_subject_that_x509_does_not_take():
    with pytest.raises(Problem):
        csr.subject_name([("COUNTRY_NAME", "Germany")])
