# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import probe
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import (
    Expectation,
    prove,
    prove_served,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

IMAP = Endpoint("127.0.0.1", 143, "imap", implicit_tls=False)
IMAPS = Endpoint("127.0.0.1", 993, "imap", implicit_tls=True)
GOOD = {"error": "", "leaf": b"leaf"}
REFUSED = {"auth_offered": False, "refused": True, "evidence": "LOGINDISABLED"}


class Wire:
    """Answers looks at the wire from a script; the last answer stays. An exception is raised."""

    def __init__(self):
        self.sessions = [GOOD]
        self.clear = [REFUSED]
        self.looks = 0
        self.clear_looks = 0
        self.timeouts = []

    @staticmethod
    def next(script):
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(**answer)

    def handshake(self, _endpoint, trust, server_name, timeout):
        assert (trust, server_name) == (None, "")
        self.looks += 1
        self.timeouts.append(timeout)
        return self.next(self.sessions)

    def clear_text(self, _endpoint, timeout):
        assert timeout == self.timeouts[-1]
        self.clear_looks += 1
        return self.next(self.clear)


@pytest.fixture
def wire(monkeypatch):
    found = Wire()
    monkeypatch.setattr(probe, "handshake", found.handshake)
    monkeypatch.setattr(probe, "clear_text", found.clear_text)
    monkeypatch.setattr(probe, "_PAUSE", 0.0)
    return found


def fault(endpoint=IMAP, *, refused=True):
    """What one look finds wrong; empty when nothing is."""
    try:
        prove(endpoint, Expectation((b"leaf",), refused), "subject", patience=0.0)
    except Problem as exc:
        return f"{exc.subject}: {exc.found}".removeprefix(f"subject: {endpoint.title} ")
    return ""


def test_all_is_well(wire):
    assert fault() == ""


def test_port_where_tls_starts_at_once_is_not_spoken_to_in_clear(wire):
    assert fault(IMAPS) == ""
    assert wire.clear_looks == 0


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"error": "alert 40", "leaf": b""}, "ended the session inside TLS (alert 40)"),
        ({"error": "", "leaf": b"other"}, "shows another certificate than the live one"),
        (WireError("refused", "connection refused"), "does not answer as expected (connection refused)"),
    ],
)
def test_handshake_that_is_wrong(session, expected, wire):
    wire.sessions = [session]
    assert fault() == expected
    assert fault(IMAPS) == expected


@pytest.mark.parametrize(
    ("clear", "refused", "expected"),
    [
        ({**REFUSED, "refused": False, "evidence": "e"}, True, "does not refuse clear text (e)"),
        ({**REFUSED, "refused": None, "evidence": "e"}, True, "does not refuse clear text (e)"),
        ({**REFUSED, "refused": False}, False, ""),
        (
            {**REFUSED, "auth_offered": True, "evidence": "AUTH PLAIN"},
            False,
            "offers a login in clear text (AUTH PLAIN)",
        ),
        (WireError("refused", "reset"), False, "does not answer as expected (reset)"),
    ],
)
def test_clear_text_that_is_wrong(clear, refused, expected, wire):
    wire.clear = [clear]
    assert fault(refused=refused) == expected


def test_patience(wire):
    wire.sessions = [WireError("refused", "not yet"), {"error": "", "leaf": b"other"}, GOOD]
    prove(IMAP, Expectation((b"leaf",), True), "s", patience=5.0)
    assert wire.looks == 3


def test_patience_ends(wire):
    wire.sessions = [WireError("refused", "never")]
    with pytest.raises(Problem, match="never"):
        prove(IMAP, Expectation((b"leaf",), True), "s", patience=0.05)
    assert wire.looks > 1


def test_a_silent_server_does_not_take_more_than_the_patience(wire, monkeypatch):
    monkeypatch.setattr(probe, "slowness", lambda: 1.0)
    wire.sessions = [WireError("timeout", "silent")]
    with pytest.raises(Problem, match="silent"):
        prove(IMAP, Expectation((b"leaf",), True), "s", patience=0.05)
    assert max(wire.timeouts) <= max(0.05, probe._PAUSE)


def test_a_busy_host_is_waited_for_longer(wire, monkeypatch):
    monkeypatch.setattr(probe, "slowness", lambda: 100.0)
    wire.sessions = [WireError("timeout", "silent")] * 3 + [GOOD]
    prove(IMAP, Expectation((b"leaf",), True), "s", patience=0.05)
    assert max(wire.timeouts) > 1
    assert max(wire.timeouts) <= TIMEOUT


def test_one_look_is_given_the_usual_time(wire):
    assert fault() == ""
    assert wire.timeouts == [TIMEOUT]


def test_every_virtual_server_that_shows_a_certificate_is_proven(monkeypatch):
    proven = []
    monkeypatch.setattr(probe, "prove", lambda *args: proven.append(args))
    bound = Vserver("imap", certificate="mx", require_secure_channel=True)
    other = Vserver("pop3", certificate="other")
    daemon: Any = SimpleNamespace(
        read=lambda: {("imap", "default"): bound, ("pop3", "default"): other},
        endpoints=lambda vserver: [IMAP, IMAPS] if vserver is bound else pytest.fail("asked for another one"),
    )
    prove_served(daemon, {"mx"}, {"mx": b"leaf"}.__getitem__)
    expectation = Expectation((b"leaf",), True)
    assert proven == [(IMAP, expectation, bound.title), (IMAPS, expectation, bound.title)]
