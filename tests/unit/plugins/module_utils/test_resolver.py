# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _resolver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._resolver import (
    authentic,
    question,
    servers_in,
)


@contextmanager
def answering(monkeypatch, flags, *, number=None):
    """A name server on this machine that answers one question with these flags."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_resolver, "PORT", server.getsockname()[1])

        def answer():
            asked, whom = server.recvfrom(4096)
            own = asked[:2] if number is None else number
            server.sendto(own + struct.pack("!5H", flags, 1, 0, 0, 0), whom)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("127.0.0.1",)),
        (
            "search x\nnameserver ::1\n# nameserver 192.0.2.9\noptions trust-ad\nnameserver\t192.0.2.1\n",
            ("::1", "192.0.2.1"),
        ),
        ("nameserver 1.1.1.1\n" * 5, ("1.1.1.1",) * 3),
    ],
)
def test_servers(text, expected):
    assert servers_in(text) == expected


def test_question_on_the_wire():
    # as dig +adflag +dnssec +bufsize=1232 asks it
    expected = "12340120000100000000000103666f6f0474657374000002000100002904d0000080000000"
    assert question(0x1234, "foo.test.", "ns").hex() == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0x81A0, True), (0x8180, False), (0x81A2, False), (0x01A0, False)],  # not authentic; failed; no answer at all
)
def test_bit_in_the_answer(flags, expected, monkeypatch):
    with answering(monkeypatch, flags):
        assert authentic(["127.0.0.1"], ".", "ns") is expected


def test_answer_to_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda _length: b"\x00\x01")
    with answering(monkeypatch, 0x81A0, number=b"\x00\x02"):
        assert authentic(["127.0.0.1"], ".", "ns") is False


def test_nobody_answers(monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_resolver, "PORT", free.getsockname()[1])
    assert authentic(["127.0.0.1"], ".", "ns") is False
