# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From declared virtual servers to what is looked at, and from what was seen to faults."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.filter.endpoints import endpoints
from ansible_collections.postmaster.secure_channel.plugins.filter.posture_faults import posture_faults

HOST = "mx1.example.test"
CLEAR = {"host": HOST, "protocol": "imap", "tls": "starttls"}
TLS = {"host": HOST, "protocol": "imap", "tls": "implicit", "port": 993}
INSIDE = {
    "protocol": "imap",
    "name": "inside",
    "addresses": ["192.0.2.1"],
    "server_names": ["imap.inside.test", "other.test"],
    "port": 1143,
    "require_secure_channel": "true",
}


@pytest.mark.parametrize(
    ("vserver", "found"),
    [
        ({"protocol": "imap"}, [CLEAR, TLS]),
        ({"protocol": "imap", "implicit_tls_port": 0}, [CLEAR]),
        ({"protocol": "imap", "port": 0}, [TLS]),
        ({"protocol": "smtp"}, [{"host": HOST, "protocol": "smtp", "tls": "starttls"}]),
        ({"protocol": "imap", "state": "absent"}, []),
        (
            INSIDE,
            [
                {**CLEAR, "host": "192.0.2.1", "port": 1143, "server_name": "imap.inside.test"},
                {**TLS, "host": "192.0.2.1", "server_name": "imap.inside.test"},
            ],
        ),
        (
            {"protocol": "imap", "port": 0, "sni": [{"name": "a.test", "certificate": "a"}, {"name": "*.b.test"}]},
            [TLS, {**TLS, "server_name": "a.test"}],
        ),
        (
            {"protocol": "http", "name": "webmail.test"},
            [
                {"host": HOST, "protocol": "http", "tls": "starttls", "server_name": "webmail.test"},
                {"host": HOST, "protocol": "http", "tls": "implicit", "port": 443, "server_name": "webmail.test"},
            ],
        ),
    ],
)
def test_where_clients_find_it(vserver: dict[str, Any], found: list[dict[str, Any]]) -> None:
    assert endpoints([vserver], HOST) == found


def test_unknown_protocol() -> None:
    with pytest.raises(AnsibleFilterError, match="'gopher' is not one of smtp"):
        endpoints([{"protocol": "gopher"}], HOST)


def seen(**what: Any) -> dict[str, Any]:
    return {
        "host": HOST,
        "protocol": "imap",
        "port": 143,
        "implicit_tls": False,
        "error": None,
        "verified": True,
        "verify_error": None,
        "clear_text": {"refused": False, "auth_offered": False, "evidence": "e"},
        **what,
    }


def test_each_is_compared_with_its_own_declaration() -> None:
    declared: list[dict[str, Any]] = [{"protocol": "imap"}, INSIDE]
    assert posture_faults([seen(), seen(host="192.0.2.1", port=1143)], declared) == [
        "192.0.2.1 imap port 1143: clear text is not refused (e)"
    ]
    # another one has the address to itself only on the ports that it has
    assert posture_faults([seen(host="192.0.2.1", port=143)], declared) == []


@pytest.mark.parametrize(
    ("what", "faults"),
    [
        ({}, []),
        ({"error": "it is gone"}, ["it is gone"]),
        ({"verified": False, "verify_error": "expired"}, ["the certificate cannot be verified (expired)"]),
        (
            {"clear_text": {"refused": False, "auth_offered": True, "evidence": "AUTH"}},
            ["a login is offered in clear text (AUTH)"],
        ),
    ],
)
def test_faults(what: dict[str, Any], faults: list[str]) -> None:
    assert posture_faults([seen(**what)], [{"protocol": "imap"}]) == [f"{HOST} imap port 143: {one}" for one in faults]


def test_login_in_clear_text_that_is_declared() -> None:
    clear = {"refused": False, "auth_offered": True, "evidence": "SCRAM"}
    assert posture_faults([seen(clear_text=clear)], [{"protocol": "imap", "auth_clear": ["SCRAM-SHA-256"]}]) == []
