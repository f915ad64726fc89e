# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import (
    formats,
    kdf_cost,
    key_pair,
    keys,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import pem_block
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import confined, openssl
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

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
        derivation(PBKDF2, MOST + 1) + b"\0\0",
        derivation(PBKDF2, MOST + 1) + b"\x30",
        der(0x30, derivation(PBKDF2, MOST + 1), b"\x04\x09x"),
        der(0x30, der(4, der(0x30, derivation(PBKDF2, MOST + 1)) + b"\0\0")),
        b"\x30\x80" + derivation(PBKDF2, MOST + 1) + b"\x04\x7f",
        der(0x30, b"\x3f\x81\x00\x00", derivation(PBKDF2, MOST + 1)),
        der(0x30, der(0x30), der(0x24, der(4, b"salt")), number(MOST + 1)),
        derivation(PBKDF2, 10**18) + derivation(PBKDF2, 10**18) * 12,
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


def test_more_parts_than_any_file():
    with pytest.raises(Problem, match="more than 200000 parts"):
        kdf_cost.refuse_costly(der(0x30, b"\x05\x00" * 300_000))


# ---- files in which the iterations cannot be counted, or have been hidden


HIDDEN = 2**31 - 1  # iterations, an hour of work


def with_more_rounds(data, lengths):
    """A file that was made with two iterations and asks for many; the lengths around their number stand there."""
    costly = bytearray(data)
    for at in lengths:
        costly[at] += 3
    place = costly.rindex(b"\x02\x01\x02")
    return bytes(costly[:place] + b"\x02\x04" + HIDDEN.to_bytes(4, "big") + costly[place + 3 :])


@pytest.fixture(scope="module")
def costly_pkcs12():
    argv = ["openssl", "pkcs12", "-export", "-passout", "pass:opensesame", "-iter", "2"]
    data = subprocess.run(argv, input=key_pem(KEY) + pem(LEAF), capture_output=True, check=True).stdout
    mac = next(at for at in range(len(data) - 30, 0, -1) if data[at] == 0x30 and data[at + 1] == len(data) - at - 2)
    return with_more_rounds(data, [3, mac + 1])


@pytest.fixture(scope="module")
def costly_key():
    argv = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:opensesame", "-iter", "2"]
    block = subprocess.run(argv, input=key_pem(KEY), capture_output=True, check=True).stdout
    data = base64.b64decode(b"".join(block.splitlines()[1:-1]))
    return pem_block("ENCRYPTED PRIVATE KEY", with_more_rounds(data, [2, 4, 17, 19, 32]))


@pytest.mark.parametrize("behind", [b"", b"\0\0", b"\x30\x80", b"\x30", b"x" * 100])
def test_bytes_behind_do_not_hide_the_iterations(behind, costly_pkcs12):
    with pytest.raises(Problem, match=r"21474836\d\d iterations of key derivation"):
        formats.opened(costly_pkcs12 + behind, "opensesame")


@pytest.mark.parametrize(
    "opening",
    [
        lambda block: formats.opened(pem(LEAF) + block, "opensesame"),
        lambda block: formats.opened_key(block, "opensesame"),
        lambda block: key_pair.load_key(block, "/x", "opensesame"),
    ],
)
def test_what_is_not_counted_ends_all_the_same(opening, costly_key, costly_pkcs12, monkeypatch):
    monkeypatch.setattr(confined, "PROCESSOR_TIME", 1)
    monkeypatch.setattr(formats, "refuse_costly", lambda _der: None)
    monkeypatch.setattr(key_pair, "refuse_costly_key", lambda _block, _path: None)
    with pytest.raises(Problem, match="takes more than 1 seconds of work"):
        opening(costly_key)
    with pytest.raises(Problem, match="takes more than 1 seconds of work"):
        formats.opened(costly_pkcs12, "opensesame")


def test_a_key_of_the_store_is_counted_too(costly_key):
    for opening in (
        lambda: key_pair.load_key(costly_key, "/x", "opensesame"),
        lambda: keys.opened(this_host(), costly_key, "opensesame", "/x"),
    ):
        with pytest.raises(Problem, match=f"the key in /x cannot be opened: it asks for {HIDDEN} iterations"):
            opening()


def test_a_copy_of_a_daemon_does_not_keep_the_host_busy(costly_key, monkeypatch):
    monkeypatch.setattr(confined, "PROCESSOR_TIME", 1)
    assert not openssl.has_open_key(costly_key + pem(LEAF))
