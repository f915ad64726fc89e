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

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.resolver import (
    authentic,
    mail_exchangers,
    question,
    servers_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError


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


# ---- mail exchangers

ASKED_FOR = b"\x01a\x04test\x00\x00\x0f\x00\x01"
FIRST_NAME = b"\xc0\x0c"  # where the question's name is


def record(kind, content, name=FIRST_NAME):
    return name + struct.pack("!HHIH", kind, 1, 60, len(content)) + content


def exchanger(preference, name):
    return record(15, struct.pack("!H", preference) + name)


@contextmanager
def telling(monkeypatch, *records, flags=0x8180, cut_off=False):
    """A name server that answers with some records; with ``cut_off``, only over TCP."""
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        server.bind(stream.getsockname())
        monkeypatch.setattr(_resolver, "PORT", server.getsockname()[1])

        def made(asked, flags, records):
            return asked[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0) + ASKED_FOR + b"".join(records)

        def answer():
            asked, whom = server.recvfrom(4096)
            server.sendto(made(asked, flags | 0x0200, ()) if cut_off else made(asked, flags, records), whom)
            if cut_off:
                channel, _whom = stream.accept()
                with channel:
                    asked = channel.recv(4096)[2:]
                    whole = made(asked, flags, records)
                    channel.sendall(struct.pack("!H", len(whole)) + whole)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


MX1, MX2 = b"\x03MX1" + FIRST_NAME, b"\x03mx2\x05other\x00"


@pytest.mark.parametrize("cut_off", [False, True])
def test_exchangers_by_preference(cut_off, monkeypatch):
    others = (record(5, FIRST_NAME), record(46, b"signature"))
    with telling(monkeypatch, exchanger(20, MX2), *others, exchanger(10, MX1), cut_off=cut_off):
        assert mail_exchangers(["127.0.0.1"], "a.test") == ("mx1.a.test", "mx2.other")


def test_domain_without_exchangers_is_its_own(monkeypatch):
    with telling(monkeypatch):
        assert mail_exchangers(["127.0.0.1"], "a.test") == ("a.test",)


@pytest.mark.parametrize(
    ("flags", "records", "words"),
    [
        (0x8183, (), "the domain a.test does not exist"),
        (0x8182, (), "does not answer"),  # SERVFAIL
        (0x8180, (exchanger(0, b"\0"),), "accepts no mail"),
        (0x8180, (exchanger(1, b"\xc0\x30"),), "does not answer"),  # a name that refers to itself, or to nothing
        (0x8180, (exchanger(1, b"\x09short"),), "does not answer"),
    ],
)
def test_no_exchanger(flags, records, words, monkeypatch):
    with telling(monkeypatch, *records, flags=flags), pytest.raises(WireError, match=words) as caught:
        mail_exchangers(["127.0.0.1"], "a.test")
    assert caught.value.code == "resolve"


@pytest.mark.parametrize("domain", ["a.test", "\u00fc.test", "x" * 300])
def test_no_resolver(domain, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_resolver, "PORT", free.getsockname()[1])
    with pytest.raises(WireError, match="does not answer"):
        mail_exchangers(["127.0.0.1", "::1"], domain)
