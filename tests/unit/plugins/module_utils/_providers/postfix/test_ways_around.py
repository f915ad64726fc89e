# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways that mail takes around what is demanded for its domain: those of single addresses, and filters elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import apply, planned, rows
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

PARTNER = DomainPolicy("partner.test", tls="encrypt")
RELAYED = replace(PARTNER, relay_host="mx.partner.test")
ELSEWHERE = "smtp:[plain.test]:25"


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    found = RecordedHost(request.param)
    found.answers["ip -j address"] = "[]"
    found.files[MASTER_CF] += b"scan unix - - n - 2 smtp\n"
    return found


def transport(host, table, kind="hash"):
    host.set(MAIN_CF, transport_maps=f"{kind}:/t")
    host.files["/t"] = "".join(f"{key} {value}\n" for key, value in table.items()).encode()
    host.tables[f"{kind}:/t"] = {} if kind == "regexp" else table


# ---- single addresses


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (PARTNER, "ceo@partner.test"),
        (PARTNER, "CEO+x@Partner.Test"),
        (replace(PARTNER, subdomains=True), "x@sub.partner.test"),
    ],
)
def test_the_policy_holds_where_single_addresses_are_sent(policy, key, host):
    transport(host, {key: ELSEWHERE, "x@other.test": "smtp:[other.test]"})
    apply(host, policy)
    found = rows(host, TLS_POLICY)
    assert found["[plain.test]:25"] == found["partner.test"] == "encrypt"
    assert "[other.test]" not in found
    assert any("mail that leaves by [plain.test]:25" in one for one in planned(host, policy).warnings)


@pytest.mark.parametrize("value", ["smtp:[127.0.0.1]:10024", "local:", ":", "smtp:"])
def test_ways_that_need_no_policy(value, host):
    transport(host, {"ceo@partner.test": value})
    apply(host, PARTNER)
    assert set(rows(host, TLS_POLICY)) == {"partner.test"}


def test_a_way_of_one_address_that_goes_before_relay_host(host):
    transport(host, {"a@b.test": "smtp:x", "ceo@partner.test": ELSEWHERE})
    with pytest.raises(Problem, match=r"/t line 2 sends mail for ceo@partner\.test to \[plain\.test\]:25"):
        planned(host, RELAYED)
    planned(host, replace(RELAYED, tls="may"))
    transport(host, {"ceo@partner.test": "smtp:[mx.partner.test]:25"})
    planned(host, RELAYED)


@pytest.mark.parametrize(("pattern", "counts"), [("/^ceo@/", True), ("/@other\\.test$/", False)])
def test_patterns(pattern, counts, host):
    transport(host, {pattern: ELSEWHERE}, kind="regexp")
    apply(host, PARTNER)
    assert ("[plain.test]:25" in rows(host, TLS_POLICY)) is counts


def test_a_pattern_behind_one_that_fits_the_whole_domain(host):
    transport(host, {"/^ceo@/": "smtp:[first.test]", "/@partner/": "smtp:[mx.test]", "/./": ELSEWHERE}, kind="regexp")
    told = ("postmaster", "0.x-y_z=q", "any")
    host.tables["regexp:/t"] = {f"{one}@partner.test": "smtp:[mx.test]" for one in told}
    apply(host, PARTNER)
    assert set(rows(host, TLS_POLICY)) == {"[first.test]", "[mx.test]"}


class Unlistable(RecordedHost):
    """A host whose tables answer nothing, and cannot be listed."""

    def query(self, argv, **options):
        if argv[0] == "postmap":
            return Completed(1, "", "postmap: fatal: unsupported" if argv[1] == "-s" else "")
        return super().query(argv, **options)


def test_a_table_that_cannot_be_listed():
    host = Unlistable("postfix-3.10")
    host.set(MAIN_CF, transport_maps="mysql:/t")
    assert any("mysql:/t cannot be listed" in one for one in planned(host, PARTNER).warnings)


# ---- filters


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"content_filter": "scan:[scan.test]:10024"}, r"content_filter in /etc/postfix/main\.cf line \d+"),
        ({"header_checks": "regexp:/h"}, "/h line 1"),
        ({"smtpd_recipient_restrictions": "check_recipient_access hash:/a"}, "/a line 1"),
        ({"smtpd_client_restrictions": "check_client_access hash:/c"}, "/c line 1"),
    ],
)
def test_a_filter_elsewhere_of_which_less_is_demanded(parameters, place, host):
    host.set(MAIN_CF, **parameters)
    host.files["/h"] = b"/^Subject/ FILTER scan:[scan.test]:10024\n"
    for path, key in (("/a", "partner.test"), ("/c", "other.test")):
        host.files[path] = f"{key} FILTER scan:[scan.test]:10024\n".encode()
        host.tables[f"hash:{path}"] = {key: "FILTER scan:[scan.test]:10024"}
    with pytest.raises(Problem, match=rf"{place} has mail go by scan:\[scan\.test\]:10024 first"):
        planned(host, PARTNER)
    planned(host, replace(PARTNER, tls="may"))
    host.set(MAIN_CF, smtp_tls_policy_maps="hash:/p")
    host.tables["hash:/p"] = {"[scan.test]:10024": "encrypt"}
    with pytest.raises(Problem, match="only encrypt with less than strength intermediate") as caught:
        planned(host, PARTNER)
    row = re.search(r"give '(\S+) (.*?)' to a table", caught.value.remedy)
    assert row
    host.tables["hash:/p"] = {row[1]: row[2]}
    planned(host, PARTNER)


@pytest.mark.parametrize("value", ["scan:[127.0.0.1]:10024", "scan:", "filter:[scan.test]:10024"])
def test_filters_that_stay_here_or_are_no_hops(value, host):
    host.set(MAIN_CF, content_filter=value)
    planned(host, PARTNER)


def test_a_filter_for_the_mail_of_others(host):
    host.set(MAIN_CF, smtpd_recipient_restrictions="check_recipient_access hash:/a")
    host.tables["hash:/a"] = {"other.test": "FILTER scan:[scan.test]:10024"}
    planned(host, PARTNER)


NESTED = {
    "hash:/a": {"192.0.2.1": "check_recipient_access hash:/b"},
    "hash:/b": {"partner.test": "FILTER scan:[x.test]"},
}


def test_a_filter_that_a_table_of_restrictions_leads_to(host):
    host.set(MAIN_CF, smtpd_client_restrictions="check_client_access hash:/a")
    host.tables.update(NESTED)
    with pytest.raises(Problem, match=r"hash:/b has mail go by scan:\[x\.test\] first"):
        planned(host, PARTNER)
    planned(host, replace(PARTNER, domain="other.test"))  # it is for the mail of one domain


def test_a_table_that_is_asked_twice(host):
    host.set(MAIN_CF, smtpd_client_restrictions="check_recipient_access hash:/b check_sender_access hash:/b")
    host.tables.update(NESTED)
    with pytest.raises(Problem, match="has mail go by"):
        planned(host, replace(PARTNER, domain="other.test"))


@pytest.mark.parametrize("table", ["mysql:/t", "tcp:127.0.0.1:9", "proxy:ldap:/t", "pgsql:/t"])
@pytest.mark.parametrize(
    ("name", "before"),
    [("smtpd_sender_restrictions", "check_sender_access "), ("header_checks", ""), ("own", "check_client_access ")],
)
def test_checks_that_cannot_be_listed(table, name, before):
    host = Unlistable("postfix-3.10")
    host.set(MAIN_CF, smtpd_restriction_classes="own", **{name: f"{before}{table}"})
    for policy in (PARTNER, replace(PARTNER, domain="*", tls="encrypt")):
        found = [one for one in planned(host, policy).warnings if "FILTER, REDIRECT or BCC" in one]
        assert len(found) == 1
        assert found[0].startswith(f"{table} ({name} in {MAIN_CF} line ")
    assert not [one for one in planned(host, replace(PARTNER, tls="may")).warnings if "FILTER" in one]


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"always_bcc": "archive@shop.test"}, "always_bcc in"),
        ({"recipient_bcc_maps": "hash:/c"}, "hash:/c"),
        ({"sender_bcc_maps": "inline:{a@b.test=archive@shop.test}"}, "inline:"),
        ({"header_checks": "regexp:/h"}, "/h line 1"),
        ({"smtpd_sender_restrictions": "check_sender_access static:{REDIRECT archive@shop.test}"}, "static:"),
    ],
)
def test_copies_of_which_less_is_demanded(parameters, place, host):
    host.set(MAIN_CF, **parameters)
    host.files["/h"] = b"/^Subject/ BCC archive@shop.test\n"
    host.tables["hash:/c"] = {"partner.test": "archive@shop.test"}
    (found,) = [one for one in planned(host, PARTNER).warnings if "archive@shop.test" in one]
    assert found.startswith(place)
    assert "of that hop (shop.test) only" in found
    shop = replace(PARTNER, domain="shop.test")
    assert not [one for one in planned(host, PARTNER, shop).warnings if "archive@shop.test" in one]
