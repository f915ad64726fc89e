# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats, kdf_cost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)

KEY = new_key()
LEAF = Authority().certify(KEY.public_key(), distinguished("mx"))
MOST = kdf_cost.MOST_ITERATIONS


def der(tag, *contents):
    body = b"".join(contents)
    size = len(body).to_bytes(4, "big")
    return bytes([tag, 0x84]) + size + body


def number(value):
    return der(2, value.to_bytes(8, "big"))


def derivation(oid, *numbers):
    parameters = der(0x30, der(4, b"salt"), *map(number, numbers))
    return der(0x30, der(6, bytes.fromhex(oid)), parameters)


PBKDF2, PKCS12_PBE, SCRYPT = "2a864886f70d01050c", "2a864886f70d010c0103", "2b06010401da47040b"


@pytest.mark.parametrize(
    "costly",
    [
        derivation(PBKDF2, MOST + 1),
        derivation(PBKDF2, MOST + 1, 32),
        derivation(PKCS12_PBE, MOST + 1),
        derivation("2a864886f70d010503", MOST + 1),
        derivation(SCRYPT, 2**20, 8, 2),
        derivation(PBKDF2, MOST // 2) + derivation(PBKDF2, MOST // 2 + 2),
        der(0x30, der(0x30), der(4, b"salt"), number(MOST + 1)),
        der(0x30, der(0x30), der(4, b"salt"), der(2, b"\x80" + bytes(7))),
        der(0x30, der(0xA0, der(4, der(0x30, derivation(PBKDF2, MOST + 1))))),
        der(0x24, der(4, derivation(PBKDF2, MOST + 1)[:9]), der(4, derivation(PBKDF2, MOST + 1)[9:])),
        b"\x30\x80" + derivation(PBKDF2, MOST + 1) + b"\0\0",
    ],
)
def test_too_many_rounds(costly):
    with pytest.raises(Problem, match="iterations of key derivation"):
        kdf_cost.refuse_costly(costly)


@pytest.mark.parametrize(
    "harmless",
    [
        b"",
        b"\x30",
        derivation(PBKDF2, MOST),
        derivation(SCRYPT, 2**14, 8, 1),
        derivation("2a8648ce3d0101", MOST + 1),  # no key derivation
        derivation(PBKDF2, MOST + 1)[:-1],
        b"\x30\x80" * 2000,
    ],
)
def test_harmless(harmless):
    kdf_cost.refuse_costly(harmless)


@given(st.binary(max_size=300))
def test_never_stumbles(data):
    kdf_cost.refuse_costly(data)


def sealed(tmp_path, *arguments):
    """What openssl makes; the passphrase is ``x``."""
    (tmp_path / "both.pem").write_bytes(key_pem(KEY) + pem(LEAF))
    argv = ["openssl", *arguments, "-in", str(tmp_path / "both.pem"), "-passout", "pass:x"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("pkcs12", "-export", "-iter", "6000"),
        ("pkcs12", "-export", "-iter", "1", "-nomac"),
        ("pkcs12", "-export", "-iter", "6000", "-certpbe", "NONE"),
        ("pkcs12", "-export", "-iter", "6000", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"),
        ("pkcs8", "-topk8", "-iter", "6000"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-iter", "6000"),
        ("pkcs8", "-topk8", "-scrypt", "-scrypt_N", "1024"),
    ],
)
def test_what_openssl_makes(tmp_path, monkeypatch, arguments):
    data = sealed(tmp_path, *arguments)
    data = data + pem(LEAF) if b"-----BEGIN" in data else data
    assert formats.opened(data, "x").key is not None
    monkeypatch.setattr(kdf_cost, "MOST_ITERATIONS", 0 if "1" in arguments else 5000)
    with pytest.raises(Problem, match="iterations of key derivation") as caught:
        formats.opened(data, "x")
    assert caught.value.option != "passphrase"  # another fault than a wrong passphrase
