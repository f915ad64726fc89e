# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import NamedCertificate, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.options import parse

ELEMENT = {
    "protocol": "imap",
    "name": "default",
    "provider": "auto",
    "state": "present",
    "certificate": "mx",
    "alternative_certificate": None,
    "sni": None,
    "server_names": None,
    "addresses": None,
    "port": None,
    "implicit_tls_port": None,
    "require_secure_channel": False,
    "refuse_strangers_in_clear": False,
    "strength": "intermediate",
    "require_128_bit": False,
    "auth_clear": None,
    "auth_tls": None,
}

NAMED = {"name": "*.a.example.test", "certificate": "a", "alternative_certificate": None}


def parsed(**given):
    return parse({**ELEMENT, **given})


# ---- what can be said


@pytest.mark.parametrize(("protocol", "port"), [("smtp", 0), ("submission", 465), ("imap", 993), ("pop3", 995)])
def test_least_that_can_be_said(protocol, port):
    assert parsed(protocol=protocol) == Vserver(protocol, certificate="mx", implicit_tls_port=port)


@pytest.mark.parametrize("port", [0, 1, 993, 10993, 65535])
def test_ports_on_which_tls_can_start_at_once(port):
    assert parsed(implicit_tls_port=port).implicit_tls_port == port


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"certificate": None}, "certificate"),
        ({"certificate": ""}, "certificate"),
        ({"implicit_tls_port": 143}, "implicit_tls_port"),
        ({"implicit_tls_port": -1}, "implicit_tls_port"),
        ({"implicit_tls_port": 65536}, "implicit_tls_port"),
        (
            {"protocol": "submission", "implicit_tls_port": 25},
            "implicit_tls_port",
        ),  # it would become the port 25 server
        ({"protocol": "imap", "implicit_tls_port": 995}, "implicit_tls_port"),
        ({"protocol": "smtp", "implicit_tls_port": 465}, "implicit_tls_port"),
        ({"protocol": "smtp", "implicit_tls_port": 2525}, "implicit_tls_port"),
        ({"protocol": "smtp", "require_secure_channel": True}, "require_secure_channel"),
        ({"alternative_certificate": "mx"}, "alternative_certificate"),
        ({"addresses": ["192.0.2.1"]}, "addresses"),
        ({"name": "other", "addresses": ["192.0.2"]}, "addresses"),
        ({"port": 1143}, "port"),
        ({"port": 993}, "port"),
        ({"port": 0, "implicit_tls_port": 0}, "port"),
        ({"name": "other", "port": 65536}, "port"),
        ({"require_secure_channel": True, "auth_clear": ["PLAIN"]}, "auth_clear"),
        ({"auth_clear": ["PLAIN"], "auth_tls": ["LOGIN"]}, "auth_clear"),
        ({"auth_tls": ["not a name"]}, "auth_tls"),
        ({"sni": [{**NAMED, "name": "a.test"}, {**NAMED, "name": "A.test."}]}, "sni"),
        ({"sni": [{**NAMED, "name": "192.0.2.1"}]}, "sni"),
        ({"sni": [{**NAMED, "alternative_certificate": "a"}]}, "sni"),
        ({"server_names": ["a b"]}, "server_names"),
    ],
)
def test_options_that_contradict_each_other(given, option):
    with pytest.raises(Problem) as caught:
        parsed(**given)
    assert caught.value.option == option
    assert caught.value.subject == f"virtual server {given.get('protocol', 'imap')}/{given.get('name', 'default')}"


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-a", "a b", "a" * 64])
def test_what_cannot_be_a_name(name):
    with pytest.raises(Problem, match="is not a valid name"):
        parsed(name=name)


def test_all_that_can_be_said():
    assert parsed(
        name="partners",
        certificate="rsa",
        alternative_certificate="ecdsa",
        sni=[{**NAMED, "name": "B.example.test", "alternative_certificate": "b"}, NAMED],
        server_names=["MX.example.test", "mx.example.test"],
        addresses=["[2001:DB8::1]", "192.0.2.1"],
        implicit_tls_port=1993,
        auth_clear=["scram-sha-256"],
        auth_tls=["plain", "SCRAM-SHA-256"],
        require_128_bit=True,
        provider="dovecot",
    ) == Vserver(
        "imap",
        "partners",
        certificate="rsa",
        alternative_certificate="ecdsa",
        sni=(NamedCertificate("*.a.example.test", "a"), NamedCertificate("b.example.test", "a", "b")),
        addresses=("192.0.2.1", "2001:db8::1"),
        port=143,
        implicit_tls_port=1993,
        auth_clear=("SCRAM-SHA-256",),
        auth_tls=("PLAIN", "SCRAM-SHA-256"),
        provider="dovecot",
        require_128_bit=True,
        server_names=("mx.example.test",),
    )


def test_nothing_has_to_be_said_of_what_shall_be_absent():
    assert not parsed(state="absent", certificate=None, protocol="smtp", implicit_tls_port=465).present


def test_strangers_are_refused_in_clear_only_when_that_is_said_in_so_many_words():
    with pytest.raises(Problem, match=r"RFC 3207 section 4.*refuse_strangers_in_clear"):
        parsed(protocol="smtp", require_secure_channel=True)
    agreed = parsed(protocol="smtp", require_secure_channel=True, refuse_strangers_in_clear=True)
    assert agreed.require_secure_channel is True
    assert parsed(protocol="smtp", refuse_strangers_in_clear=True).require_secure_channel is False
    assert parsed(protocol="submission", require_secure_channel=True).require_secure_channel is True
