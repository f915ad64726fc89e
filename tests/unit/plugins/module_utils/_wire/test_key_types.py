# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.key_types import key_type, not_shown
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import imap, implicit, serving, silent

TIMEOUT = 5.0


class Pairs:
    """Certificates of one CA with their keys, and servers that have some of them."""

    def __init__(self, folder):
        self.folder = folder
        authority = Authority(key=new_key(2048))  # its signature says nothing about the keys that it certifies
        self.leaves = {}
        for name, size in (("rsa", 2048), ("other rsa", 2048), ("ecdsa", 0), ("other ecdsa", 0)):
            key = new_key(size)
            leaf = authority.certify(key.public_key(), distinguished(name))
            (folder / name).write_bytes(key_pem(key) + pem(leaf))
            self.leaves[name] = der(leaf)

    def context(self, *names):
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name in names:
            found.load_cert_chain(self.folder / name)
        return found


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return Pairs(tmp_path_factory.mktemp("pairs"))


def test_the_type_is_that_of_the_key_and_not_of_the_signature(pairs):
    assert {name: key_type(leaf) for name, leaf in pairs.leaves.items()} == {
        "rsa": "RSA",
        "other rsa": "RSA",
        "ecdsa": "ECDSA",
        "other ecdsa": "ECDSA",
    }


@pytest.mark.parametrize(
    ("served", "expected", "words"),
    [
        (("rsa", "ecdsa"), ("ecdsa", "rsa"), ""),
        (("ecdsa",), ("ecdsa",), ""),
        (("ecdsa",), ("ecdsa", "rsa"), "no TLS 1.2 for clients that take certificates with RSA keys only"),
        (("rsa",), ("ecdsa", "rsa"), "no TLS 1.2 for clients that take certificates with ECDSA keys only"),
        (("other rsa", "ecdsa"), ("ecdsa", "rsa"), "another certificate than the live one to clients that take RSA"),
        (("rsa", "other ecdsa"), ("ecdsa", "rsa"), "another certificate than the live one to clients that take ECDSA"),
    ],
)
@pytest.mark.parametrize("implicit_tls", [True, False])
def test_each_client_gets_its_certificate(served, expected, words, implicit_tls, pairs):
    context = pairs.context(*served)
    script = implicit(context, imap()) if implicit_tls else imap(context)
    with serving(script) as server:
        found = not_shown(
            at(server, "imap", implicit_tls=implicit_tls), [pairs.leaves[name] for name in expected], TIMEOUT
        )
    assert words in found
    assert bool(words) is bool(found)


def test_without_tls_12_it_cannot_be_seen(pairs):
    context = pairs.context("ecdsa")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with serving(implicit(context, imap())) as server:
        both = [pairs.leaves["ecdsa"], pairs.leaves["rsa"]]
        assert not_shown(at(server, "imap", implicit_tls=True), both, TIMEOUT) == ""


def test_silence_is_no_answer(pairs):
    with serving(silent) as server, pytest.raises(WireError) as caught:
        not_shown(at(server, "imap"), pairs.leaves.values(), 0.2)
    assert caught.value.code == "timeout"
