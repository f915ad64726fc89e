# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import ber
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.injection import injection
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME
from ansible_collections.postmaster.secure_channel.tests.support.wire_ldap_server import (
    PASSWORD_MODIFY,
    START_TLS,
    SUFFIX,
    Answers,
    entry,
    ldap,
    result,
    tlv,
)
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Client,
    Material,
    Server,
    implicit,
    saying,
    serving,
    silent,
)

REFUSING = Answers(root=13, search=13, simple=13, sasl=48, diagnostic="confidentiality required")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def good_tls(material):
    return material.context()


def at(server: Server, *, implicit_tls: bool = False) -> Endpoint:
    return Endpoint("127.0.0.1", server.port, "ldap", implicit_tls)


def error_of(script, *, timeout: float = 5.0) -> WireError:
    with serving(script) as server, pytest.raises(WireError) as caught:
        handshake(at(server), trust=None, timeout=timeout)
    return caught.value


# ---- handshakes


def test_starttls(material, good_tls):
    trust = trust_store(str(material.ca_file))
    with serving(ldap(good_tls, inside=Answers(mechanisms=["PLAIN", "LOGIN"]))) as server:
        session = handshake(at(server), trust=trust, server_name=NAME)
    assert session.verified
    assert session.error is None
    assert session.greeting == ""
    assert session.clear_capabilities == ("STARTTLS", PASSWORD_MODIFY, "SASL CRAM-MD5 DIGEST-MD5")
    assert session.tls_capabilities == ("STARTTLS", PASSWORD_MODIFY, "SASL LOGIN PLAIN")
    question = "search rootDSE supportedExtension supportedSASLMechanisms"
    assert server.heard == [question, "starttls", question, "unbind"]


def test_implicit_tls(good_tls):
    with serving(implicit(good_tls, ldap())) as server:
        session = handshake(at(server, implicit_tls=True), trust=None)
    assert session.error is None
    assert session.clear_capabilities == ()
    assert "SASL CRAM-MD5 DIGEST-MD5" in session.tls_capabilities


def test_tls_is_asked_for_where_the_server_does_not_say_what_it_offers(good_tls):
    with serving(ldap(good_tls, REFUSING)) as server:
        session = handshake(at(server), trust=None)
    assert session.clear_capabilities == ()
    assert session.version


def test_no_starttls():
    assert error_of(ldap(answers=Answers(extensions=[PASSWORD_MODIFY]))).code == "no_starttls"


def test_starttls_that_is_not_given():
    error = error_of(ldap(answers=Answers(start_tls=2, diagnostic="unsupported extended operation")))
    assert error.code == "starttls_refused"
    assert "protocolError (2): unsupported extended operation" in error.text


def test_a_server_that_is_still_at_work_is_asked_again(good_tls):
    with serving(ldap(good_tls, Answers(busy=2))) as server:
        session = handshake(at(server), trust=None)
    assert session.version
    assert server.heard.count("starttls") == 3


def test_a_server_that_is_always_at_work_is_not_asked_for_ever():
    error = error_of(ldap(answers=Answers(busy=1000)))
    assert error.code == "starttls_refused"
    assert "operationsError (1): cannot start TLS when operations are outstanding" in error.text


def test_a_notice_of_disconnection():
    notice = result(0, 0x78, 52, "too many connections")
    error = error_of(saying(notice))
    assert (error.code, error.text) == ("closed", "the server hung up with 'unavailable (52): too many connections'")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol", id="another protocol"),
        pytest.param(b"220 mail.example.test ESMTP\r\n", "protocol", id="yet another protocol"),
        pytest.param(b"\x00\xff\x1b[31mevil\x07\r\n", "protocol", id="garbage"),
        pytest.param(b"\x30\x84\x7f\xff\xff\xff", "protocol", id="two gigabytes"),
        pytest.param(b"\x30\x80\x00\x00", "protocol", id="indefinite length"),
        pytest.param(b"\x30\x03\x02\x01\x01", "protocol", id="a message without content"),
        pytest.param(tlv(0x30, tlv(0x02, b"\x05"), tlv(0x65)), "protocol", id="an answer to another question"),
        pytest.param(tlv(0x30, tlv(0x02, b"\x01"), tlv(0x65)), "protocol", id="a result without a code"),
        pytest.param(tlv(0x30, tlv(0x02, b"\x01"), tlv(0x64, tlv(0x04))), "protocol", id="an entry without content"),
        pytest.param(b"\x30\x20\x02", "timeout", id="half a message"),
        pytest.param(b"", "timeout", id="silence"),
    ],
)
def test_strange_answers(words, code):
    error = error_of(saying(words), timeout=0.2 if code == "timeout" else 5.0)
    assert error.code == code
    assert error.text.isprintable()
    assert len(error.text) < 500


def test_entries_without_end():
    def talks(client: Client) -> None:
        while True:
            client.sock.sendall(entry(1, "", {"supportedExtension": ["1.2.3"] * 100}))

    assert "256 KiB" in error_of(talks).text


def test_hostile_bytes_never_do_more_than_fail():
    fragments = [b"\x30", b"\x30\x0c\x02\x01\x01\x65", b"\x0a\x01\x00\x04\x00", b"\x84", b"\xff"]
    fragments += [result(1, 0x65, 0), result(4, 0x65, 0), entry(1, "", {"namingContexts": ["\x1b"]}), b"\x15\x03"]
    said = [b""]

    def rambles(client: Client) -> None:
        client.sock.sendall(said[0])
        client.sock.shutdown(socket.SHUT_WR)
        silent(client)

    def ending_of(ask, endpoint: Endpoint) -> str:
        try:
            return str(ask(endpoint, timeout=2.0))
        except WireError as exc:
            return exc.text

    with serving(rambles) as server:
        for pair in itertools.product(fragments, repeat=2):
            said[0] = b"".join(pair)
            assert ending_of(clear_text, at(server)).isprintable()
            assert ending_of(functools.partial(handshake, trust=None), at(server)).isprintable()


# ---- clear text

_CLEAR_TEXT = [
    pytest.param(Answers(), False, True, "a bind by DIGEST-MD5 with 'saslBindInProgress (14)'", id="open"),
    pytest.param(REFUSING, True, False, "confidentialityRequired (13): confidentiality required", id="closed"),
    pytest.param(
        Answers(root=13, search=13, simple=13, sasl=14), False, True, "saslBindInProgress", id="closed but for SASL"
    ),
    pytest.param(Answers(search=13, simple=13, sasl=48), True, False, "(13)", id="only the rootDSE is open"),
    pytest.param(Answers(simple=13, sasl=48), False, False, "search was answered with 'success (0)'", id="no logins"),
    pytest.param(Answers(search=32, simple=13, sasl=7), True, False, "noSuchObject (32)", id="hidden from strangers"),
    pytest.param(Answers(search=50, simple=49, mechanisms=[]), False, True, "(49)", id="only simple binds"),
    pytest.param(Answers(search=1, simple=8, sasl=8), True, False, "strongerAuthRequired (8)", id="signing demanded"),
    pytest.param(
        Answers(root=53, search=53, simple=53, sasl=53, diagnostic="Minimum SSF not met."),
        True,
        False,
        "SSF",
        id="in words",
    ),
    pytest.param(
        Answers(root=53, search=53, simple=53, sasl=7, diagnostic="not for you"),
        None,
        False,
        "not for you",
        id="no logins at all",
    ),
    pytest.param(Answers(root=13, search=32, simple=49, sasl=48), None, None, "(49)", id="a suffix that nobody serves"),
    pytest.param(Answers(search=53, simple=80, mechanisms=[]), None, None, "result (80)", id="broken"),
]


@pytest.mark.parametrize(("answers", "refused", "auth_offered", "words"), _CLEAR_TEXT)
def test_clear_text(answers, refused, auth_offered, words):
    with serving(ldap(answers=answers)) as server:
        found = clear_text(at(server))
    assert (found.refused, found.auth_offered) == (refused, auth_offered)
    assert words in found.evidence


def test_clear_text_is_tried_without_a_credential_of_anyone():
    answers = Answers(root=0, search=13, simple=13, sasl=48, mechanisms=["PLAIN", "GSSAPI", "NTLM", "EXTERNAL"])
    with serving(ldap(answers=answers)) as server:
        clear_text(at(server))
    assert server.heard == [
        "search rootDSE supportedExtension supportedSASLMechanisms",
        "search rootDSE namingContexts",
        f"search {SUFFIX} 1.1",
        f"bind cn=nobody,{SUFFIX} made-up",
        "sasl PLAIN",  # a mechanism's name, and nothing after it
        "sasl NTLM",
        f"search {SUFFIX} 1.1",
        f"compare {SUFFIX}",
        "whoami",
        "unbind",
    ]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"compare": 6}, "a comparison with 'compareTrue (6)'"),
        ({"who": 0}, "Who am I? with 'success (0)'"),
        ({"compare": 50, "who": 2}, ""),
    ],
)
def test_operations_beside_searches_and_binds(answers, words):
    with serving(ldap(answers=Answers(search=13, simple=13, sasl=48, **answers))) as server:
        found = clear_text(at(server))
    assert found.refused is not bool(words)
    assert found.answered == ((words,) if words else ())


def test_entries_below_a_suffix_that_is_hidden():
    class Below(Answers):
        def __init__(self) -> None:
            super().__init__(simple=13, sasl=48)
            self._codes = iter((13, 0))

        @property
        def search(self) -> int:
            return next(self._codes)

        @search.setter
        def search(self, _code: int) -> None:
            pass

    with serving(ldap(answers=Below())) as server:
        found = clear_text(at(server))
    assert found.answered == (f"a search below {SUFFIX} with 'success (0)'",)


def test_one_open_suffix_is_enough():
    class Some(Answers):
        def root_dse(self) -> dict[str, list[str]]:
            return {"namingContexts": ["dc=closed", "dc=open"], "supportedExtension": [START_TLS]}

    asked = []

    def script(client: Client) -> None:
        answers = Some(simple=13)
        plain = ldap(answers=answers)
        asked.append(client)
        plain(client)

    with serving(script) as server:
        assert clear_text(at(server)).refused is False
    assert "search dc=open 1.1" in server.heard


def test_clear_text_where_tls_is_due(good_tls):
    with serving(implicit(good_tls, ldap())) as server:
        found = clear_text(at(server, implicit_tls=True))
    assert found.refused is True
    with serving(ldap()) as server:
        found = clear_text(at(server, implicit_tls=True))
    assert found.refused is False
    assert found.evidence.isprintable()


# ---- injection


def test_injection(good_tls):
    with serving(ldap(good_tls, keep=True)) as server:
        found = injection(at(server))
    assert found.vulnerable
    assert "answered inside TLS" in found.evidence
    with serving(ldap(good_tls)) as server:
        assert not injection(at(server)).vulnerable


def test_injection_that_the_server_does_not_put_up_with():
    answers = Answers(start_tls=1, diagnostic="cannot start TLS when operations are outstanding")
    with serving(ldap(answers=answers)) as server:
        found = injection(at(server))
    assert not found.vulnerable
    assert "operations are outstanding" in found.evidence


# ---- the encoding


@given(st.integers(0, 2**31 - 1), st.text(max_size=300))
def test_what_is_encoded_can_be_read(number, text):
    data = ber.element(ber.SEQUENCE, ber.integer(number), ber.octets(text))
    first, second = ber.read_element(io.BytesIO(data).read).parts
    assert (first.number, second.text) == (number, text)
    assert data == tlv(0x30, *(tlv(one.tag, one.content) for one in (first, second))) or len(text.encode()) > 100


@pytest.mark.parametrize(("number", "encoded"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100")])
def test_integers(number, encoded):
    assert ber.integer(number).hex() == encoded


@given(st.binary(max_size=40))
def test_any_bytes_are_an_element_or_an_error(data):
    stream = io.BytesIO(data)

    def take(count: int) -> bytes:
        found = stream.read(count)
        if len(found) < count:
            raise ber.BerError("the end")
        return found

    with contextlib.suppress(ber.BerError):
        parts = ber.read_element(take).parts
        assert all(len(part.content) <= len(data) for part in parts)
