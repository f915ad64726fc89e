# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import probe
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import (
    Expectation,
    Prover,
    Sight,
    prove_served,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import Way
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import WaysIn as RealWaysIn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import TurnedAway, WireError

IMAP = Endpoint("127.0.0.1", 143, "imap", implicit_tls=False)
IMAPS = Endpoint("127.0.0.1", 993, "imap", implicit_tls=True)
GOOD = {"error": "", "leaf": b"leaf"}
REFUSED = {"auth_offered": False, "refused": True, "evidence": "LOGINDISABLED", "own_address": False}


class Wire:
    """Answers looks at the wire from a script; the last answer stays. An exception is raised."""

    def __init__(self):
        self.sessions = [GOOD]
        self.clear = [REFUSED]
        self.looks = 0
        self.clear_looks = 0
        self.timeouts = []
        self.sources = []

    @staticmethod
    def next(script):
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(**answer)

    def handshake(self, endpoint, trust, server_name, timeout):
        assert (trust, server_name) == (None, "")
        self.looks += 1
        self.sources.append(endpoint.source)
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


class WaysIn:
    """A host with an address of its own; each server is where its provider says."""

    addresses = ("192.0.2.1",)
    sources = RealWaysIn.sources

    def __init__(self, _host=None):
        pass

    def to(self, endpoint, _elsewhere):
        return [Way(endpoint)]


def ways_in() -> Any:
    return WaysIn()


def look(*endpoints, refused=True, patience=0.0, connections=1, trusted=False):
    """What becomes of some ways to a server."""
    prover = Prover(ways_in(), patience)
    ways = [Way(one, connections) for one in endpoints]
    return prover.look(lambda: ways, Expectation((b"leaf",), refused, own_address_trusted=trusted), "subject")


def fault(endpoint=IMAP, *, refused=True):
    """What one look finds wrong; empty when nothing is."""
    try:
        look(endpoint, refused=refused)
    except Problem as exc:
        return f"{exc.subject}: {exc.found}".removeprefix(f"subject: {endpoint.title} ")
    return ""


def test_all_is_well(wire):
    assert fault() == ""


def test_port_where_tls_starts_at_once_is_not_spoken_to_in_clear(wire):
    assert fault(IMAPS) == ""
    assert wire.clear_looks == 0


def test_must_staple_certificate_is_shown_with_a_response(wire, monkeypatch):
    # the first client of nginx gets none, and has it fetched
    answers = [False, False, True]
    monkeypatch.setattr(probe, "is_must_staple", lambda leaf: leaf == b"leaf")
    monkeypatch.setattr(probe, "staples", lambda _endpoint, timeout: answers.pop(0))
    assert fault() == "shows a must-staple certificate (RFC 7633) without an OCSP response"
    look(IMAP, patience=5.0)
    assert answers == []


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"error": "alert 40", "leaf": b""}, "ended the session inside TLS (alert 40)"),
        ({"error": "alert 40", "leaf": b"leaf"}, "ended the session inside TLS (alert 40)"),
        ({"error": TurnedAway("550 not you"), "leaf": b"other"}, "shows another certificate than the live one"),
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
    look(IMAP, patience=5.0)
    assert wire.looks == 3


def test_patience_ends(wire):
    wire.sessions = [WireError("refused", "never")]
    with pytest.raises(Problem, match="never"):
        look(IMAP, patience=0.05)
    assert wire.looks > 1


def test_a_silent_server_does_not_take_more_than_the_patience(wire, monkeypatch):
    monkeypatch.setattr(probe, "slowness", lambda: 1.0)
    wire.sessions = [WireError("timeout", "silent")]
    with pytest.raises(Problem, match="silent"):
        look(IMAP, patience=0.05)
    assert max(wire.timeouts) <= max(0.05, probe._PAUSE)


def test_a_busy_host_is_waited_for_longer(wire, monkeypatch):
    monkeypatch.setattr(probe, "slowness", lambda: 100.0)
    wire.sessions = [WireError("timeout", "silent")] * 3 + [GOOD]
    look(IMAP, patience=0.05)
    assert max(wire.timeouts) > 1
    assert max(wire.timeouts) <= TIMEOUT


def test_one_look_is_given_the_usual_time(wire):
    assert fault() == ""
    assert wire.timeouts == [TIMEOUT]


def test_every_virtual_server_that_shows_a_certificate_is_proven(wire, monkeypatch):
    monkeypatch.setattr(probe, "WaysIn", WaysIn)
    bound = Vserver("imap", certificate="mx", require_secure_channel=True)
    other = Vserver("pop3", certificate="other")
    daemon: Any = SimpleNamespace(
        host=None,
        read=lambda: {("imap", "default"): bound, ("pop3", "default"): other},
        endpoints=lambda vserver: [IMAP, IMAPS] if vserver is bound else pytest.fail("asked for another one"),
        elsewhere=lambda _vserver, _others: set(),
        trusts_its_own_address=False,
    )
    prove_served(daemon, {"mx"}, {"mx": b"leaf"}.__getitem__)
    assert (wire.looks, wire.clear_looks) == (2, 1)


# ---- several ways

OTHER = Endpoint("192.0.2.1", 143, "imap", implicit_tls=False)
IPV6 = Endpoint("2001:db8::1", 143, "imap", implicit_tls=False)


def test_every_way_is_looked_at(wire):
    assert look(IMAP, OTHER) == [Sight(IMAP), Sight(OTHER)]
    assert (wire.looks, wire.clear_looks) == (2, 2)


def test_one_way_that_is_wrong(wire):
    wire.clear = [REFUSED, {**REFUSED, "refused": False, "evidence": "e"}]
    with pytest.raises(Problem) as caught:
        look(IMAP, OTHER)
    assert caught.value.found == "imap on 192.0.2.1 port 143 does not refuse clear text (e)"


def test_what_a_server_lets_in_from_its_own_address_proves_nothing(wire):
    wire.clear = [{**REFUSED, "refused": False, "own_address": True}]
    (sight,) = look(IMAP, trusted=True)
    assert sight.unseen.startswith("this host has no other address")
    assert look(IMAP, refused=False, trusted=True) == [Sight(IMAP)]


def test_who_trusts_nobody_lets_nobody_in_from_its_own_address(wire):
    wire.clear = [{**REFUSED, "refused": False, "own_address": True, "evidence": "e"}]
    assert fault() == "does not refuse clear text (e)"


def test_several_listeners_that_get_connections_by_turns(wire):
    wire.clear = [REFUSED] * 5 + [{**REFUSED, "refused": False}]
    with pytest.raises(Problem, match="does not refuse clear text"):
        look(IMAP, connections=10)
    assert wire.looks == 6


def test_ways_that_appear_while_the_daemon_reloads(wire):
    found = [[Way(IMAP)], [Way(IMAP), Way(OTHER)]]
    wire.sessions = [WireError("refused", "not yet"), GOOD]
    sights = Prover(ways_in(), 5.0).look(
        lambda: found.pop(0) if len(found) > 1 else found[0], Expectation((b"leaf",), True), "subject"
    )
    assert [one.endpoint for one in sights] == [IMAP, OTHER]


def test_who_is_turned_away_comes_from_another_address(wire):
    wire.sessions = [TurnedAway("550 not you"), GOOD]
    assert look(OTHER) == [Sight(OTHER)]
    assert wire.sources == ["", "127.0.0.1"]


def test_who_was_let_in_from_an_address_comes_from_there_again(wire):
    wire.sessions = [TurnedAway("550 not you"), GOOD]
    assert look(IMAP, OTHER) == [Sight(IMAP), Sight(OTHER)]
    assert wire.sources == ["", "192.0.2.1", "192.0.2.1"]


def test_who_is_turned_away_everywhere_has_seen_nothing(wire):
    wire.sessions = [TurnedAway("550 not you")]
    assert look(IMAP, IPV6) == [Sight(IMAP, "550 not you"), Sight(IPV6, "550 not you")]
    assert wire.sources == ["", "192.0.2.1", "127.0.0.1", "", "::1", "2001:db8::1"]


def test_an_address_that_cannot_be_reached_beside_one_that_can(wire):
    wire.sessions = [GOOD, WireError("unreachable", "no answer")]
    assert look(IMAP, OTHER) == [Sight(IMAP), Sight(OTHER, "no answer")]


def test_who_is_turned_away_inside_tls(wire):
    wire.sessions = [{"error": TurnedAway("550 not you"), "leaf": b"leaf"}, GOOD]
    assert look(IMAPS) == [Sight(IMAPS)]
    assert wire.sources == ["", "192.0.2.1"]


def test_a_fault_counts_more_than_what_cannot_be_reached(wire):
    wire.sessions = [WireError("unreachable", "no answer"), {"error": "", "leaf": b"other"}]
    with pytest.raises(Problem, match="shows another certificate"):
        look(IMAP, OTHER)


def test_a_way_that_is_closed_from_here(wire):
    ways = [Way(IMAP), Way(OTHER, closed="it is far away")]
    sights = Prover(ways_in(), 0.0).look(lambda: ways, Expectation((b"leaf",), True), "subject")
    assert sights == [Sight(IMAP), Sight(OTHER, "it is far away")]
    assert wire.looks == 1


def test_a_load_balancer_comes_from_its_own_address_only(wire):
    wire.sessions = [TurnedAway("550 not you")]
    proxied = replace(OTHER, source="127.0.0.2", proxy_protocol=1)
    assert look(proxied) == [Sight(proxied, "550 not you")]
    assert wire.sources == ["127.0.0.2"]
