# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stapling import client_hello, staples
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Client, imap, implicit, serving


def message(kind: int, content: bytes = b"") -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def records(data: bytes, size: int = 1 << 14, kind: int = 22) -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(bytes([kind, 3, 3]) + len(part).to_bytes(2, "big") + part for part in parts)


HELLO, CERTIFICATE = message(2, b"hello"), message(11, bytes(300))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (records(HELLO + CERTIFICATE + message(22, b"response") + message(14)), True),
        (records(HELLO + CERTIFICATE + message(22, b"response"), size=7), True),
        (records(HELLO) + records(CERTIFICATE) + records(message(12, b"key")), False),
        (records(HELLO + CERTIFICATE + message(14)), False),
        (records(b"\x02\x46", kind=21), None),
    ],
)
def test_what_follows_the_certificate(said, found):
    heard = []

    def script(client: Client) -> None:
        heard.append(client.sock.recv(4096))
        client.sock.sendall(said)
        client.sock.recv(4096)

    with serving(script) as server:
        assert staples(at(server, "imap", implicit_tls=True), server_name=NAME) is found
    assert NAME.encode() in heard[0]


def test_real_handshakes(good_tls):
    with serving(implicit(good_tls, imap())) as server:
        assert staples(at(server, "imap", implicit_tls=True), server_name=NAME) is False
    with serving(imap(good_tls)) as server:
        assert staples(at(server, "imap"), server_name=NAME) is False
    good_tls.minimum_version = ssl.TLSVersion.TLSv1_3
    with serving(implicit(good_tls, imap())) as server:
        assert staples(at(server, "imap", implicit_tls=True), server_name=NAME) is None


def test_a_server_that_hangs_up():
    with serving(lambda _client: None) as server, pytest.raises(WireError):
        staples(at(server, "imap", implicit_tls=True), server_name=NAME)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::a"])
def test_an_address_is_not_asked_for(address):
    assert address.encode() not in client_hello(address)


def test_a_name_that_is_none():
    with pytest.raises(WireError) as caught:
        client_hello("a" * 64 + ".example")
    assert caught.value.code == "resolve"
