# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import hashlib
import re

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats as _forms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
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


# ---- certificates, whatever they come wrapped in


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n", b" "),
        TEXT.replace(b"\n", b""),
        b"subject=CN = whatever\n" + TEXT.replace(b"-----BEGIN", b"\n  issuer: x\n-----BEGIN") + b"\nthe end\n",
        TEXT + TEXT,
        TEXT.replace(b"BEGIN CERTIFICATE", b"BEGIN X509 CERTIFICATE").replace(
            b"END CERTIFICATE", b"END X509 CERTIFICATE"
        ),
    ],
    ids=["as it is", "CRLF", "blanks for line breaks", "no line breaks", "text around", "twice", "old label"],
)
def test_pem(data):
    assert [one.der for one in _forms.load_certificates(data)] == [der(LEAF), der(ROOT.certificate)]


def test_der():
    assert [one.der for one in _forms.load_certificates(der(LEAF))] == [der(LEAF)]


def test_written_as_openssl_writes_it():
    certificate = _forms.load_certificates(TEXT)[0]
    assert certificate.pem == pem(LEAF) == openssl("x509", stdin=pem(LEAF))


BAD = {
    "empty": (b"", "it is empty"),
    "blank": (b" \n\t\n", "it is empty"),
    "garbage": (b"\x00\xff\x17hello", "there is no certificate in it"),
    "text": (b"<html><body>404</body></html>", "there is no certificate in it"),
    "cut off at the end": (TEXT[:-30], "cut off"),
    "cut off in the first": (TEXT[:100], "cut off"),
    "a character lost": (TEXT[:200] + TEXT[201:], "damaged|cannot be read"),
    "not base64": (TEXT[:200] + b"!" + TEXT[201:], "damaged"),
    "empty block": (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "cannot be read"),
    "DER cut off": (der(LEAF)[:-10], "cut off"),
    "DER and more": (der(LEAF) + b"\x00", "cannot be read"),
    "huge": (TEXT + b"\n" * _forms.LARGEST_INPUT, "too many for a certificate"),
    "a private key": (TEXT + key_pem(KEY), "private key"),
    "a protected key": (TEXT + key_pem(KEY, b"x"), "private key"),
    "a request": (_x509.new_request(KEY, distinguished(NAME), [NAME]), "this is a request"),
    "a public key": (
        openssl("pkey", "-pubout", stdin=key_pem(KEY)),
        "there is no certificate in it",
    ),
    "PKCS#12": (openssl("pkcs12", "-export", "-passout", "pass:", stdin=key_pem(KEY) + pem(LEAF)), "private key"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_bad_input_is_told_apart(what):
    data, found = BAD[what]
    with pytest.raises(Problem) as caught:
        _forms.load_certificates(data)
    assert re.search(found, caught.value.found), caught.value.message
    assert caught.value.remedy
    assert "\n" not in caught.value.message


def test_a_whole_trust_store_is_no_chain():
    block = pem(LEAF)
    with pytest.raises(Problem, match="65 certificates"):
        _forms.load_certificates(block * 65)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(der(LEAF)) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_certificate_is_read_or_refused(changes):
    data = bytearray(der(LEAF))
    for at, value in changes:
        data[at] = value
    try:
        found = _forms.load_certificates(bytes(data))
    except Problem as problem:
        message = problem.message
    else:
        message = str(_x509.summary(found[0], NOW))
        found[0].may_have_issued(found[0])
    assert "\n" not in message


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    for one in (data, TEXT[:300] + data, b"-----BEGIN CERTIFICATE-----" + base64.b64encode(data) + TEXT[-27:]):
        with pytest.raises(Problem):
            _forms.load_certificates(one)


# ---- the summary, judged by OpenSSL


def said(*arguments):
    return openssl("x509", "-noout", "-nameopt", "RFC2253", *arguments, stdin=pem(LEAF)).decode().strip()


def test_summary_is_what_openssl_says():
    summary = _x509.summary(_x509.load_certificate(der(LEAF), "it"), NOW)
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
    assert _x509.summary(_x509.load_certificate(der(leaf), "it"), NOW)["serial"] == "0ABC"


def test_days_left_once_expired():
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), not_before=NOW - 3 * DAY, not_after=NOW - DAY)
    assert _x509.days_left(_x509.load_certificate(der(leaf), "it"), NOW) == -1


def test_dates_have_a_time_zone():
    certificate = _x509.load_certificate(der(LEAF), "it")
    assert certificate.not_after.tzinfo is datetime.timezone.utc


def test_certificate_without_extended_key_usage():
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), purposes=None)
    assert _x509.load_certificate(der(leaf), "it").purposes is None


def test_key_in_a_tlsa_record_is_the_one_on_the_wire(tmp_path):
    """An RSA-PSS key is written with other bytes than the certificate has, by some versions of cryptography."""
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=pss", "-out", cert)
    public = openssl("pkey", "-pubin", "-outform", "DER", stdin=openssl("x509", "-in", cert, "-noout", "-pubkey"))
    with open(cert, "rb") as stream:
        certificate = _forms.load_certificates(stream.read())[0]
    assert certificate.spki == public
    assert certificate.may_have_issued(certificate)


def test_must_staple_is_seen(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(KEY))
    made = openssl("req", "-x509", "-key", str(path), "-subj", "/CN=x", "-addext", "tlsfeature=status_request")
    assert _x509.summary(_forms.load_certificates(made)[0], NOW)["must_staple"]
    assert not _x509.summary(_forms.load_certificates(TEXT)[0], NOW)["must_staple"]


# ---- who issued whom


def test_issuer_is_found_by_name_and_signature():
    impostor = Authority(key=new_key())  # the same name, another key
    leaf, root, other = (
        _x509.load_certificate(der(one), "it") for one in (LEAF, ROOT.certificate, impostor.certificate)
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
    assert _x509.load_certificate(der(root.certificate), "it").may_have_issued(_x509.load_certificate(der(leaf), "it"))


def test_ed25519_issuer(tmp_path):
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(key))
    root = _forms.load_certificates(openssl("req", "-x509", "-key", str(path), "-subj", "/CN=ed"))[0]
    assert root.key_type == _x509.KeyType("Ed25519", 256)
    assert root.signature_algorithm == "ED25519"
    assert root.may_have_issued(root)


# ---- keys


@pytest.mark.parametrize(
    ("key_type", "size", "shown"),
    [("RSA", 2048, "RSA 2048"), ("ECDSA_P384", 0, "ECDSA_P384"), ("Ed25519", 0, "Ed25519")],
)
def test_new_key(key_type, size, shown):
    key = _x509.new_key(key_type, size)
    text = _x509.key_pem(key)
    assert str(_x509.key_type_of(key.public_key())) == shown
    assert _x509.public_key_of(_x509.load_key(text, "key.pem")) == _x509.public_key_of(key)
    assert openssl("pkey", "-pubout", "-outform", "DER", stdin=text) == _x509.public_key_of(key)


def test_key_beside_certificates():
    assert _x509.public_key_of(_x509.load_key(key_pem(KEY) + TEXT, "live.pem")) == _x509.public_key_of(KEY)


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
        _x509.load_key(data, "/etc/key.pem")
    assert "/etc/key.pem" in caught.value.found
    assert "stays as it is" in caught.value.remedy


# ---- requests


@pytest.mark.parametrize("key_type", ["RSA", "ECDSA_P256", "ECDSA_P384"])
def test_request_is_what_openssl_reads(key_type):
    key = _x509.new_key(key_type, 2048)
    subject = _x509.subject_name([("COUNTRY_NAME", "DE"), ("ORGANIZATION_NAME", "Bücher GmbH"), ("COMMON_NAME", NAME)])
    text = _x509.new_request(key, subject, [NAME, "*.example.test"])
    shown = openssl("req", "-noout", "-text", "-verify", "-nameopt", "RFC2253,utf8,-esc_msb", stdin=text).decode()
    assert f"Subject: CN={NAME},O=Bücher GmbH,C=DE" in shown
    assert f"DNS:{NAME}, DNS:*.example.test" in shown
    assert "X509v3 Key Usage: critical\n" in shown
    usage = "Digital Signature, Key Encipherment" if key_type == "RSA" else "Digital Signature\n"
    assert usage in shown
    assert "TLS Web Server Authentication" in shown
    assert ("SHA384" if key_type == "ECDSA_P384" else "ecdsa-with-SHA256" if key_type != "RSA" else "sha256") in shown
    assert _x509.public_key_of(_x509.load_request(text, "request.csr")) == _x509.public_key_of(key)


@pytest.mark.parametrize("data", [b"", b"garbage", TEXT])
def test_damaged_request(data):
    with pytest.raises(Problem, match="cannot be read"):
        _x509.load_request(data, "request.csr")


def test_subject_that_x509_does_not_take():
    with pytest.raises(Problem):
        _x509.subject_name([("COUNTRY_NAME", "Germany")])


def test_text_from_outside_is_one_line():
    assert _x509.printable("a\nb\x1b[1m") == "a\\x0ab\\x1b[1m"
    assert len(_x509.printable("x" * 5000)) == 201


def test_purposes_have_names():
    purposes = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
    leaf = ROOT.certify(KEY.public_key(), distinguished(NAME), purposes=purposes)
    assert _x509.load_certificate(der(leaf), "it").purposes == ("clientAuth", "serverAuth")
