# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import csr, formats
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import summary as summary_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
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
    assert [one.der for one in formats.load_certificates(data)] == [der(LEAF), der(ROOT.certificate)]


def test_der():
    assert [one.der for one in formats.load_certificates(der(LEAF))] == [der(LEAF)]


def test_written_as_openssl_writes_it():
    certificate = formats.load_certificates(TEXT)[0]
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
    "huge": (TEXT + b"\n" * formats.LARGEST_INPUT, "too many for a certificate"),
    "a private key": (TEXT + key_pem(KEY), "private key"),
    "a protected key": (TEXT + key_pem(KEY, b"x"), "private key"),
    "a request": (csr.new_request(KEY, distinguished(NAME), [NAME]), "this is a request"),
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
        formats.load_certificates(data)
    assert re.search(found, caught.value.found), caught.value.message
    assert caught.value.remedy
    assert "\n" not in caught.value.message


def test_a_whole_trust_store_is_no_chain():
    block = pem(LEAF)
    with pytest.raises(Problem, match="65 certificates"):
        formats.load_certificates(block * 65)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, len(der(LEAF)) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_certificate_is_read_or_refused(changes):
    data = bytearray(der(LEAF))
    for at, value in changes:
        data[at] = value
    try:
        found = formats.load_certificates(bytes(data))
    except Problem as problem:
        message = problem.message
    else:
        message = str(summary_module.summary(found[0], NOW))
        found[0].may_have_issued(found[0])
    assert "\n" not in message


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    for one in (data, TEXT[:300] + data, b"-----BEGIN CERTIFICATE-----" + base64.b64encode(data) + TEXT[-27:]):
        with pytest.raises(Problem):
            formats.load_certificates(one)
