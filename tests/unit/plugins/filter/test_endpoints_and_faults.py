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
from ansible_collections.postmaster.secure_channel.plugins.filter.posture_table import posture_table
from ansible_collections.postmaster.secure_channel.plugins.filter.seen_by_itself import seen_by_itself
from ansible_collections.postmaster.secure_channel.plugins.filter.store_faults import store_faults

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


# ---- identity, days, strength: what is declared, what the host has, and what it shows

LEAF: dict[str, Any] = {
    "sha256": "a1",
    "subject": "CN=x",
    "serial": "01",
    "names": ["a.test", "*.b.test"],
    "days_left": 20,
}
STORE: list[dict[str, Any]] = [
    {"name": "main", "live": {**LEAF}},
    {"name": "second", "live": {**LEAF, "sha256": "a2"}},
    {"name": "named", "live": {**LEAF, "sha256": "a3"}},
    {"name": "waiting", "live": None},
]


def faults_of(leaf: dict[str, Any], vserver: dict[str, Any], days: int = 7, **what: Any) -> list[str]:
    one = seen(chain=[{**LEAF, **leaf}], server_name="a.test", **what)
    found = posture_faults([one], [{"protocol": "imap", "certificate": "main", **vserver}], STORE, days)
    return [fault.removeprefix(f"{HOST} imap port 143: ") for fault in found]


@pytest.mark.parametrize(
    ("leaf", "vserver", "fault"),
    [
        ({"sha256": "a2"}, {}, "it shows another certificate (CN=x, serial 01) than main"),
        ({"sha256": "a2", "subject": ""}, {}, "it shows another certificate (a.test, *.b.test, serial 01) than main"),
        ({"days_left": 6}, {}, "the certificate is valid for 6 days only, less than 7"),
        ({}, {"server_names": ["a.test", "c.test"]}, "the certificate does not cover c.test"),
        ({"sha256": "a1"}, {"sni": [{"name": "a.test", "certificate": "named"}]}, "it shows another certificate"),
    ],
)
def test_another_certificate_than_the_declared_one(leaf: dict[str, Any], vserver: dict[str, Any], fault: str) -> None:
    (found,) = faults_of(leaf, vserver)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("leaf", "vserver"),
    [
        ({}, {}),
        ({"sha256": "a2"}, {"alternative_certificate": "second"}),
        ({"sha256": "a3"}, {"sni": [{"name": "a.test", "certificate": "named"}]}),
        ({"sha256": "a2"}, {"sni": [{"name": "a.test", "certificate": "named", "alternative_certificate": "second"}]}),
        ({}, {"server_names": ["a.test", "c.b.test"]}),
        ({"days_left": 7}, {}),
    ],
)
def test_the_declared_certificate(leaf: dict[str, Any], vserver: dict[str, Any]) -> None:
    assert faults_of(leaf, vserver) == []


def test_a_declared_certificate_that_the_host_lost() -> None:
    lost, other = faults_of({}, {"certificate": "waiting"})
    assert lost == "the declared certificate waiting is not in the host's store"
    assert other.startswith("it shows another certificate")


@pytest.mark.parametrize(
    ("accepted", "strength", "fault"),
    [
        (["TLSv1", "TLSv1.1", "TLSv1.2"], None, "TLSv1 and TLSv1.1 can be used, which is less than the strength inter"),
        (["TLSv1.1"], "legacy", "TLSv1.1 can be used, which is less than the strength legacy"),
        (["TLSv1.2", "TLSv1.3"], "modern", "TLSv1.2 can be used, which is less than the strength modern"),
        (["TLSv1.2", "TLSv1.3"], "legacy", ""),
        (["TLSv1.3"], "modern", ""),
    ],
)
def test_versions_below_the_strength(accepted: list[str], strength: str | None, fault: str) -> None:
    found = faults_of({}, {"strength": strength}, versions={"accepted": accepted})
    assert [one for one in found if not one.startswith(fault or "-")] == []
    assert bool(found) == bool(fault)


def test_a_weak_cipher() -> None:
    assert faults_of({}, {}, tls={"bits": 112, "cipher": "DES-CBC3-SHA"}) == [
        "the cipher DES-CBC3-SHA has 112 bits only"
    ]


def test_sites_on_one_port_are_told_apart_by_name() -> None:
    declared = [
        {"protocol": "http", "certificate": "main"},
        {"protocol": "http", "name": "web.test", "certificate": "second"},
    ]
    leaf = {**LEAF, "sha256": "a2"}
    one = seen(protocol="http", port=443, implicit_tls=True, server_name="web.test", chain=[leaf])
    assert posture_faults([one], declared, STORE) == []
    assert len(posture_faults([{**one, "server_name": HOST}], declared, STORE)) == 1


def test_nothing_on_port_80_is_no_fault() -> None:
    closed = seen(protocol="http", port=80, error="refused", error_code="refused", clear_text=None, verified=False)
    declared = [{"protocol": "http", "require_secure_channel": True}]
    assert posture_faults([closed], declared) == []
    assert posture_faults([{**closed, "port": 443, "implicit_tls": True}], declared)
    assert posture_faults([{**closed, "error_code": "timeout"}], declared)


def test_a_server_with_an_address_of_its_own_is_known_by_its_certificate() -> None:
    inside = {"protocol": "smtp", "name": "inside", "addresses": ["192.0.2.1"], "certificate": "main"}
    roots = {"main": "PEM"}
    (one,) = endpoints([inside], HOST, STORE, roots)
    assert (one["server_name"], one["ca_content"]) == ("a.test", "PEM")
    (one,) = endpoints([inside], "a.test", STORE, {"*": "ALL"})
    assert (one["server_name"], one["ca_content"]) == ("a.test", "ALL")
    (one,) = endpoints([{**inside, "server_names": ["c.test"]}], HOST, STORE)
    assert one["server_name"] == "c.test"
    assert "ca_content" not in one
    (one,) = endpoints([{**inside, "certificate": "waiting"}], HOST, STORE)
    assert one["server_name"] == HOST


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"name": "main", "common_name": "a.test"}, None),
        ({"name": "main", "common_name": "a.test", "subject_alt_names": ["d.test"]}, "it does not cover d.test"),
        ({"name": "waiting"}, "it is declared, and not on the host"),
        ({"name": "waiting", "state": "absent"}, None),
        ({"name": "main", "source": "lineage", "names": ["a.test"]}, None),
    ],
)
def test_certificates_that_no_server_shows(entry: dict[str, Any], fault: str | None) -> None:
    assert store_faults(STORE, [entry], 7) == ([f"certificate {entry['name']}: {fault}"] if fault else [])


def test_a_certificate_that_no_server_shows_and_that_ends() -> None:
    (found,) = store_faults(STORE, [{"name": "main", "common_name": "a.test"}], 21)
    assert found == "certificate main: it is valid for 20 days only, less than 21"


@pytest.mark.parametrize(
    ("address", "source", "itself"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "127.0.0.2", True),
        ("::1", "::1", True),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        (None, None, False),
    ],
)
def test_who_has_looked(address: str | None, source: str | None, itself: bool) -> None:
    assert seen_by_itself([seen(address=address, source=source)]) is itself


def test_the_table_shows_names_where_there_is_no_common_name_and_hosts_that_were_not_seen() -> None:
    shown = {"tls": {"version": "TLSv1.3"}, "names": ["a.test"], "days_left": 3, "error_code": None}
    rows = [
        seen(chain=[{"subject": ""}], **shown),
        seen(chain=[{"subject": "CN=b.test"}], **shown),
        seen(
            protocol="http",
            port=80,
            chain=[],
            names=[],
            days_left=None,
            tls=None,
            error_code="refused",
            clear_text=None,
        ),
    ]
    table = [line.split() for line in posture_table(rows, {"mx9": "not looked at"})]
    assert [line[-3] for line in table[1:3]] == ["a.test", "CN=b.test"]
    assert table[3] == [HOST, "http", "80", "closed", "-", "-", "-", "-"]
    assert table[4][0] == "mx9"
    assert "NO" in table[4]
