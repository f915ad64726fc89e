# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats, x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import summary as summary_module
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
)

ROOT = Authority()
KEY = new_key()
LEAF = ROOT.certify(KEY.public_key(), distinguished(NAME))
TEXT = pem(LEAF, ROOT.certificate)


def said(*arguments):
    return openssl("x509", "-noout", "-nameopt", "RFC2253", *arguments, stdin=pem(LEAF)).decode().strip()


def test_summary_is_what_openssl_says():
    summary = summary_module.summary(x509.load_certificate(der(LEAF), "it"), NOW)
    assert f"subject={summary['subject']}" == said("-subject")
    assert f"issuer={summary['issuer']}" == said("-issuer")
    assert f"serial={summary['serial']}" == said("-serial")
    dates = said("-dates", "-dateopt", "iso_8601")
    assert dates == f"notBefore={summary['not_before']}\nnotAfter={summary['not_after']}".replace("T", " ")
    fingerprint = said("-fingerprint", "-sha256").split("=")[1]
    assert fingerprint.replace(":", "").lower() == summary["sha256"]
    text = said("-text")
    assert f"Signature Algorithm: {summary['signature_algorithm']}" in text
    assert "TLS Web Server Authentication" in text
    public = openssl("pkey", "-pubin", "-outform", "DER", stdin=said("-pubkey").encode())
    assert summary["spki_sha256"] == hashlib.sha256(public).hexdigest()
    assert summary["tlsa_3_1_1"] == f"3 1 1 {summary['spki_sha256']}"
    assert summary["days_left"] == 90
    assert summary["names"] == [NAME]
    assert summary["purposes"] == ["serverAuth"]
    assert (summary["key_type"], summary["key_size"]) == ("ECDSA_P256", 256)


def test_serial_has_whole_bytes():
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), serial=0xABC)
    assert summary_module.summary(x509.load_certificate(der(leaf), "it"), NOW)["serial"] == "0ABC"


def test_days_left_once_expired():
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    assert summary_module.days_left(x509.load_certificate(der(leaf), "it"), NOW) == -1


def test_key_in_a_tlsa_record_is_the_one_on_the_wire(tmp_path):
    """An RSA-PSS key is written with other bytes than the certificate has, by some versions of cryptography."""
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=pss", "-out", cert)
    public = openssl("pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-in", cert, "-noout", "-pubkey"))
    with open(cert, "rb") as stream:
        certificate = formats.load_certificates(stream.read())[0]
    assert certificate.spki == public
    assert certificate.may_have_issued(certificate)


def test_must_staple_is_seen(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(KEY))
    made = openssl("req", "-x509", "-key", str(path), "-subj", "/CN=x", "-addext", "tlsfeature=status_request")
    assert summary_module.summary(formats.load_certificates(made)[0], NOW)["must_staple"]
    assert not summary_module.summary(formats.load_certificates(TEXT)[0], NOW)["must_staple"]
