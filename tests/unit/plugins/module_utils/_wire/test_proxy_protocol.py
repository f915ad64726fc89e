# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.injection import injection
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.proxy_protocol import proxy_header
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.versions import accepts_version
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import at
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Client, implicit, serving, smtp

CLIENT, SERVER = ("127.0.0.2", 40000), ("127.0.0.1", 587)
CLIENT_IPV6, SERVER_IPV6 = ("fe80::1%lo", 40000), ("::1", 587)


def test_the_line_of_text():
    assert proxy_header(1, CLIENT, SERVER) == b"PROXY TCP4 127.0.0.2 127.0.0.1 40000 587\r\n"
    assert proxy_header(1, CLIENT_IPV6, SERVER_IPV6) == b"PROXY TCP6 fe80::1 ::1 40000 587\r\n"


def test_the_binary_form():
    signature = bytes.fromhex("0d0a0d0a000d0a515549540a")
    assert proxy_header(2, CLIENT, SERVER) == signature + bytes.fromhex("2111000c7f0000027f0000019c40024b")
    addresses = socket.inet_pton(socket.AF_INET6, "fe80::1") + socket.inet_pton(socket.AF_INET6, "::1")
    assert proxy_header(2, CLIENT_IPV6, SERVER_IPV6) == (
        signature + bytes.fromhex("21210024") + addresses + bytes.fromhex("9c40024b")
    )


def behind_a_load_balancer(script):
    """A server that takes only the line of text for a client's first word."""

    def run(client: Client) -> None:
        line = b""
        while not line.endswith(b"\n"):
            line += client.sock.recv(1)  # no more: what follows may be TLS
        words = line.decode("ascii").split()
        if words[:2] != ["PROXY", "TCP4"] or words[2:4] != [client.sock.getpeername()[0], "127.0.0.1"]:
            return
        if [int(word) for word in words[4:]] == [client.sock.getpeername()[1], client.sock.getsockname()[1]]:
            script(client)

    return run


@pytest.mark.parametrize("implicit_tls", [False, True])
def test_every_look_says_first_who_connects(good_tls, implicit_tls):
    script = implicit(good_tls, smtp()) if implicit_tls else smtp(good_tls)
    with serving(behind_a_load_balancer(script)) as server:
        endpoint = replace(at(server, "submission", implicit_tls=implicit_tls), proxy_protocol=1)
        assert handshake(endpoint, trust=None).leaf
        assert accepts_version(endpoint, "TLSv1.2")
        assert clear_text(endpoint).refused is not None
        if not implicit_tls:
            assert not injection(endpoint).vulnerable
