# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others by which less would be demanded than our policies say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import apply, planned, rows
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

PARTNER = DomainPolicy("partner.test")
EVERYTHING = DomainPolicy("*", tls="encrypt")
OF_OTHERS = {"smtp_tls_policy_maps": "hash:/p"}


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"smtp_discard_ehlo_keywords": "chunking, STARTTLS"}, r"main\.cf line \d+ sets smtp_discard_ehlo_keywords"),
        ({"none": "starttls", "smtp_discard_ehlo_keywords": "$none"}, "never starts TLS"),
        ({"smtp_never_send_ehlo": "yes"}, r"main\.cf line \d+ sets smtp_never_send_ehlo to yes"),
        ({"smtp_tls_per_site": "hash:/s"}, r"main\.cf line \d+ has smtp_tls_per_site"),
        ({"smtp_discard_ehlo_keyword_address_maps": "cidr:/d"}, r"/d line 2 \(smtp_discard_ehlo_keyword_address_maps"),
        ({"smtp_discard_ehlo_keyword_address_maps": "static:starttls"}, r"main\.cf line \d+ with static:starttls"),
    ],
)
def test_settings_that_are_refused(parameters, words, host):
    host.set(MAIN_CF, **parameters)
    host.files["/d"] = b"192.0.2.1 starttls\n::/0 silent-discard, STARTTLS\n"
    for policy in (PARTNER, EVERYTHING):
        with pytest.raises(Problem, match=words):
            planned(host, policy)


@pytest.mark.parametrize("parameters", [{"smtp_discard_ehlo_keywords": "chunking"}, {"smtp_never_send_ehlo": "no"}])
def test_settings_that_are_not(parameters, host):
    host.set(MAIN_CF, **parameters)
    planned(host, PARTNER)


def test_servers_with_which_tls_is_not_started(host):
    host.set(MAIN_CF, smtp_discard_ehlo_keyword_address_maps="cidr:/d, tcp:/unknown")
    host.files["/d"] = b"192.0.2.1 starttls\n0.0.0.0/0 chunking\n"
    single, unknown = planned(host, PARTNER).warnings
    assert "/d line 1" in single
    assert "192.0.2.1" in single
    assert "tcp:/unknown" in unknown


def test_tls_at_once_with_every_server(host):
    host.set(MAIN_CF, smtp_tls_wrappermode="yes", smtp_tls_security_level="encrypt")
    planned(host, EVERYTHING)
    planned(host, replace(PARTNER, relay_host="mx.test", relay_port=465, implicit_tls=True))
    with pytest.raises(Problem, match=r"main\.cf line \d+ sets smtp_tls_wrappermode to yes"):
        planned(host, replace(PARTNER, relay_host="mx.test", relay_port=587))


@pytest.mark.parametrize(
    ("table", "refused"),
    [
        ("static:may", r"main\.cf line \d+ with static:may demands only may"),
        ("regexp:/r", r"/r line 2 demands only may"),
        ("inline:{sub.partner.test=may}", r"inline:.* demands only may for sub\.partner\.test"),
    ],
)
def test_what_goes_before_a_policy_for_subdomains(table, refused, host):
    host.set(MAIN_CF, smtp_tls_policy_maps=table)
    host.files["/r"] = b"/^x\\.other\\.test$/ may\n/^[a-z]+\\.partner\\.test$/ may\n"
    host.tables[table] = {}
    planned(host, PARTNER)
    with pytest.raises(Problem, match=refused):
        planned(host, replace(PARTNER, subdomains=True))


def test_a_service_that_never_starts_tls(host):
    host.files[MASTER_CF] += b"slow unix - - y - - smtp\n  -o smtp_discard_ehlo_keywords=starttls\n"
    planned(host, PARTNER)
    host.set(MAIN_CF, transport_maps="hash:/t")
    host.tables["hash:/t"] = {"partner.test": "slow:"}
    for policy in (PARTNER, EVERYTHING):
        with pytest.raises(Problem, match=r"master\.cf line \d+ sets smtp_discard_ehlo_keywords"):
            planned(host, policy)


@pytest.mark.parametrize(
    ("policy", "table", "refused"),
    [
        (EVERYTHING, {"old.test": "may"}, "old.test"),
        (EVERYTHING, {"[gw.test]:587": "none"}, "gw.test"),
        (EVERYTHING, {"new.test": "secure", "[127.0.0.1]:10024": "none"}, ""),
        (replace(EVERYTHING, tls="may"), {"old.test": "none"}, ""),
        (replace(PARTNER, subdomains=True), {"sub.partner.test": "may"}, "sub.partner.test"),
        (replace(PARTNER, subdomains=True), {"partner.test": "may", "other.test": "may"}, ""),
        (PARTNER, {"partner.test": "may", "sub.partner.test": "may"}, ""),
    ],
)
def test_rows_of_others_that_go_before(policy, table, refused, host):
    host.set(MAIN_CF, **OF_OTHERS)
    host.files["/p"] = "".join(f"{key} {value}\n" for key, value in table.items()).encode()
    host.tables["hash:/p"] = table
    if not refused:
        planned(host, policy)
        return
    with pytest.raises(Problem, match=rf"/p line 1 demands only \w+ for \[?{refused}"):
        planned(host, policy)
    if not refused.startswith("gw"):  # the remedies
        planned(host, policy, replace(PARTNER, domain=refused, tls="may"))
    host.tables["hash:/p"] = {}
    planned(host, policy)


def test_a_table_of_others_that_cannot_be_listed(host):
    host.set(MAIN_CF, smtp_tls_policy_maps="ldap:/p")
    with pytest.raises(Problem, match=r"main\.cf line \d+ names ldap:/p, which cannot be listed"):
        planned(host, EVERYTHING)
    planned(host, PARTNER)
    host.set(MAIN_CF, smtp_tls_policy_maps="socketmap:inet:127.0.0.1:8461:postfix")
    (warning,) = planned(host, EVERYTHING).warnings
    assert "socketmap:inet:127.0.0.1:8461:postfix cannot be listed" in warning


def test_a_service_with_a_level_of_its_own(host):
    host.files[MASTER_CF] += b"slow unix - - y - - smtp\n  -o smtp_tls_security_level=may\n"
    planned(host, EVERYTHING)
    host.set(MAIN_CF, transport_maps="hash:/t")
    host.tables["hash:/t"] = {"old.test": "slow:"}
    with pytest.raises(Problem, match=r"master\.cf line \d+ sets '-o smtp_tls_security_level=may'"):
        planned(host, EVERYTHING)


@pytest.mark.parametrize(
    ("name", "level", "value", "expected"),
    [
        ("smtp_tls_secure_cert_match", "secure", "hostname", "secure match=nexthop:dot-nexthop"),
        ("smtp_tls_verify_cert_match", "verify", "nexthop, .example", "verify match=hostname"),
        ("smtp_tls_secure_cert_match", "secure", "nexthop dot-nexthop", "secure"),
    ],
)
def test_the_names_of_a_level_are_what_it_stands_for(name, level, value, expected, host):
    host.set(MAIN_CF, **{name: value})
    apply(host, replace(PARTNER, tls=level))
    assert rows(host, TLS_POLICY) == {"partner.test": expected}
    apply(host, replace(EVERYTHING, tls=level))
    assert needed(planned(host, replace(EVERYTHING, tls=level)).changes, host) == []
    if value != "nexthop dot-nexthop":
        assert host.parameters[name].replace(",", "").split() == expected.partition("=")[2].split(":")
