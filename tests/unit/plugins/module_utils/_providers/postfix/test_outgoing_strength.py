# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    least,
    no_looser,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import (
    STRONG,
    apply,
    planned,
    whole_rows,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

PARTNER = DomainPolicy("partner.test")
EVERYTHING = DomainPolicy("*", tls="encrypt")
PROTOCOLS, EXCLUDED = "smtp_tls_mandatory_protocols", "smtp_tls_mandatory_exclude_ciphers"
CBC = ("DHE-RSA-AES128-SHA256", "DHE-RSA-AES128-SHA", "DHE-RSA-AES256-SHA256", "DHE-RSA-AES256-SHA")
_LEVEL, FLOOR, EXCLUSIONS = STRONG.split(" ")


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


def row_of(host, *policies):
    """The row for the partner, but for its level."""
    apply(host, *policies)
    return whole_rows(host, TLS_POLICY)["partner.test"].partition(" ")[2]


# ---- entries


@pytest.mark.parametrize("level", ["encrypt", "verify", "secure", "dane-only"])
def test_every_level_that_demands_tls_has_the_strength(level, host, monkeypatch):
    monkeypatch.setattr(
        "ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.resolver.authentic",
        lambda *_how: True,
    )
    assert f" {row_of(host, replace(PARTNER, tls=level))}" == STRONG


@pytest.mark.parametrize("level", ["none", "may"])
def test_lenient_mail_stays_as_it_is(level, host):
    assert row_of(host, replace(PARTNER, tls=level, strength="modern")) == ""


@pytest.mark.parametrize(
    ("strength", "found"),
    [
        ("modern", "protocols=>=TLSv1.3"),
        ("intermediate", STRONG.strip()),
        (
            "legacy",
            f"{FLOOR} {EXCLUSIONS.partition(':kRSA')[0]}:" + ":".join(CBC),
        ),
    ],
)
def test_strengths(strength, found, host):
    policy = replace(PARTNER, strength=strength)
    assert row_of(host, policy) == found
    (outcome,) = planned(RecordedHost("postfix-3.10"), policy).outcomes
    assert outcome.reason == f"TLS policy: none -> partner.test secure strength={strength}"


# ---- the administrator's own


@pytest.mark.parametrize(
    ("own", "strength", "found"),
    [
        (">=TLSv1.3", "intermediate", ">=TLSv1.3"),
        ("!SSLv2, !SSLv3, !TLSv1", "intermediate", ">=TLSv1.2"),
        ("<=TLSv1.2", "intermediate", ">=TLSv1.2:<=TLSv1.2"),
        ("TLSv1.1, TLSv1.2", "legacy", ">=TLSv1.2:<=TLSv1.2"),
        ("${mine?{>=TLSv1}:{>=TLSv1.3}}", "legacy", ">=TLSv1.3"),
    ],
)
def test_versions_that_the_administrator_bars_stay_barred(own, strength, found, host):
    host.set(MAIN_CF, **{PROTOCOLS: own})
    assert row_of(host, replace(PARTNER, strength=strength)).split()[0] == f"protocols={found}"


@pytest.mark.parametrize(("own", "strength"), [("<=TLSv1.1", "legacy"), ("TLSv1.2", "modern"), (">=TLSv9", "legacy")])
def test_versions_that_have_nothing_in_common(own, strength, host):
    host.set(MAIN_CF, **{PROTOCOLS: own})
    with pytest.raises(Problem, match=rf"main\.cf line \d+ sets {PROTOCOLS} to {own}") as caught:
        planned(host, replace(PARTNER, strength=strength))
    assert (caught.value.subject, caught.value.option) == ("domain partner.test", "strength")


@pytest.mark.parametrize("name", [EXCLUDED, "smtp_tls_exclude_ciphers"])
def test_suites_that_the_administrator_bars_stay_barred(name, host):
    host.set(MAIN_CF, **{name: "aNULL, AES128:CHACHA20"})
    assert row_of(host, PARTNER) == f"{STRONG.strip()}:AES128:CHACHA20"
    assert row_of(host, replace(PARTNER, strength="modern")) == "protocols=>=TLSv1.3 exclude=aNULL:AES128:CHACHA20"


def test_what_a_service_bars_stays_barred_for_its_mail(host):
    host.files[MASTER_CF] += f"slow unix - - y - - smtp\n  -o {PROTOCOLS}=>=TLSv1.3\n".encode()
    assert row_of(host, PARTNER) == STRONG.strip()
    host.set(MAIN_CF, transport_maps="hash:/t")
    host.tables["hash:/t"] = {"partner.test": "slow:"}
    assert row_of(host, PARTNER) == f"protocols=>=TLSv1.3 {EXCLUSIONS}"


def test_a_list_of_suites_that_leaves_nothing(host, monkeypatch):
    answers = {"AES128-SHA": "AES128-SHA\n"}
    query = RecordedHost.query

    def asked(self, argv, **how):
        if argv[:2] == ["openssl", "ciphers"]:
            return Completed(0, answers[argv[-1]], "") if argv[-1] in answers else Completed(1, "", "no cipher match")
        return query(self, argv, **how)

    monkeypatch.setattr(RecordedHost, "query", asked)
    host.set(MAIN_CF, tls_medium_cipherlist="AES128-SHA")
    with pytest.raises(Problem, match="tls_medium_cipherlist is AES128-SHA, which has nothing in common"):
        planned(host, PARTNER)
    answers["AES128-SHA" + "".join(f":!{one}" for one in EXCLUSIONS.partition("=")[2].split(":"))] = "AES128-SHA\n"
    planned(host, PARTNER)


# ---- all outgoing mail


def test_all_mail(host):
    before = dict(host.files)
    apply(host, EVERYTHING)
    assert host.parameters[PROTOCOLS] == ">=TLSv1.2"
    assert host.parameters[EXCLUDED] == EXCLUSIONS.partition("=")[2].replace(":", ", ")
    assert needed(planned(host, EVERYTHING).changes, host) == []
    apply(host, replace(EVERYTHING, strength="modern"))
    assert host.parameters[PROTOCOLS] == ">=TLSv1.3"
    assert EXCLUDED.encode() not in host.files[MAIN_CF]
    apply(host, replace(EVERYTHING, tls="may"))
    assert PROTOCOLS.encode() not in host.files[MAIN_CF]
    apply(host, replace(EVERYTHING, present=False))
    assert host.files[MAIN_CF] == before[MAIN_CF]


def test_all_mail_where_the_administrator_bars_more(host):
    host.set(MAIN_CF, **{PROTOCOLS: ">=TLSv1.3", EXCLUDED: "AES128"})
    own = host.files[MAIN_CF]
    apply(host, EVERYTHING)
    assert host.parameters[PROTOCOLS] == ">=TLSv1.3"
    assert host.parameters[EXCLUDED].endswith(", SHA384, AES128")
    assert needed(planned(host, EVERYTHING).changes, host) == []
    apply(host, purge=True)
    assert host.files[MAIN_CF] == own


def test_an_exception_from_all_mail_may_be_weaker(host):
    apply(host, EVERYTHING)
    assert "kRSA" not in row_of(host, EVERYTHING, replace(PARTNER, strength="legacy"))


def test_a_service_that_demands_more_than_all_mail(host):
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(
        b"smtp      unix  -       -       y       -       -       smtp\n",
        f"smtp      unix  -       -       y       -       -       smtp\n  -o {PROTOCOLS}=>=TLSv1.3\n".encode(),
    )
    apply(host, EVERYTHING)
    text = host.files[MASTER_CF].replace(b"=>=TLSv1.3", b"=>=TLSv1")
    host.files[MASTER_CF] = text
    with pytest.raises(Problem, match=f"sets '-o {PROTOCOLS}=>=TLSv1' for the service smtp"):
        planned(host, EVERYTHING)


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ("secure", ""),
        ("secure match=x.test", ""),
        ("secure protocols=>=TLSv1.3", ""),
        ("encrypt protocols=>=TLSv1", "encrypt with less than strength intermediate"),
        ("encrypt exclude=MD5", "encrypt with less than strength intermediate"),
        (f"encrypt{STRONG}", ""),
    ],
)
def test_rows_of_others_that_demand_less(row, refused, host):
    host.set(MAIN_CF, smtp_tls_policy_maps="hash:/p")
    host.files["/p"] = f"friend.test {row}\n".encode()
    host.tables["hash:/p"] = {"friend.test": row}
    if not refused:
        planned(host, EVERYTHING)
        return
    with pytest.raises(Problem, match=f"demands only {refused} for friend"):
        planned(host, EVERYTHING)


# ---- what earlier releases have written


def former(host):
    """Make the entries those of an earlier release."""
    host.files[TLS_POLICY] = host.files[TLS_POLICY].replace(STRONG.encode(), b"")


def test_declared_entries_of_earlier_releases(host):
    apply(host, PARTNER)
    former(host)
    (outcome,) = planned(host, PARTNER).outcomes
    assert outcome.reason == "TLS policy: partner.test secure -> partner.test secure strength=intermediate"
    assert [one.domain for one in planned(host, PARTNER).demands.of(["partner.test"])] == ["partner.test"]
    apply(host, PARTNER)
    assert needed(planned(host, PARTNER).changes, host) == []
    assert planned(host, PARTNER).demands.of(["partner.test"]) == []


def test_other_entries_of_earlier_releases(host):
    others = [DomainPolicy("other.test", tls="encrypt"), DomainPolicy("lenient.test", tls="may")]
    apply(host, PARTNER, *others)
    former(host)
    plan = planned(host, PARTNER)
    (warning,) = [one for one in plan.warnings if "earlier release" in one]
    assert "entries for other.test, which" in warning
    assert plan.demands.updated == ["other.test"]
    apply(host, PARTNER)
    assert whole_rows(host, TLS_POLICY) == {
        "lenient.test": "may",
        "other.test": f"encrypt{STRONG}",
        "partner.test": f"secure{STRONG}",
    }
    assert needed(planned(host, PARTNER).changes, host) == []


def test_two_entries_of_earlier_releases_on_one_next_hop(host):
    host.set(MAIN_CF, relayhost="[gw]:25")
    other = replace(PARTNER, domain="other.test")
    apply(host, PARTNER, other)
    former(host)
    apply(host, PARTNER)
    assert whole_rows(host, TLS_POLICY) == {"[gw]:25": f"secure{STRONG}"}
    with pytest.raises(Problem, match="each has another TLS policy"):
        planned(host, replace(PARTNER, strength="legacy"))


def test_all_mail_of_an_earlier_release(host):
    apply(host, EVERYTHING)
    saved = next(path for path in host.files if path.endswith("originals/postfix.json"))
    text = host.files[MAIN_CF].decode().split("\n")
    host.files[MAIN_CF] = "\n".join(one for one in text if not one.startswith("smtp_tls_mandatory_")).encode()
    host.files[saved] = host.files[saved].replace(b"outgoing smtp_tls_mandatory", b"unknown smtp_tls_mandatory")
    host.parameters.update({PROTOCOLS: ">=TLSv1", EXCLUDED: ""})
    plan = planned(host, PARTNER)
    assert [one for one in plan.warnings if "entries for all other mail, which an earlier release" in one]
    apply(host, PARTNER)
    assert host.parameters[PROTOCOLS] == ">=TLSv1.2"
    assert needed(planned(host, PARTNER).changes, host) == []


# ---- comparing


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("intermediate", "intermediate", True),
        ("modern", "intermediate", True),
        ("modern", "legacy", True),
        ("intermediate", "legacy", True),
        ("legacy", "intermediate", False),
        ("intermediate", "modern", False),
    ],
)
def test_no_looser(one, other, expected):
    first, second = (least(replace(PARTNER, strength=name)) for name in (one, other))
    assert no_looser(first, second) is expected


@pytest.mark.parametrize(
    ("before", "after", "stricter"),
    [
        ("legacy", "intermediate", True),
        ("intermediate", "modern", True),
        ("intermediate", "legacy", False),
        ("modern", "legacy", False),
        ("modern", "modern", False),
    ],
)
def test_only_what_becomes_stronger_is_a_new_demand(before, after, stricter, host):
    apply(host, replace(PARTNER, strength=before), ca_file="/roots.pem")
    found = planned(host, replace(PARTNER, strength=after)).demands.of(["partner.test"])
    assert [one.versions for one in found] == ([("TLSv1.3",) if after == "modern" else ()] if stricter else [])
