# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import LONGEST_QUOTATION, quoted
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import SHORT, handshake_error
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Client


def test_no_answer_is_longer_than_a_server_may_talk():
    def talks(client: Client) -> None:
        client.say("220 mail")
        while True:
            client.say("250-" + "x" * 1000)

    error = handshake_error(talks)
    assert error.code == "protocol"
    assert "256 KiB" in error.text


def test_the_deadline_holds_against_a_server_that_drips():
    def drips(client: Client) -> None:
        while True:
            client.sock.sendall(b"2")
            client.sock.settimeout(0.01)
            try:
                client.sock.recv(1)
            except socket.timeout:
                continue

    started = time.monotonic()
    assert handshake_error(drips, timeout=SHORT).code == "timeout"
    assert time.monotonic() - started < 2


def test_quotations_are_fit_to_be_shown():
    assert quoted("a\x1b[31mb\x07\n") == "a?[31mb??"
    assert len(quoted("x" * 1000)) <= LONGEST_QUOTATION + 1
