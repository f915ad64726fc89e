# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hops that the host's own configuration names, where all outgoing mail must be encrypted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import apply, planned, rows
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

BEFORE = "encrypt protocols=>=TLSv1 exclude=eNULL"  # what main.cf of the recorded hosts demands at that level
EVERYTHING = DomainPolicy("*", tls="encrypt")
FILTER = "[127.0.0.1]:10024"
SCAN = "scan unix - - n - 2 smtp\n  -o smtp_data_done_timeout=1200\n"
ADDRESSES = [{"addr_info": [{"scope": "global", "local": "192.0.2.7"}, {"scope": "host", "local": "127.0.0.1"}]}]


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    found = RecordedHost(request.param)
    found.files[MASTER_CF] += SCAN.encode()
    found.answers["ip -j address"] = json.dumps(ADDRESSES)
    found.set(MAIN_CF, smtp_tls_security_level="may")
    return found


def policies(host, policy=EVERYTHING):
    apply(host, policy)
    return rows(host, TLS_POLICY) if TLS_POLICY in host.files else {}


def demanded(host):
    """The next hops that are tried, and where each is named."""
    return [(one.next_hop, one.named_in) for one in planned(host, EVERYTHING).demands.of(["*"])]


@pytest.mark.parametrize(
    "hop",
    [
        "[127.0.0.1]:10024",
        "127.0.0.1:10024",
        "[::1]:10024",
        "[ipv6:::1]:10024",
        "localhost:10024",
        "[192.0.2.7]:10024",
        "[scanner]:10024",
    ],
)
def test_a_filter_on_this_host_keeps_its_level(hop, host):
    host.files["/etc/hosts"] = b"127.0.0.1 localhost\n192.0.2.7  SCANNER # ours\n"
    host.set(MAIN_CF, content_filter=f"scan:{hop}")
    assert policies(host) == {hop: "may"}
    assert demanded(host) == []


@pytest.mark.parametrize(
    ("parameters", "tables"),
    [
        ({"content_filter": f"smtp:{FILTER}"}, {}),
        ({"relay_transport": f"relay:{FILTER}"}, {}),
        ({"mailbox_transport": f"smtp:{FILTER}"}, {}),
        ({"scanner": FILTER, "content_filter": "scan:${scanner}"}, {}),
        ({"default_filter_nexthop": FILTER, "content_filter": "scan:"}, {}),
        ({"transport_maps": "hash:/t"}, {"hash:/t": {"lists.test": f"smtp:{FILTER}"}}),
        ({"transport_maps": "inline:{lists.test=scan:[127.0.0.1]:10024}"}, {"inline:{lists.test=scan:x}": {}}),
        (
            {"smtpd_sender_restrictions": "check_sender_access hash:/a, permit"},
            {"hash:/a": {"a": f"FILTER scan:{FILTER}"}},
        ),
        (
            {"smtpd_restriction_classes": "own", "own": "check_client_access hash:/a"},
            {"hash:/a": {"a": f"filter scan:{FILTER}"}},
        ),
        ({"header_checks": "regexp:/h"}, {}),
        ({"mime_header_checks": "pcre:/h"}, {}),
        ({"smtpd_client_restrictions": "check_client_access cidr:/c"}, {}),
        ({"smtpd_client_restrictions": f"check_client_access static:{{FILTER scan:{FILTER}}}"}, {}),
    ],
)
def test_wherever_the_hop_is_named(parameters, tables, host):
    host.set(MAIN_CF, **parameters)
    host.files["/h"] = b"# filters\nif /^Subject/\n/^Subject: a\\/b/i  FILTER scan:[127.0.0.1]:10024\nendif\n"
    host.files["/c"] = b"192.0.2.0/24 OK\n0.0.0.0/0\n   FILTER scan:[127.0.0.1]:10024\n"
    host.tables = {parameters.get("transport_maps", ""): {}, **tables}
    assert policies(host) == {FILTER: "may"}


def test_a_filter_that_one_service_names(host):
    host.files[MASTER_CF] += b"10587 inet n - n - - smtpd\n  -o where=[127.0.0.1]:10026 -o content_filter=scan:$where\n"
    assert policies(host) == {"[127.0.0.1]:10026": "may"}


def test_a_filter_elsewhere_is_tried(host):
    host.set(MAIN_CF, content_filter="scan:[scan.example.test]:10024", smtp_fallback_relay="[127.0.0.1]:2525")
    lines = host.read_text(MAIN_CF).split("\n")
    assert demanded(host) == [
        (hop, f"{name} in {MAIN_CF} line {next(n for n, one in enumerate(lines, 1) if one.startswith(name))}")
        for hop, name in (
            ("[127.0.0.1]:2525", "smtp_fallback_relay"),
            ("[scan.example.test]:10024", "content_filter"),
        )
    ]
    assert policies(host) == {}


def test_a_relay_on_this_host_is_no_hop_of_its_own(host):
    host.set(MAIN_CF, relayhost="[127.0.0.1]:1025")
    assert policies(host) == {"[127.0.0.1]:1025": "encrypt"}


@pytest.mark.parametrize(
    "service", ["scan unix - - n - 2 lmtp\n", "scan unix - - n - 2 smtp -o smtp_tls_security_level=none\n"]
)
def test_a_service_that_the_level_does_not_reach_needs_no_row(service, host):
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(SCAN.encode(), service.encode())
    host.set(MAIN_CF, content_filter=f"scan:{FILTER}")
    assert policies(host) == {}


def test_a_row_of_somebody_else_is_enough(host):
    host.set(MAIN_CF, content_filter=f"scan:{FILTER}", smtp_tls_policy_maps="hash:/p")
    host.tables["hash:/p"] = {FILTER: "none"}
    assert policies(host) == {}


def test_an_entry_for_such_a_hop_goes_before(host):
    host.set(MAIN_CF, content_filter=f"scan:{FILTER}")
    partner = DomainPolicy("a.test", tls="verify", relay_host="127.0.0.1", relay_port=10024)
    apply(host, EVERYTHING, partner)
    assert rows(host, TLS_POLICY) == {FILTER: "verify"}


def test_the_row_goes_with_the_entry_and_stays_with_another_call(host):
    host.set(MAIN_CF, content_filter=f"scan:{FILTER}")
    stock = dict(host.files)
    assert policies(host) == {FILTER: "may"}
    assert planned(host, EVERYTHING).levels == {}
    apply(host, DomainPolicy("a.test", tls="encrypt"))
    assert rows(host, TLS_POLICY) == {FILTER: "may", "a.test": "encrypt"}
    assert [one.domain for one in planned(host, EVERYTHING, purge=True).outcomes] == ["*", "a.test"]
    apply(host, EVERYTHING, purge=True)
    assert rows(host, TLS_POLICY) == {FILTER: "may"}
    apply(host, replace(EVERYTHING, present=False))
    assert TLS_POLICY not in host.files
    assert host.files[MAIN_CF] == stock[MAIN_CF]


@pytest.mark.parametrize(("value", "level"), [("", "none"), ("encrypt", BEFORE), ("$smtpd_tls_security_level", "may")])
def test_the_level_is_the_one_from_before(value, level, host):
    host.set(MAIN_CF, smtp_tls_security_level=value, content_filter=f"scan:{FILTER}")
    for _run in range(2):
        apply(host, replace(EVERYTHING, tls="secure"))
        assert rows(host, TLS_POLICY)[FILTER] == level


class Unlistable(RecordedHost):
    """A host whose tables answer nothing, and cannot be listed."""

    def query(self, argv, **options):
        if argv[0] == "postmap":
            return Completed(1, "", "postmap: fatal: unsupported" if argv[1] == "-s" else "")
        return super().query(argv, **options)


@pytest.mark.parametrize(
    "table",
    [
        "socketmap:unix:/run/ways:ways",
        "tcp:127.0.0.1:9999",
        "ldap:/etc/postfix/ways",
        "proxy:mysql:/etc/postfix/ways",
    ],
)
@pytest.mark.parametrize(
    "name", ["transport_maps", "sender_dependent_default_transport_maps", "mailbox_transport_maps"]
)
def test_tables_that_cannot_be_listed_are_named(name, table):
    host = Unlistable("postfix-3.10")
    host.set(MAIN_CF, **{name: table})
    found = [one for one in planned(host, EVERYTHING).warnings if "on this host as well" in one]
    assert len(found) == 1
    assert found[0].startswith(f"{table} ({name} in {MAIN_CF} line ")
    assert not [one for one in planned(host, replace(EVERYTHING, tls="may")).warnings if "on this host as well" in one]


def test_ways_that_are_taken_by_chance_are_known():
    host = Unlistable("postfix-3.10")
    host.files[MASTER_CF] += SCAN.encode()
    host.answers["ip -j address"] = json.dumps(ADDRESSES)
    host.set(MAIN_CF, transport_maps="randmap:{scan:[127.0.0.1]:10024, smtp:[127.0.0.1]:10026}")
    assert set(policies(host)) == {FILTER, "[127.0.0.1]:10026"}


@pytest.mark.parametrize(
    ("older", "level"),
    [
        ({"smtp_enforce_tls": "yes"}, "verify protocols=>=TLSv1 exclude=eNULL"),
        ({"smtp_enforce_tls": "yes", "smtp_use_tls": "yes", "smtp_tls_enforce_peername": "no"}, BEFORE),
        ({"smtp_use_tls": "yes"}, "may"),
        ({"smtp_tls_enforce_peername": "yes"}, "none"),
    ],
)
def test_the_level_that_older_parameters_stand_for_stays_within_this_host(older, level, host):
    host.set(MAIN_CF, content_filter=f"scan:{FILTER}", smtp_tls_security_level="", **older)
    assert policies(host)[FILTER] == level
