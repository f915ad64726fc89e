# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLSA records of declared virtual servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.filter.tlsa_by_name import tlsa_by_name
from ansible_collections.postmaster.secure_channel.plugins.filter.tlsa_records import tlsa_records

VSERVERS: Sequence[Mapping[str, Any]] = [
    {"protocol": "smtp", "certificate": "mx1"},
    {"protocol": "submission", "certificate": "mail", "implicit_tls_port": 8465},
    {"protocol": "imap", "certificate": "mail", "implicit_tls_port": 0},
    {"protocol": "pop3"},
]


def test_each_port_of_a_certificate_has_a_record_with_all_values() -> None:
    assert tlsa_records(VSERVERS, "mx1.example.test", [{"mail": "3 1 1 aa"}, {"mail": "3 1 1 bb"}]) == [
        {"name": f"_{port}._tcp.mx1.example.test", "type": "TLSA", "values": ["3 1 1 aa", "3 1 1 bb"]}
        for port in (587, 8465, 143)
    ]


def test_a_value_stands_there_once_and_the_first_may_be_missing() -> None:
    known = {"mx1": "3 1 1 aa"}
    empty: Sequence[Mapping[str, str | None]] = ({}, {"mx1": None})
    for values in ([known, known], [empty[0], known], [empty[1], known]):
        (record,) = tlsa_records(VSERVERS, "mx1.example.test", values)
        assert record == {"name": "_25._tcp.mx1.example.test", "type": "TLSA", "values": ["3 1 1 aa"]}


def test_an_unknown_protocol_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="'gopher' is not one of smtp"):
        tlsa_records([{"protocol": "gopher", "certificate": "news"}], "news.example.test", [])


def test_second_certificates_and_those_of_other_names_have_records_too() -> None:
    vserver = {
        "protocol": "imap",
        "port": 0,
        "certificate": "mail",
        "alternative_certificate": "rsa",
        "sni": [{"name": "b.test", "certificate": "b"}],
    }
    known = {"mail": "3 1 1 aa", "rsa": "3 1 1 bb", "b": "3 1 1 cc"}
    assert tlsa_records([vserver, {**vserver, "state": "absent"}], "mx1.example.test", [known]) == [
        {"name": "_993._tcp.mx1.example.test", "type": "TLSA", "values": ["3 1 1 aa", "3 1 1 bb"]},
        {"name": "_993._tcp.b.test", "type": "TLSA", "values": ["3 1 1 cc"]},
    ]


def test_clear_text_has_no_record() -> None:
    site = {"protocol": "http", "name": "www.example.test", "certificate": "www"}
    assert tlsa_records([site], "mx1.example.test", [{"www": "3 1 1 aa"}]) == [
        {"name": "_443._tcp.www.example.test", "type": "TLSA", "values": ["3 1 1 aa"]}
    ]


def test_a_server_at_an_address_of_its_own_has_records_under_its_own_name() -> None:
    inside = {"protocol": "smtp", "name": "inside", "addresses": ["192.0.2.5"], "certificate": "inside"}
    known = {"mx1": "3 1 1 aa", "inside": "3 1 1 bb"}
    store: list[dict[str, Any]] = [
        {"name": "inside", "live": {"names": ["inside.example.test"]}},
        {"name": "mx1", "live": None},
    ]
    assert tlsa_records([VSERVERS[0], inside], "mx1.example.test", [known], store) == [
        {"name": "_25._tcp.mx1.example.test", "type": "TLSA", "values": ["3 1 1 aa"]},
        {"name": "_25._tcp.inside.example.test", "type": "TLSA", "values": ["3 1 1 bb"]},
    ]


def test_servers_under_one_name_have_one_record() -> None:
    inside = {"protocol": "smtp", "name": "inside", "addresses": ["192.0.2.5"], "certificate": "inside"}
    known = {"mx1": "3 1 1 aa", "inside": "3 1 1 bb"}
    assert tlsa_records([VSERVERS[0], inside], "mx1.example.test", [known]) == [
        {"name": "_25._tcp.mx1.example.test", "type": "TLSA", "values": ["3 1 1 aa", "3 1 1 bb"]}
    ]


def test_wildcards_have_none() -> None:
    vserver = {"protocol": "smtp", "certificate": "mx1", "sni": [{"name": "*.b.test", "certificate": "b"}]}
    (found,) = tlsa_records([vserver], "mx1.example.test", [{"mx1": "3 1 1 aa", "b": "3 1 1 cc"}])
    assert found["name"] == "_25._tcp.mx1.example.test"


@pytest.mark.parametrize(
    ("key", "found"), [("current", {"a": "3 1 1 aa"}), ("next", {"a": "3 1 1 bb", "b": "3 1 1 cc"})]
)
def test_what_the_store_says_of_its_keys(key: str, found: dict[str, str]) -> None:
    store = [
        {"name": "a", "tlsa": {"current": "3 1 1 aa", "next": "3 1 1 bb"}},
        {"name": "b", "tlsa": {"current": None, "next": "3 1 1 cc"}},
    ]
    assert tlsa_by_name(store, key) == found


def test_what_other_modules_say_of_theirs() -> None:
    requested = {"name": "requested", "tlsa_3_1_1": "3 1 1 aa"}
    unknown: list[dict[str, Any]] = [{"name": "not made in check mode", "tlsa_3_1_1": None}, {"name": "not known"}]
    assert tlsa_by_name([requested, *unknown]) == {"requested": "3 1 1 aa"}
