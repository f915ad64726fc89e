# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import hashlib
import itertools
import socket
import ssl
import time
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import handshake as handshake_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import dialogue_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import DAY, NAME, NOW
from ansible_collections.postmaster.secure_channel.tests.support.wire_clients import (
    GOOD,
    GREETINGS,
    SHORT,
    at,
    handshake_error,
)
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Client,
    imap,
    implicit,
    saying,
    serving,
    silent,
    smtp,
)

# ---- sessions


@pytest.mark.parametrize("protocol", GOOD)
def test_starttls_with_a_good_certificate(protocol, material, good_tls, trust):
    with serving(GOOD[protocol](good_tls)) as server:
        session = handshake(at(server, protocol), trust=trust, server_name=NAME)
    assert session.verified
    assert session.verify_error == ""
    assert session.error is None
    assert session.version == "TLSv1.3"
    assert session.cipher.startswith("TLS_")
    assert session.bits >= 128
    assert session.address == "127.0.0.1"
    assert dialogue_of(protocol).starttls in session.clear_capabilities
    assert session.tls_capabilities
    assert session.tls_capabilities != session.clear_capabilities
    assert session.greeting
    if session.whole_chain:
        assert session.chain[1:] == (material.intermediate_der,)


@pytest.mark.parametrize("protocol", GOOD)
def test_implicit_tls_with_a_good_certificate(protocol, good_tls, trust):
    with serving(implicit(good_tls, GOOD[protocol]())) as server:
        session = handshake(at(server, protocol, implicit_tls=True), trust=trust, server_name=NAME)
    assert session.verified
    assert session.error is None
    assert session.clear_capabilities == ()
    assert session.tls_capabilities
    assert session.greeting


def test_the_whole_chain_is_seen_where_python_shows_it(good_tls, monkeypatch):
    monkeypatch.setattr(ssl.SSLSocket, "get_unverified_chain", lambda _self: [b"leaf", b"more"], raising=False)
    with serving(smtp(good_tls)) as server:
        session = handshake(at(server, "smtp"), trust=None)
    assert session.chain == (b"leaf", b"more")
    assert session.leaf == b"leaf"
    assert session.whole_chain


def test_only_the_leaf_is_seen_where_python_shows_no_more():
    class OldSocket:
        def getpeercert(self, binary_form):
            assert binary_form
            return b"leaf"

    old: Any = OldSocket()
    assert handshake_module._chain(old) == ((b"leaf",), False)


def test_the_key_exchange_group_is_told_where_python_knows_it(good_tls, monkeypatch):
    monkeypatch.setattr(ssl.SSLSocket, "group", lambda _self: "X25519MLKEM768", raising=False)
    with serving(smtp(good_tls)) as server:
        session = handshake(at(server, "smtp"), trust=None)
    assert session.group == "X25519MLKEM768"


def test_the_leaf_is_the_first_of_the_chain(good_tls):
    with serving(smtp(good_tls)) as server:
        session = handshake(at(server, "smtp"), trust=None)
    assert hashlib.sha256(session.leaf).hexdigest() == hashlib.sha256(session.chain[0]).hexdigest()


def test_the_server_is_asked_for_by_name(material):
    asked = []
    tls = material.context()
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    with serving(smtp(tls)) as server:
        handshake(at(server, "smtp"), trust=None, server_name=f"{NAME}.")
        handshake(at(server, "smtp"), trust=None)
    assert asked == [NAME, None]  # never the final full stop, never an IP address (RFC 6066 section 3)


@pytest.mark.parametrize("name", [".", "a" * 64 + ".test", "no\x00name"])
def test_a_server_name_that_is_none(name, good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(WireError) as caught:
        handshake(at(server, "smtp"), trust=None, server_name=name)
    assert caught.value.code == "resolve"


# ---- certificates


OUT_OF_TIME = ("expired", "not yet valid")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        pytest.param(lambda made: made.context("other.example.test"), "mx1.example.test", id="wrong name"),
        pytest.param(lambda made: made.self_signed(), "self", id="self-signed"),
        pytest.param(lambda made: made.context(not_before=NOW - 9 * DAY, not_after=NOW - DAY), "expired", id="expired"),
        pytest.param(lambda made: made.context(not_before=NOW + DAY), "not yet valid", id="not yet valid"),
        pytest.param(lambda made: made.context(chain=False), "issuer certificate", id="no intermediate"),
    ],
)
def test_a_bad_certificate_is_described_and_still_collected(make, complaint, material, trust):
    with serving(imap(make(material))) as server:
        session = handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert not session.verified
    assert complaint in session.verify_error
    assert ("; the clock of the host that looks says 2" in session.verify_error) == (complaint in OUT_OF_TIME)
    assert session.leaf
    assert session.version


def test_the_common_name_does_not_count(material, trust):
    with serving(imap(material.context("other.example.test"))) as server:
        session = handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert not session.verified


def test_nothing_is_verified_when_nothing_is_asked_for(good_tls):
    with serving(imap(good_tls)) as server:
        session = handshake(at(server, "imap"), trust=None, server_name=NAME)
    assert not session.verified
    assert session.verify_error == "verification was not asked for"


def test_the_systems_store_does_not_know_the_test_root(good_tls):
    with serving(imap(good_tls)) as server:
        session = handshake(at(server, "imap"), trust=trust_store(), server_name=NAME)
    assert not session.verified


def test_a_server_that_dies_inside_tls_has_shown_its_certificate(good_tls):
    def dies(client: Client) -> None:
        client.start_tls(good_tls)

    with serving(dies) as server:
        session = handshake(at(server, "imap", implicit_tls=True), trust=None)
    assert session.leaf
    assert session.error is not None
    assert session.error.code == "closed"


def test_a_server_that_shows_a_bad_certificate_and_then_nothing(material, trust):
    bad, visits = imap(material.self_signed()), iter("once")

    def moody(client: Client) -> None:
        if next(visits) == "o":
            bad(client)
        client.say("what?")

    with serving(moody) as server, pytest.raises(WireError) as caught:
        handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert caught.value.code == "protocol"
    assert "'what?', after a certificate that is not trusted (self" in caught.value.text


# ---- servers that do not get as far as a handshake


def test_a_handshake_that_fails_says_why():
    assert handshake_error(smtp()).code == "handshake"  # says 220 and goes on in clear text
    error = handshake_error(implicit(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), smtp()), implicit_tls=True)
    assert error.code == "handshake"
    assert error.text.startswith("TLS failed: ")
    assert error.text.endswith("alert handshake failure")


def test_clear_text_after_the_consent_to_starttls_is_not_taken_into_tls(good_tls):
    error = handshake_error(smtp(good_tls, answers={"STARTTLS": "220 Go\r\n250 smuggled"}))
    assert error.code == "protocol"
    assert "went on in clear text" in error.text


@pytest.mark.parametrize("protocol", GOOD)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", "protocol", id="another protocol"),
        pytest.param(b"\x00\xff\x1b[31mevil\x07\r\n", "protocol", id="garbage"),
        pytest.param(b"a" * 70_000, "protocol", id="endless line"),
        pytest.param(b"", "timeout", id="silence"),
        pytest.param(b"220 mail", "timeout", id="half a line"),
    ],
)
def test_strange_greetings(protocol, words, code):
    started = time.monotonic()
    error = handshake_error(saying(words), protocol, timeout=SHORT if code == "timeout" else 5.0)
    assert error.code == code
    assert error.text.isprintable()
    assert len(error.text) < 500
    assert time.monotonic() - started < 5


def test_a_server_that_hangs_up():
    assert handshake_error(lambda client: None).code == "closed"
    assert handshake_error(lambda client: None, implicit_tls=True).code == "closed"


def test_silence_where_tls_is_due():
    assert handshake_error(silent, implicit_tls=True, timeout=SHORT).code == "timeout"


@pytest.mark.parametrize("protocol", GOOD)
def test_hostile_bytes_never_do_more_than_fail(protocol):
    """Whatever a server says, the answer is a WireError, or data."""
    fragments = [b"2", b"250-AUTH \xc3\xa9\r\n", b"530 x\r\n", b"* CAPABILITY\r\n", b"c ", b"l NO [", b"+OK", b"-ERR"]
    fragments += [b"101 x\r\n", b"480 "]
    fragments += [b"\r\n", b"\n", b"\x00", b"\xff", b"."]
    speeches = [GREETINGS[protocol] + b"".join(pair) for pair in itertools.product(fragments, repeat=2)]
    said = [b""]

    def rambles(client: Client) -> None:
        client.sock.sendall(said[0])
        client.sock.shutdown(socket.SHUT_WR)
        silent(client)

    with serving(rambles) as server:
        for number, speech in enumerate(speeches):
            said[0] = speech
            endpoint = at(server, protocol, implicit_tls=number % 5 == 0)
            assert ending_of(clear_text, endpoint).isprintable()
            assert ending_of(functools.partial(handshake, trust=None), endpoint).isprintable()


def ending_of(ask, endpoint: Endpoint) -> str:
    try:
        return str(ask(endpoint, timeout=2.0))
    except WireError as exc:
        return exc.text
