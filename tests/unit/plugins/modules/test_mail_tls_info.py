# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls_info import options
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import handshake as handshake_module
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_tls_info
from ansible_collections.postmaster.secure_channel.tests.support.authorities import NAME, call
from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import (
    Client,
    Material,
    imap,
    implicit,
    pop3,
    serving,
    silent,
    smtp,
)

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.fixture(scope="module")
def good_tls(material):
    return material.context()


@pytest.fixture
def run_module(capsys):
    """Run the module with some options; its result."""

    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        return call(mail_tls_info.main, capsys, options, check=check)

    return run


def test_one_good_server(run_module, material, good_tls):
    with serving(imap(good_tls, answers={"LOGIN": "NO [PRIVACYREQUIRED] no"})) as server:
        result = run_module(
            host="127.0.0.1",
            port=server.port,
            protocol="imap",
            server_name=NAME,
            ca_file=str(material.ca_file),
            versions=True,
            injection=True,
        )
    assert result["changed"] is False
    assert result["reason"] == "1 of 1 endpoints show a certificate that can be verified; 1 refuse clear text, 0 do not"
    (found,) = result["endpoints"]
    assert found["host"] == "127.0.0.1"
    assert found["port"] == server.port
    assert found["reachable"] is True
    assert found["verified"] is True
    assert found["verify_error"] is None
    assert found["error"] is None
    assert found["error_code"] is None
    assert found["tls"]["version"] == "TLSv1.3"
    assert found["names"] == [NAME]
    assert found["days_left"] == 89
    assert found["chain"][0]["issuer"] == "CN=Test Intermediate"
    assert found["capabilities"]["before_tls"] == ["IMAP4REV1", "STARTTLS", "LOGINDISABLED"]
    assert found["capabilities"]["inside_tls"] == ["IMAP4REV1", "AUTH=PLAIN"]
    assert found["clear_text"]["refused"] is True
    assert "PRIVACYREQUIRED" in found["clear_text"]["evidence"]
    assert found["versions"]["accepted"][-1] == "TLSv1.3"
    assert found["injection"]["vulnerable"] is False


def test_what_is_documented_is_what_is_returned(run_module, material, good_tls):
    documented = yaml.safe_load(mail_tls_info.RETURN)
    with serving(imap(good_tls)) as server:
        result = run_module(
            host="127.0.0.1", port=server.port, protocol="imap", versions=True, injection=True, server_name=NAME
        )
    del result["changed"]
    assert set(result) == set(documented) - {"problem"}
    agree(result, documented)
    failure = run_module(host="127.0.0.1", protocol="smtp", tls="implicit")
    assert failure["failed"]
    agree({"problem": failure["problem"]}, documented)


def agree(result: dict[str, Any], documented: dict[str, Any]) -> None:
    """Every key is documented with its type, and every documented key is there."""
    types = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    for key, value in result.items():
        assert value is None or isinstance(value, types[documented[key]["type"]]), key
        inner = documented[key].get("contains")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                assert set(one) == set(inner), key
                agree(one, inner)


def test_must_staple_without_a_response(run_module, material, good_tls):
    for context, stapled in ((good_tls, None), (material.context(must_staple=True), False)):
        with serving(imap(context)) as server:
            result = run_module(
                host="127.0.0.1",
                port=server.port,
                protocol="imap",
                server_name=NAME,
                ca_file=str(material.ca_file),
            )
        (found,) = result["endpoints"]
        assert found["stapled"] is stapled
        assert found["verified"] is (stapled is None)
        assert (
            ("must-staple" in result["reason"]) == ("must-staple" in str(found["verify_error"])) == (stapled is False)
        )


def test_options_and_documentation_agree():
    documented = yaml.safe_load(mail_tls_info.DOCUMENTATION)["options"]
    for option, spec in {**mail_tls_info.ELEMENT, **mail_tls_info.CHECKS}.items():
        assert documented[option]["type"] == spec["type"]
        assert documented[option].get("default") == spec.get("default")
        assert documented[option].get("choices") == spec.get("choices")
    assert set(documented["endpoints"]["suboptions"]) == set(mail_tls_info.ELEMENT)


def test_many_servers_in_the_order_of_the_request(run_module, material, good_tls):
    with contextlib.ExitStack() as stack:
        scripts = [
            ("smtp", "starttls", smtp(good_tls)),
            ("submission", "implicit", implicit(good_tls, smtp())),
            ("imap", "starttls", imap(material.self_signed())),
            ("pop3", "starttls", pop3(clear=("USER",))),
            ("pop3", "implicit", pop3()),
        ]
        servers = [stack.enter_context(serving(script)) for _protocol, _tls, script in scripts]
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            closed = held.getsockname()[1]
            result = run_module(
                endpoints=[
                    {
                        "host": "127.0.0.1",
                        "port": server.port,
                        "protocol": protocol,
                        "tls": tls,
                        "server_name": NAME,
                        "ca_file": str(material.ca_file),
                    }
                    for server, (protocol, tls, _script) in zip(servers, scripts)
                ]
                + [{"host": "127.0.0.1", "port": closed, "protocol": "imap"}]
            )
    found = result["endpoints"]
    assert [one["port"] for one in found] == [*(server.port for server in servers), closed]
    assert [one["verified"] for one in found] == [True, True, False, False, False, False]
    assert [one["error_code"] for one in found] == [None, None, None, "no_starttls", "handshake", "refused"]
    assert [one["reachable"] for one in found] == [True, True, True, True, True, False]
    assert found[2]["chain"][0]["subject"] == f"CN={NAME}"
    assert found[3]["clear_text"]["refused"] is False  # asked although there is no TLS
    assert found[4]["clear_text"]["refused"] is False
    assert found[5]["clear_text"] is None
    assert result["reason"].startswith(
        "2 of 6 endpoints show a certificate that can be verified; 1 refuse clear text, 4 do not; imap on 127.0.0.1"
    )
    assert "the server does not offer STLS" in result["reason"]


def test_servers_are_looked_at_side_by_side(run_module):
    """Servers that answer only once all of them have been spoken to."""
    meeting = threading.Barrier(8, timeout=10)

    def patient(client: Client) -> None:
        meeting.wait()
        client.say("554 no")

    with serving(patient) as server:
        endpoints = [{"host": "127.0.0.1", "port": server.port, "protocol": "smtp"}] * 8
        result = run_module(endpoints=endpoints, clear_text=False)
    assert [one["error_code"] for one in result["endpoints"]] == ["rejected"] * 8


def test_a_silent_server_is_asked_once(run_module):
    with serving(silent) as server:
        result = run_module(host="127.0.0.1", port=server.port, protocol="smtp", timeout=0.2, versions=True)
    (found,) = result["endpoints"]
    assert found["error_code"] == "timeout"
    assert found["reachable"] is True
    assert found["clear_text"] is None
    assert found["versions"] is None


def test_clear_text_is_left_alone_when_told_so(run_module, good_tls):
    with serving(smtp(good_tls)) as server:
        result = run_module(host="127.0.0.1", port=server.port, protocol="smtp", clear_text=False)
    assert result["endpoints"][0]["clear_text"] is None
    assert "MAIL FROM:<>" not in server.heard


def test_a_server_that_makes_no_sense_in_clear_text(run_module, material, good_tls):
    calls = []

    def moody(client: Client) -> None:
        calls.append(client)
        if len(calls) == 1:
            smtp(good_tls)(client)
        client.say("what?")

    with serving(moody) as server:
        result = run_module(
            host="127.0.0.1",
            port=server.port,
            protocol="smtp",
            server_name=NAME,
            ca_file=str(material.ca_file),
            versions=True,
            injection=True,
        )
    (found,) = result["endpoints"]
    assert found["clear_text"]["refused"] is None
    assert "does not speak SMTP" in found["clear_text"]["evidence"]
    assert found["versions"]["unknown"] == ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert found["injection"]["vulnerable"] is None


def test_a_certificate_that_cannot_be_read(run_module, good_tls, monkeypatch):
    monkeypatch.setattr(handshake_module, "_chain", lambda _tls: ((b"garbage",), True))
    with serving(smtp(good_tls)) as server:
        result = run_module(host="127.0.0.1", port=server.port, protocol="smtp")
    (found,) = result["endpoints"]
    assert found["error_code"] == "certificate"
    assert "certificate 1 of 1 cannot be read" in found["error"]
    assert found["chain"] == []
    assert found["days_left"] is None


def test_no_server_at_all(run_module):
    result = run_module(endpoints=[])
    assert result["endpoints"] == []
    assert result["reason"] == "no endpoint was given"


def test_check_mode_makes_no_difference(run_module, good_tls):
    with serving(smtp(good_tls)) as server:
        result = run_module(host="127.0.0.1", port=server.port, protocol="smtp", check=True)
    assert result["endpoints"][0]["tls"]["version"] == "TLSv1.3"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"host": " ", "protocol": "smtp"}, "host"),
        ({"host": "mx2.example.test", "protocol": "smtp", "port": 0}, "port"),
        ({"host": "mx2.example.test", "protocol": "smtp", "port": 65536}, "port"),
        ({"host": "mx2.example.test", "protocol": "smtp", "tls": "implicit"}, "port"),
        ({"host": "mx2.example.test", "protocol": "smtp", "timeout": 0}, "timeout"),
        ({"host": "mx2.example.test", "protocol": "smtp", "timeout": 121}, "timeout"),
        ({"host": "mx2.example.test", "protocol": "smtp", "ca_file": "/nonexistent/ca.pem"}, "ca_file"),
        ({"host": "127.0.0.1", "protocol": "smtp", "source": "192.0.2.1"}, "source"),
        ({"endpoints": [{"host": "127.0.0.1", "protocol": "smtp", "source": "somewhere"}]}, "source"),
    ],
)
def test_options_that_make_no_sense(run_module, options, option):
    result = run_module(**options)
    assert result["failed"]
    assert result["problem"]["option"] == option
    assert result["msg"].endswith(".")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"host": "mx2.example.test"},
        {"protocol": "smtp"},
        {"endpoints": [{"host": "mx2.example.test"}]},
        {"endpoints": [{"protocol": "smtp"}]},
        {"endpoints": [], "host": "mx2.example.test", "protocol": "smtp"},
        {"host": "mx2.example.test", "protocol": "gopher"},
    ],
)
def test_options_that_do_not_belong_together(run_module, options):
    result = run_module(**options)
    assert result["failed"]
    assert "problem" not in result


def test_default_ports():
    def port(protocol: str, tls: str) -> int:
        element = dict.fromkeys(mail_tls_info.ELEMENT) | {"host": "mx2.example.test", "protocol": protocol, "tls": tls}
        return options.parse(element).endpoint.port

    assert [port(one, "starttls") for one in ("smtp", "submission", "imap", "pop3")] == [25, 587, 143, 110]
    assert [port(one, "implicit") for one in ("submission", "imap", "pop3")] == [465, 993, 995]
