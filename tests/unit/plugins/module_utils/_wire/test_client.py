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
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import client as wire
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import stream as wire_stream
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import DIALOGUES
from ansible_collections.postmaster.secure_channel.tests.support.authorities import DAY, NAME, NOW
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Client,
    Material,
    Server,
    imap,
    implicit,
    nntp,
    pop3,
    saying,
    serving,
    silent,
    smtp,
)

GOOD: dict[str, Any] = {"submission": smtp, "imap": imap, "pop3": pop3, "nntp": nntp}
SHORT = 0.2  # seconds of patience where a server is expected to stay silent


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def good_tls(material):
    return material.context()


@pytest.fixture(scope="module")
def trust(material):
    return wire.trust_store(str(material.ca_file))


def at(server: Server, protocol: str, *, implicit_tls: bool = False, address: str = "127.0.0.1") -> Endpoint:
    return Endpoint(address, server.port, protocol, implicit_tls)


def handshake_error(script, protocol="submission", *, implicit_tls=False, timeout=5.0) -> wire.WireError:
    with serving(script) as server, pytest.raises(wire.WireError) as caught:
        wire.handshake(at(server, protocol, implicit_tls=implicit_tls), trust=None, timeout=timeout)
    return caught.value


def test_every_protocol_has_a_dialogue():
    assert {protocol.dialogue for protocol in PROTOCOLS.values()} <= set(DIALOGUES)


# ---- handshakes


@pytest.mark.parametrize("protocol", GOOD)
def test_starttls_with_a_good_certificate(protocol, material, good_tls, trust):
    with serving(GOOD[protocol](good_tls)) as server:
        session = wire.handshake(at(server, protocol), trust=trust, server_name=NAME)
    assert session.verified
    assert session.verify_error == ""
    assert session.error is None
    assert session.version == "TLSv1.3"
    assert session.cipher.startswith("TLS_")
    assert session.bits >= 128
    assert session.address == "127.0.0.1"
    assert DIALOGUES[PROTOCOLS[protocol].dialogue].starttls in session.clear_capabilities
    assert session.tls_capabilities
    assert session.tls_capabilities != session.clear_capabilities
    assert session.greeting
    if session.whole_chain:
        assert session.chain[1:] == (material.intermediate_der,)


@pytest.mark.parametrize("protocol", GOOD)
def test_implicit_tls_with_a_good_certificate(protocol, good_tls, trust):
    with serving(implicit(good_tls, GOOD[protocol]())) as server:
        session = wire.handshake(at(server, protocol, implicit_tls=True), trust=trust, server_name=NAME)
    assert session.verified
    assert session.error is None
    assert session.clear_capabilities == ()
    assert session.tls_capabilities
    assert session.greeting


def test_the_whole_chain_is_seen_where_python_shows_it(good_tls, monkeypatch):
    monkeypatch.setattr(ssl.SSLSocket, "get_unverified_chain", lambda _self: [b"leaf", b"more"], raising=False)
    with serving(smtp(good_tls)) as server:
        session = wire.handshake(at(server, "smtp"), trust=None)
    assert session.chain == (b"leaf", b"more")
    assert session.leaf == b"leaf"
    assert session.whole_chain


def test_only_the_leaf_is_seen_where_python_shows_no_more():
    class OldSocket:
        def getpeercert(self, binary_form):
            assert binary_form
            return b"leaf"

    old: Any = OldSocket()
    assert wire._chain(old) == ((b"leaf",), False)


def test_the_key_exchange_group_is_told_where_python_knows_it(good_tls, monkeypatch):
    monkeypatch.setattr(ssl.SSLSocket, "group", lambda _self: "X25519MLKEM768", raising=False)
    with serving(smtp(good_tls)) as server:
        session = wire.handshake(at(server, "smtp"), trust=None)
    assert session.group == "X25519MLKEM768"


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
        session = wire.handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert not session.verified
    assert complaint in session.verify_error
    assert session.leaf
    assert session.version


def test_the_common_name_does_not_count(material, trust):
    with serving(imap(material.context("other.example.test"))) as server:
        session = wire.handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert not session.verified


def test_nothing_is_verified_when_nothing_is_asked_for(good_tls):
    with serving(imap(good_tls)) as server:
        session = wire.handshake(at(server, "imap"), trust=None, server_name=NAME)
    assert not session.verified
    assert session.verify_error == "verification was not asked for"


def test_the_systems_store_does_not_know_the_test_root(good_tls):
    with serving(imap(good_tls)) as server:
        session = wire.handshake(at(server, "imap"), trust=wire.trust_store(), server_name=NAME)
    assert not session.verified


def test_the_server_is_asked_for_by_name(material):
    asked = []
    tls = material.context()
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    with serving(smtp(tls)) as server:
        wire.handshake(at(server, "smtp"), trust=None, server_name=f"{NAME}.")
        wire.handshake(at(server, "smtp"), trust=None)
    assert asked == [NAME, None]  # never the final full stop, never an IP address (RFC 6066 section 3)


def test_a_server_that_dies_inside_tls_has_shown_its_certificate(good_tls):
    def dies(client: Client) -> None:
        client.start_tls(good_tls)

    with serving(dies) as server:
        session = wire.handshake(at(server, "imap", implicit_tls=True), trust=None)
    assert session.leaf
    assert session.error is not None
    assert session.error.code == "closed"


def test_a_server_that_shows_a_bad_certificate_and_then_nothing(material, trust):
    bad, visits = imap(material.self_signed()), iter("once")

    def moody(client: Client) -> None:
        if next(visits) == "o":
            bad(client)
        client.say("what?")

    with serving(moody) as server, pytest.raises(wire.WireError) as caught:
        wire.handshake(at(server, "imap"), trust=trust, server_name=NAME)
    assert caught.value.code == "protocol"
    assert "'what?', after a certificate that is not trusted (self" in caught.value.text


# ---- servers that do not come to a handshake


def test_starttls_not_offered():
    error = handshake_error(smtp(clear=("SIZE 1000",)))
    assert (error.code, error.text) == ("no_starttls", "the server does not offer STARTTLS")


@pytest.mark.parametrize(
    ("script", "protocol"),
    [
        (smtp(answers={"STARTTLS": "454 4.7.0 TLS not available due to local problem"}), "submission"),
        (imap(answers={"STARTTLS": "BAD TLS not available"}), "imap"),
        (pop3(answers={"STLS": "-ERR TLS not available"}), "pop3"),
    ],
)
def test_starttls_offered_but_not_given(script, protocol):
    error = handshake_error(script, protocol)
    assert error.code == "starttls_refused"
    assert "TLS not available" in error.text


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


@pytest.mark.parametrize(
    ("script", "protocol"),
    [
        (smtp(greeting="554 5.7.1 go away"), "submission"),
        (imap(greeting="* BYE go away"), "imap"),
        (pop3(greeting="-ERR go away"), "pop3"),
        (nntp(greeting="502 go away"), "nntp"),
        (nntp(answers={"MODE": "502 go away"}, transit=True), "nntp"),
        (smtp(answers={"EHLO": "550 go away", "HELO": "550 go away"}), "submission"),
    ],
)
def test_a_server_that_turns_us_away(script, protocol):
    error = handshake_error(script, protocol)
    assert error.code == "rejected"
    assert "go away" in error.text


def test_a_server_that_hangs_up():
    assert handshake_error(lambda client: None).code == "closed"
    assert handshake_error(lambda client: None, implicit_tls=True).code == "closed"
    error = handshake_error(imap(answers={"CAPABILITY": "* BYE too many\r\nOK"}), "imap")
    assert (error.code, error.text) == ("closed", "the server hung up with '* BYE too many'")


def test_silence_where_tls_is_due():
    assert handshake_error(silent, implicit_tls=True, timeout=SHORT).code == "timeout"


@pytest.mark.parametrize("protocol", GOOD)
def test_hostile_bytes_never_do_more_than_fail(protocol):
    """Whatever a server says, the answer is a WireError, or data."""
    greetings = {"submission": b"220 x\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n", "nntp": b"200 x\r\n"}
    fragments = [b"2", b"250-AUTH \xc3\xa9\r\n", b"530 x\r\n", b"* CAPABILITY\r\n", b"c ", b"l NO [", b"+OK", b"-ERR"]
    fragments += [b"101 x\r\n", b"480 "]
    fragments += [b"\r\n", b"\n", b"\x00", b"\xff", b"."]
    speeches = [greetings[protocol] + b"".join(pair) for pair in itertools.product(fragments, repeat=2)]
    said = [b""]

    def rambles(client: Client) -> None:
        client.sock.sendall(said[0])
        client.sock.shutdown(socket.SHUT_WR)
        silent(client)

    with serving(rambles) as server:
        for number, speech in enumerate(speeches):
            said[0] = speech
            endpoint = at(server, protocol, implicit_tls=number % 5 == 0)
            assert ending_of(wire.clear_text, endpoint).isprintable()
            assert ending_of(functools.partial(wire.handshake, trust=None), endpoint).isprintable()


def ending_of(ask, endpoint: Endpoint) -> str:
    try:
        return str(ask(endpoint, timeout=2.0))
    except wire.WireError as exc:
        return exc.text


# ---- connections


def test_nothing_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", held.getsockname()[1], "imap", False)
        with pytest.raises(wire.WireError) as caught:
            wire.handshake(endpoint, trust=None)
    assert (caught.value.code, caught.value.text) == ("refused", "the connection was refused by 127.0.0.1")


@pytest.mark.parametrize("name", ["nowhere.invalid", "a" * 64 + ".test", "no\x00name", ""])
def test_a_name_without_an_address(name, monkeypatch):
    def unknown(host, *_args, **_kwargs):
        host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(wire.WireError) as caught:
        wire.connect(Endpoint(name, 25, "smtp", False))
    assert caught.value.code == "resolve"


@pytest.mark.parametrize("name", [".", "a" * 64 + ".test", "no\x00name"])
def test_a_server_name_that_is_none(name, good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(wire.WireError) as caught:
        wire.handshake(at(server, "smtp"), trust=None, server_name=name)
    assert caught.value.code == "resolve"


def test_one_dead_address_does_not_stop_the_others(good_tls, monkeypatch):
    with serving(smtp(good_tls)) as server, socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.3", 0))
        other.bind(("127.0.0.4", 0))
        addresses = [one.getsockname(), other.getsockname(), ("127.0.0.1", server.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
        with wire.connect(Endpoint(NAME, server.port, "smtp", False)) as stream:
            assert stream.address == "127.0.0.1"
        del found[-1]
        with pytest.raises(wire.WireError) as caught:
            wire.connect(Endpoint(NAME, server.port, "smtp", False))
    assert caught.value.text == "the connection was refused by 127.0.0.3; the connection was refused by 127.0.0.4"


def test_an_address_that_swallows_everything(monkeypatch):
    def swallow(_self, _address):
        raise socket.timeout("timed out")

    monkeypatch.setattr(socket.socket, "connect", swallow)
    with pytest.raises(wire.WireError) as caught:
        wire.connect(Endpoint("127.0.0.1", 25, "smtp", False))
    assert (caught.value.code, caught.value.text) == ("unreachable", "no answer in time from 127.0.0.1")


def test_a_server_on_this_host_is_spoken_to_from_another_address(good_tls):
    with serving(smtp(good_tls)) as server:
        session = wire.handshake(at(server, "smtp"), trust=None)
        assert session.source == "127.0.0.2"
        chosen = wire.handshake(at(server, "smtp"), trust=None, source="127.0.0.9")
        assert chosen.source == "127.0.0.9"
        assert server.heard[0] == "EHLO [127.0.0.2]"


def test_the_own_address_is_used_where_there_is_no_other(good_tls, monkeypatch):
    monkeypatch.setattr(wire_stream, "other_local_address", lambda _address: "")
    with serving(smtp(good_tls)) as server:
        assert wire.handshake(at(server, "smtp"), trust=None).source == "127.0.0.1"
        found = wire.clear_text(at(server, "smtp"))
    assert found.refused is False
    assert "the server's own address" in found.evidence


def test_the_own_address_is_used_where_the_other_leads_nowhere(good_tls, monkeypatch):
    monkeypatch.setattr(wire_stream, "other_local_address", lambda _address: "192.0.2.1")
    with serving(smtp(good_tls)) as server:
        assert wire.handshake(at(server, "smtp"), trust=None).source == "127.0.0.1"


def test_other_local_addresses(tmp_path, monkeypatch):
    table = tmp_path / "if_inet6"
    monkeypatch.setattr(wire_stream, "_IPV6_ADDRESSES", str(table))
    assert wire.other_local_address("192.0.2.7") == "127.0.0.2"
    assert wire.other_local_address("127.0.0.2") == "127.0.0.3"
    assert wire.other_local_address("2001:db8::7") == "::1"
    assert wire.other_local_address("fe80::1%eth0") == "::1"
    assert wire.other_local_address("::1") == ""
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000007 02 40 00 80     eth0\n"
    )
    assert wire.other_local_address("::1") == "2001:db8::7"


def test_ipv6(good_tls):
    try:
        with serving(smtp(good_tls), "::1") as server:
            session = wire.handshake(at(server, "smtp", address="::1"), trust=None, source="::1")
            assert (session.address, session.source) == ("::1", "::1")
            assert server.heard[0] == "EHLO [IPv6:::1]"
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("source", ["192.0.2.1", "not-an-address", "127.0.0.300"])
def test_a_source_that_this_host_does_not_have(source, good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(Problem) as caught:
        wire.handshake(at(server, "smtp"), trust=None, source=source)
    assert caught.value.option == "source"


def test_the_endpoints_own_source(good_tls):
    with serving(smtp(good_tls)) as server:
        endpoint = replace(at(server, "smtp"), source="127.0.0.9")
        assert wire.handshake(endpoint, trust=None).source == "127.0.0.9"
        assert wire.handshake(endpoint, trust=None, source="127.0.0.8").source == "127.0.0.8"


def test_a_source_of_another_family(good_tls):
    with serving(smtp(good_tls)) as server, pytest.raises(wire.WireError) as caught:
        wire.handshake(at(server, "smtp"), trust=None, source="::1")
    assert caught.value.code == "resolve"


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_ca_file_that_is_none(content, tmp_path):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Problem) as caught:
        wire.trust_store(str(path))
    assert caught.value.option == "ca_file"
    assert str(path) in caught.value.found


# ---- clear text

_530 = "530 5.7.0 Must issue a STARTTLS command first"
_CLEAR_TEXT = [
    # Postfix: a public server, an open submission server, one that requires TLS, one that is turned off for us
    pytest.param("smtp", smtp(), False, False, "250 2.1.0 Ok", id="smtp: mail is taken"),
    pytest.param("smtp", smtp(clear=("AUTH PLAIN",)), False, True, "250", id="smtp: mail and login are taken"),
    pytest.param("smtp", smtp(answers={"MAIL": _530}), True, False, _530, id="smtp: 530"),
    pytest.param("smtp", smtp(answers={"MAIL": "550 TLS required"}), True, False, "TLS required", id="smtp: 550 TLS"),
    pytest.param("smtp", smtp(answers={"MAIL": "554 5.7.1 denied"}), None, False, "denied", id="smtp: not our fault"),
    pytest.param("smtp", smtp(answers={"MAIL": "451 later"}), None, False, "451 later", id="smtp: not now"),
    pytest.param(
        "smtp",
        smtp(clear=("AUTH LOGIN",), answers={"MAIL": "530 5.7.0 Authentication required", "AUTH": "334 VXNlcm5hbWU6"}),
        False,
        True,
        "AUTH LOGIN with '334 VXNlcm5hbWU6'",
        id="smtp: 530 that asks for a login in clear text",
    ),
    pytest.param(
        "smtp",
        smtp(clear=("AUTH=CRAM-MD5 PLAIN",), answers={"MAIL": _530, "AUTH": "538 5.7.11 Encryption required"}),
        True,
        True,
        "AUTH PLAIN with '538",
        id="smtp: login is offered and refused",
    ),
    pytest.param(
        "smtp",
        smtp(clear=("AUTH GSSAPI",), answers={"MAIL": _530, "AUTH": "454 4.7.0 temporary failure"}),
        None,
        True,
        "AUTH GSSAPI",
        id="smtp: login fails for another reason",
    ),
    pytest.param("smtp", smtp(answers={"EHLO": "502 what?"}), False, False, "250", id="smtp: before ESMTP"),
    # IMAP: Dovecot refuses, takes; Cyrus refuses; others
    pytest.param(
        "imap",
        imap(
            answers={"LOGIN": "* BAD [ALERT] Plaintext authentication not allowed\r\nNO [PRIVACYREQUIRED] disallowed"}
        ),
        True,
        False,
        "LOGINDISABLED is announced, LOGIN was answered with 'l NO [PRIVACYREQUIRED] disallowed'",
        id="imap: Dovecot refuses",
    ),
    pytest.param("imap", imap(clear="IMAP4rev1"), False, True, "AUTHENTICATIONFAILED", id="imap: login is judged"),
    pytest.param(
        "imap", imap(), False, False, "AUTHENTICATIONFAILED", id="imap: login is judged despite LOGINDISABLED"
    ),
    pytest.param(
        "imap", imap(clear="IMAP4rev1", answers={"LOGIN": "OK in"}), False, True, "l OK in", id="imap: lets in"
    ),
    pytest.param(
        "imap",
        imap(clear="IMAP4rev1 AUTH=SCRAM-SHA-256", answers={"LOGIN": "NO Login only available under a layer"}),
        True,
        True,
        "under a layer",
        id="imap: Cyrus refuses",
    ),
    pytest.param(
        "imap",
        imap(clear="IMAP4rev1", answers={"LOGIN": "NO Login failed"}),
        False,
        True,
        "failed",
        id="imap: plain NO",
    ),
    pytest.param("imap", imap(answers={"LOGIN": "BAD no"}), True, False, "BAD", id="imap: BAD and LOGINDISABLED"),
    pytest.param(
        "imap", imap(clear="IMAP4rev1", answers={"LOGIN": "BAD busy"}), None, True, "BAD", id="imap: BAD for any reason"
    ),
    pytest.param("imap", imap(greeting="* PREAUTH welcome"), False, True, "PREAUTH", id="imap: no login needed"),
    # POP3
    pytest.param("pop3", pop3(), False, True, "+OK", id="pop3: takes the user's name"),
    pytest.param(
        "pop3",
        pop3(answers={"USER": "-ERR [AUTH] Cleartext authentication disallowed on non-secure connections."}),
        True,
        False,
        "Cleartext",
        id="pop3: Dovecot refuses",
    ),
    pytest.param(
        "pop3", pop3(answers={"USER": "-ERR no"}), True, False, "-ERR no", id="pop3: neither offered nor taken"
    ),
    pytest.param(
        "pop3",
        pop3(clear=("USER",), answers={"USER": "-ERR unknown user"}),
        None,
        True,
        "unknown",
        id="pop3: offered, and not taken for another reason",
    ),
    pytest.param(
        "pop3", pop3(answers={"CAPA": "-ERR", "USER": "-ERR no"}), None, False, "-ERR no", id="pop3: without CAPA"
    ),
    pytest.param("nntp", nntp(), True, False, "483 Encryption required", id="nntp: TLS first"),
    pytest.param("nntp", nntp(transit=True), True, False, "483 Encryption required", id="nntp: feeds too"),
    pytest.param("nntp", nntp(answers={"ARTICLE": "483 TLS first"}), True, False, "483 TLS first", id="nntp: for all"),
    pytest.param("nntp", nntp(answers={"ARTICLE": "430 No such article"}), False, False, "430 No", id="nntp: may read"),
    pytest.param(
        "nntp", nntp(clear=("AUTHINFO USER",), answers={"AUTHINFO": "381 Go on"}), False, True, "381", id="nntp: login"
    ),
    pytest.param("nntp", nntp(answers={"AUTHINFO": "381 Go on"}), False, True, "381", id="nntp: login not announced"),
    pytest.param(
        "nntp", nntp(clear=("AUTHINFO SASL", "SASL CRAM-MD5")), True, True, "483", id="nntp: only another login"
    ),
    pytest.param("nntp", nntp(answers={"AUTHINFO": "502 no"}), None, False, "502 no", id="nntp: no login at all"),
    pytest.param("nntp", nntp(answers={"ARTICLE": "502 no"}), None, False, "502 no", id="nntp: no permission"),
    pytest.param("nntp", nntp(answers={"CAPABILITIES": "500 What?"}), True, False, "483", id="nntp: old"),
]


@pytest.mark.parametrize(("protocol", "script", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(protocol, script, refused, auth_offered, words):
    with serving(script) as server:
        found = wire.clear_text(at(server, protocol))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_clear_text_is_tried_without_doing_anything():
    with serving(smtp(clear=("AUTH PLAIN",), answers={"MAIL": _530, "AUTH": "334 "})) as server:
        wire.clear_text(at(server, "submission"))
    assert server.heard == ["EHLO [127.0.0.2]", "MAIL FROM:<>", "AUTH PLAIN", "*", "QUIT"]
    with serving(smtp()) as server:
        wire.clear_text(at(server, "smtp"))
    assert server.heard == ["EHLO [127.0.0.2]", "MAIL FROM:<>", "RSET", "QUIT"]
    with serving(pop3()) as server:
        wire.clear_text(at(server, "pop3"))
    assert server.heard == ["CAPA", "USER x", "QUIT"]
    with serving(nntp()) as server:
        wire.clear_text(at(server, "nntp"))
    assert server.heard == ["CAPABILITIES", "ARTICLE <none@none.invalid>", "AUTHINFO USER x", "QUIT"]


@pytest.mark.parametrize("protocol", GOOD)
def test_clear_text_where_tls_is_due(protocol, good_tls):
    with serving(implicit(good_tls, GOOD[protocol]())) as server:
        found = wire.clear_text(at(server, protocol, implicit_tls=True))
    assert found.refused is True
    assert found.auth_offered is False
    with serving(GOOD[protocol]()) as server:
        found = wire.clear_text(at(server, protocol, implicit_tls=True))
    assert found.refused is False
    assert "answered with" in found.evidence


def test_a_tls_alert_is_no_answer_in_clear_text():
    with serving(saying(b"\x15\x03\x03\x00\x02\x02\x46")) as server:
        found = wire.clear_text(at(server, "imap", implicit_tls=True))
    assert found.refused is True
    assert "TLS alert" in found.evidence


def test_a_refusal_in_words_where_tls_is_due():
    with serving(saying(b"400 Encrypted TLS connection failed\r\n")) as server:
        found = wire.clear_text(at(server, "nntp", implicit_tls=True))
    assert (found.refused, found.auth_offered) == (True, False)
    assert "400 Encrypted TLS connection failed" in found.evidence


def test_silence_in_clear_text_where_tls_is_due():
    with serving(silent) as server:
        found = wire.clear_text(at(server, "imap", implicit_tls=True), timeout=SHORT)
    assert found.refused is True
    assert "the time ran out" in found.evidence


def test_clear_text_with_a_server_that_makes_no_sense():
    with serving(saying(b"hello\r\n")) as server, pytest.raises(wire.WireError) as caught:
        wire.clear_text(at(server, "imap"))
    assert caught.value.code == "protocol"


# ---- TLS versions

old_versions = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@old_versions
@pytest.mark.parametrize("implicit_tls", [False, True])
def test_accepted_versions(implicit_tls, material):
    tls = material.context()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version, tls.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2
    with serving(implicit(tls, smtp()) if implicit_tls else smtp(tls)) as server:
        found = wire.accepted_versions(at(server, "submission", implicit_tls=implicit_tls))
    assert found == {"TLSv1": False, "TLSv1.1": True, "TLSv1.2": True, "TLSv1.3": False}


@old_versions
def test_versions_that_this_host_cannot_speak(good_tls, monkeypatch):
    monkeypatch.setattr(ssl, "HAS_TLSv1", False)
    with serving(smtp(good_tls)) as server:
        found = wire.accepted_versions(at(server, "smtp"), ["TLSv1", "TLSv1.3"])
        assert found == {"TLSv1": None, "TLSv1.3": True}
        with pytest.raises(wire.WireError) as caught:
            wire.accepts_version(at(server, "smtp"), "TLSv1")
    assert caught.value.code == "unsupported"


def test_versions_of_a_server_without_starttls():
    with serving(smtp(clear=())) as server:
        assert wire.accepted_versions(at(server, "smtp"), ["TLSv1.3"]) == {"TLSv1.3": None}


# ---- injection


@pytest.mark.parametrize("protocol", GOOD)
def test_injection(protocol, good_tls):
    with serving(GOOD[protocol](good_tls, keep=True)) as server:
        found = wire.injection(at(server, protocol))
    assert found.vulnerable
    assert "answered inside TLS" in found.evidence
    with serving(GOOD[protocol](good_tls)) as server:
        found = wire.injection(at(server, protocol))
    assert not found.vulnerable


def test_injection_that_the_server_does_not_put_up_with():
    with serving(smtp(answers={"STARTTLS": "554 5.5.0 pipelining"})) as server:
        found = wire.injection(at(server, "smtp"))
    assert not found.vulnerable
    assert "554 5.5.0 pipelining" in found.evidence


def test_injection_without_starttls():
    with serving(smtp(clear=())) as server, pytest.raises(wire.WireError) as caught:
        wire.injection(at(server, "smtp"))
    assert caught.value.code == "no_starttls"


# ---- words


def test_quotations_are_fit_to_be_shown():
    assert wire_stream.quoted("a\x1b[31mb\x07\n") == "a?[31mb??"
    assert len(wire_stream.quoted("x" * 1000)) <= wire_stream.LONGEST_QUOTATION + 1


def test_the_leaf_is_the_first_of_the_chain(good_tls):
    with serving(smtp(good_tls)) as server:
        session = wire.handshake(at(server, "smtp"), trust=None)
    assert hashlib.sha256(session.leaf).hexdigest() == hashlib.sha256(session.chain[0]).hexdigest()
