# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.filter.posture_faults import posture_faults
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info.options import Checks, parse
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info.report import look_at_all, summarised
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.clear_text import clear_text
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import trust_store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Material,
    http,
    implicit,
    saying,
    serving,
)

HSTS = "Strict-Transport-Security: max-age=63072000"
HTTPS = "Location: https://mail.example.test/"
BASIC = 'WWW-Authenticate: Basic realm="mail"'


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


def asked(script, *, implicit_tls=False, server_name="", port=0):
    with serving(script) as server:
        endpoint = Endpoint("127.0.0.1", port or server.port, "http", implicit_tls, server_name)
        return clear_text(endpoint, timeout=5.0), server.heard


@pytest.mark.parametrize(
    ("status", "fields", "refused", "offered"),
    [
        ("301 Moved Permanently", [HTTPS], True, False),
        ("308 Permanent Redirect", ["location:https://x/"], True, False),
        ("302 Found", [HTTPS], True, False),
        ("426 Upgrade Required", ["Upgrade: TLS/1.2"], True, False),
        ("301 Moved Permanently", ["Location: http://elsewhere.example.test/"], False, None),
        ("301 Moved Permanently", ["Location: /webmail"], False, None),
        ("301 Moved Permanently", [], False, None),
        ("200 OK", [], False, None),
        ("404 Not Found", [], False, None),
        ("401 Unauthorized", [BASIC], False, True),
        ("401 Unauthorized", [], False, True),
        ("403 Forbidden", [], None, None),
        ("502 Bad Gateway", [], None, None),
    ],
)
def test_clear_text(status, fields, refused, offered):
    found, _heard = asked(http(status, *fields))
    assert (found.refused, found.auth_offered) == (refused, offered)
    assert status in found.evidence


def test_password_that_is_asked_for_is_named():
    found, _heard = asked(http("401 Unauthorized", "Server: x", BASIC))
    assert found.evidence == (
        "GET / was answered with 'HTTP/1.1 401 Unauthorized', which asks for a password (Basic realm=\"mail\")"
    )


@pytest.mark.parametrize(("name", "host"), [("", "127.0.0.1"), ("mail.example.test", "mail.example.test")])
def test_the_server_is_named(name, host):
    _found, heard = asked(http(), server_name=name)
    assert heard[:2] == ["GET / HTTP/1.1", f"Host: {host}"]


def test_an_address_of_version_6_stands_in_brackets():
    with serving(http(), address="::1") as server:
        clear_text(Endpoint("::1", server.port, "http", implicit_tls=False), timeout=5.0)
    assert server.heard[1] == "Host: [::1]"


@pytest.mark.parametrize("name", ["a b", "a\r\nX-Smuggled: 1", "ä" * 64])
def test_nothing_is_smuggled_in_with_a_name(name):
    with serving(http()) as server, pytest.raises(WireError) as caught:
        clear_text(Endpoint("127.0.0.1", server.port, "http", False, name), timeout=5.0)
    assert caught.value.code == "resolve"
    assert server.heard == []


@pytest.mark.parametrize(
    ("script", "refused", "offered"),
    [
        (http("400 Bad Request"), True, False),
        (http("301 Moved Permanently", HTTPS), True, False),
        (http("200 OK"), False, None),
        (http("301 Moved Permanently", "Location: /"), False, None),
        (saying(b"HTTP nonsense\r\n"), False, None),
        (saying(b"\x15\x03\x01\x00\x02\x02\x46"), True, False),
    ],
)
def test_clear_text_on_the_port_of_tls(script, refused, offered):
    found, _heard = asked(script, implicit_tls=True)
    assert (found.refused, found.auth_offered) == (refused, offered)


def test_inside_tls_the_answer_is_shown(material):
    script = http("200 OK", HSTS, "Set-Cookie: session=secret", "Server: fine")
    with serving(implicit(material.context(), script)) as server:
        session = handshake(
            Endpoint("127.0.0.1", server.port, "http", implicit_tls=True),
            trust=trust_store(str(material.ca_file)),
            server_name=NAME,
        )
    assert session.verified
    assert session.error is None
    assert session.greeting == "HTTP/1.1 200 OK"
    assert session.tls_capabilities == (HSTS, "Server: fine")
    assert f"Host: {NAME}" in server.heard


@pytest.mark.parametrize("words", [b"220 mail.example.test ESMTP\r\n", b"HTTP/1.1 2xx\r\n", b"\r\n"])
def test_other_protocols_are_told_apart(words):
    with serving(saying(words)) as server, pytest.raises(WireError) as caught:
        clear_text(Endpoint("127.0.0.1", server.port, "http", implicit_tls=False), timeout=5.0)
    assert caught.value.code == "protocol"


def test_fields_without_end():
    with serving(saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 201)) as server, pytest.raises(WireError) as caught:
        clear_text(Endpoint("127.0.0.1", server.port, "http", implicit_tls=False), timeout=5.0)
    assert "more than 200 header fields" in caught.value.text


def test_there_is_no_starttls():
    with serving(http()) as server, pytest.raises(WireError) as caught:
        handshake(Endpoint("127.0.0.1", server.port, "http", implicit_tls=False), trust=None, timeout=5.0)
    assert caught.value.code == "no_starttls"


# ---- reports


def looked_at(port, **tests):
    element = {"host": "127.0.0.1", "protocol": "http", "port": port, "tls": "starttls"}
    question = parse({**element, "server_name": NAME, "ca_file": None, "source": None, "proxy_protocol": None})
    return look_at_all([question], Checks(timeout=5.0, **tests))


def test_a_report_on_the_port_without_tls_shows_what_is_done_with_clear_text():
    with serving(http("301 Moved Permanently", HTTPS)) as server:
        (found,) = looked_at(server.port)
    assert found["reachable"]
    assert found["error"] is None
    assert found["tls"] is None
    assert found["clear_text"]["refused"] is True
    assert f"Host: {NAME}" in server.heard
    assert summarised([found]) == (
        "0 of 0 endpoints show a certificate that can be verified; 1 refuse clear text, 0 do not"
    )
    assert posture_faults([found], [{"protocol": "http", "require_secure_channel": True}]) == []


def test_a_page_in_clear_text_is_a_fault_only_where_it_must_not_be():
    with serving(http("200 OK")) as server:
        found = looked_at(server.port)
    declared = {"protocol": "http", "port": server.port}
    assert posture_faults(found, [{**declared, "require_secure_channel": False}]) == []
    (fault,) = posture_faults(found, [{**declared, "require_secure_channel": True}])
    assert "clear text is not refused" in fault


def test_a_password_in_clear_text_is_always_a_fault():
    with serving(http("401 Unauthorized", BASIC)) as server:
        found = looked_at(server.port)
    (fault,) = posture_faults(found, [{"protocol": "http", "require_secure_channel": False}])
    assert "a login is offered in clear text" in fault


def test_a_report_without_a_server():
    with serving(http()) as server:
        port = server.port
    (found,) = looked_at(port)
    assert (found["reachable"], found["error_code"]) == (False, "refused")


def test_a_report_without_the_test_of_clear_text():
    with serving(http()) as server:
        (found,) = looked_at(server.port, clear_text=False)
    assert found["reachable"]
    assert found["clear_text"] is None
