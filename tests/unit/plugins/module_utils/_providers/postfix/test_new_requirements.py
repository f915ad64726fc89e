# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    QueuedMail,
    TlsLibrary,
    TlsRequirement,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.tests.support import postfix_sending
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import OFFERED
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
)

FINGERPRINTS = (":".join(["AB"] * 32), ":".join(["CD"] * 32))


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


def planned(host, *policies, **options):
    plan = postfix_sending.planned(host, *policies, **options)
    assert plan.demands is not None
    return plan


PARTNER = DomainPolicy("partner.test")


def demanded(host, *policies, of=(), **options):
    """What is newly demanded for the policies' domains, and for others."""
    domains = [*(one.domain for one in policies if one.present), *of]
    found = list(planned(host, *policies, **options).demands.of(domains))
    for one in found:
        offered = host.parameters["tls_medium_cipherlist"] + OFFERED.format(0 if one.level == "encrypt" else 1)
        assert one.versions or one.ciphers == offered
    return [replace(one, ciphers="") for one in found]


def apply(host, *policies, **options):
    host.take(planned(host, *policies, **options).changes)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (DomainPolicy("a.test", tls="none"), []),
        (DomainPolicy("a.test", tls="may"), []),
        (DomainPolicy("a.test", tls="encrypt"), [TlsRequirement("a.test", "a.test", "a.test", level="encrypt")]),
        (
            DomainPolicy("a.test", tls="verify"),
            [TlsRequirement("a.test", "a.test", "a.test", level="verify", own_name=True)],
        ),
        (
            DomainPolicy("a.test"),
            [TlsRequirement("a.test", "a.test", "a.test", level="secure", names=("a.test", ".a.test"))],
        ),
        (
            DomainPolicy("a.test", tls="verify", match=("MX.b.test", ".c.test")),
            [TlsRequirement("a.test", "a.test", "a.test", level="verify", names=("mx.b.test", ".c.test"))],
        ),
        (
            DomainPolicy("a.test", tls="fingerprint", fingerprints=FINGERPRINTS),
            [TlsRequirement("a.test", "a.test", "a.test", level="fingerprint", fingerprints=FINGERPRINTS)],
        ),
        (
            DomainPolicy("a.test", relay_host="gw.test", relay_port=587),
            [
                TlsRequirement(
                    "a.test", "[gw.test]:587", "gw.test", 587, exchangers=False, level="secure",
                    names=("gw.test", ".gw.test"),
                )
            ],
        ),
        (
            DomainPolicy("a.test", tls="encrypt", relay_host="2001:db8::1", relay_port=465, implicit_tls=True),
            [
                TlsRequirement(
                    "a.test", "[2001:db8::1]:465", "2001:db8::1", 465, exchangers=False, implicit_tls=True,
                    level="encrypt",
                )
            ],
        ),
    ],
)  # fmt: skip
def test_demand(policy, expected, host):
    assert demanded(host, policy) == expected


@pytest.mark.parametrize(
    ("before", "after", "stricter"),
    [
        ("may", "encrypt", True),
        ("encrypt", "encrypt", False),
        ("encrypt", "verify", True),
        ("verify", "secure", True),
        ("secure", "verify", False),
        ("secure", "encrypt", False),
        ("secure", "may", False),
    ],
)
def test_only_what_becomes_stricter(before, after, stricter, host):
    apply(host, DomainPolicy("a.test", tls=before), ca_file="/roots.pem")
    assert bool(demanded(host, DomainPolicy("a.test", tls=after))) is stricter


def test_other_names_and_other_roots_are_stricter(host):
    apply(host, DomainPolicy("a.test"), DomainPolicy("b.test", tls="encrypt"), ca_file="/roots.pem")
    assert [one.names for one in demanded(host, DomainPolicy("a.test", match=("mx.test",)))] == [("mx.test",)]
    both = (DomainPolicy("a.test"), DomainPolicy("b.test", tls="encrypt"))
    assert [one.domain for one in demanded(host, *both, ca_file="/other.pem")] == ["a.test"]


def test_what_holds_for_all_mail_already_is_not_new(host):
    strong = dict(one.split("=", 1) for one in postfix_sending.STRONG.split())
    host.set(MAIN_CF, smtp_tls_security_level="encrypt", smtp_tls_mandatory_protocols=strong["protocols"])
    assert [one.level for one in demanded(host, DomainPolicy("a.test", tls="encrypt"))] == ["encrypt"]
    host.set(MAIN_CF, smtp_tls_mandatory_exclude_ciphers=strong["exclude"].replace(":", ", "))
    assert demanded(host, DomainPolicy("a.test", tls="encrypt")) == []
    assert [one.level for one in demanded(host, DomainPolicy("a.test"))] == ["secure"]


def test_all_mail(host):
    apply(host, DomainPolicy("own.test", tls="may"))
    host.set(MAIN_CF, smtp_tls_policy_maps="hash:/etc/postfix/postmaster_tls_policy, hash:/etc/postfix/theirs")
    host.tables["hash:/etc/postfix/theirs"] = {
        "friend.test": "secure",
        ".friend.test": "verify",
        "strict.test": "encrypt",
    }
    host.set(MAIN_CF, mydestination="here.test")
    of = ("own.test", "friend.test", "x.friend.test", "strict.test", "here.test", "a.test", "a.test")
    everything = DomainPolicy("*", tls="encrypt")
    assert planned(host, everything).demands.of_others
    levels = {"friend.test": "secure", "x.friend.test": "verify", "strict.test": "encrypt", "a.test": "encrypt"}
    # rows of others get the strength of all mail
    assert {one.domain: one.level for one in demanded(host, everything, of=of)} == levels


def test_all_mail_by_one_relay(host):
    everything = DomainPolicy("*", tls="encrypt", relay_host="gw.test")
    (first, second) = demanded(host, everything, of=("a.test",))
    assert (first.domain, first.host, first.exchangers) == ("*", "gw.test", False)
    assert (second.domain, second.next_hop) == ("a.test", "[gw.test]:25")


def test_names_for_all_mail(host):
    (found,) = demanded(host, DomainPolicy("*", tls="secure", match=("mx.test",)), of=("a.test",))
    assert (found.domain, found.names) == ("a.test", ("mx.test",))


def test_domains_below_an_entry(host):
    policy = DomainPolicy("a.test", tls="encrypt", subdomains=True)
    assert planned(host, policy).demands.of_others
    found = demanded(host, policy, of=("x.a.test", "b.test"))
    assert [one.domain for one in found] == ["a.test", "x.a.test"]
    relayed = DomainPolicy("a.test", tls="encrypt", subdomains=True, relay_host="gw.test")
    assert [one.next_hop for one in demanded(host, relayed, of=("x.a.test",))] == ["[gw.test]:25"] * 2


def test_ways_of_others(host):
    host.set(MAIN_CF, transport_maps="hash:/etc/postfix/transport", relayhost="gw.test:submission")
    host.tables["hash:/etc/postfix/transport"] = {"a.test": "smtp:[mx.a.test]:2525", "b.test": "local:"}
    found = demanded(host, DomainPolicy("*", tls="encrypt"), of=("a.test", "b.test", "c.test"))
    places = [(one.domain, one.host, one.port, one.exchangers) for one in found]
    assert places == [
        ("*", "gw.test", 587, True),
        ("a.test", "mx.a.test", 2525, False),
        ("c.test", "gw.test", 587, True),
    ]


def test_mail_of_some_senders(host):
    host.set(MAIN_CF, sender_dependent_relayhost_maps="hash:/etc/postfix/by_sender")
    host.tables["hash:/etc/postfix/by_sender"] = {"x@here.test": "[other.test]"}
    found = demanded(host, DomainPolicy("a.test", tls="encrypt"))
    assert [(one.next_hop, one.port) for one in found] == [("a.test", 25), ("[other.test]", 25)]


def test_service_that_starts_tls_at_once(host):
    own = "theirs unix - - y - - smtp\n  -o smtp_tls_wrappermode=yes -o smtp_tls_security_level=encrypt\n"
    host.files[MASTER_CF] += own.encode()
    host.set(MAIN_CF, transport_maps="hash:/etc/postfix/transport")
    host.tables["hash:/etc/postfix/transport"] = {"a.test": "theirs:[mx.a.test]:465"}
    (found,) = demanded(host, DomainPolicy("*", tls="encrypt"), of=("a.test",))
    assert found.implicit_tls


@pytest.mark.parametrize(
    ("parameters", "policy", "expected"),
    [
        ({}, PARTNER, ""),
        ({}, replace(PARTNER, servername="sni.test"), "sni.test"),
        ({}, replace(PARTNER, servername="nexthop"), "partner.test"),
        ({"smtp_tls_servername": "hostname"}, PARTNER, "hostname"),
        ({"smtp_tls_servername": "${mine?{$mine}:{nexthop}}"}, PARTNER, "partner.test"),
        ({}, replace(PARTNER, domain="*", servername="hostname", relay_host="partner.test"), "hostname"),
    ],
)
def test_the_name_that_the_server_is_told(parameters, policy, expected, host):
    host.set(MAIN_CF, **parameters)
    assert [one.server_name for one in demanded(host, policy)] == [expected]


def test_the_name_that_one_service_tells(host):
    host.files[MASTER_CF] += b"slow unix - - y - - smtp -o smtp_tls_servername=hostname\n"
    host.set(MAIN_CF, transport_maps="hash:/t")
    host.tables["hash:/t"] = {"partner.test": "slow:"}
    assert [one.server_name for one in demanded(host, PARTNER)] == ["hostname"]


@pytest.mark.parametrize("setting", [{"smtp_dns_support_level": "disabled"}, {"disable_dns_lookups": "yes"}])
def test_hosts_that_look_up_no_exchangers(setting, host):
    host.set(MAIN_CF, **setting)
    (found,) = demanded(host, DomainPolicy("a.test", tls="encrypt"))
    assert not found.exchangers


def test_where_certificates_and_names_come_from(host):
    demands = planned(host, DomainPolicy("a.test"), ca_file="/roots.pem").demands
    assert (demands.ca_file, demands.resolv_conf) == ("/roots.pem", "/etc/resolv.conf")
    host.files["/var/spool/postfix/etc/resolv.conf"] = b"nameserver 192.0.2.1\n"
    demands = planned(host, DomainPolicy("a.test"), ca_file="/roots.pem").demands
    assert demands.resolv_conf == "/var/spool/postfix/etc/resolv.conf"


def test_ten_thousand_domains_ask_each_table_once(host):
    host.set(MAIN_CF, smtp_tls_policy_maps="hash:/etc/postfix/theirs")
    host.tables["hash:/etc/postfix/theirs"] = {}
    policies = [DomainPolicy(f"d{one}.test", tls="encrypt") for one in range(10_000)]
    assert len(demanded(host, *policies)) == 10_000
    assert len([one for one in host.asked if one.endswith("theirs")]) == 1


# ---- the queue


def message(*reasons, address="x@A.test"):
    recipients = [{"address": address, **({"delay_reason": one} if one else {})} for one in reasons]
    return json.dumps({"queue_id": "4gLdZT1PJZz3w", "queue_name": "deferred", "recipients": recipients})


@pytest.mark.parametrize(
    ("reason", "wants_tls"),
    [
        ("TLS is required, but was not offered by host mx.a.test[192.0.2.1]", True),
        ("(delivery temporarily suspended: TLS is required, but host mx refused to start TLS: 454 4.7.0)", True),
        ("Server certificate not verified", True),
        ("Server certificate not trusted", True),
        ("Cannot start TLS: handshake failure", True),
        ("TLSA lookup error for mx.a.test:25", True),
        ("non DNSSEC destination", True),
        ("connect to mx.a.test[192.0.2.1]:25: Connection refused", False),
        ("SASL authentication failed; server mx.a.test[192.0.2.1] said: 535", False),
        ("", False),
    ],
)
def test_reasons(reason, wants_tls, host):
    host.queue = [message(reason)]
    assert Postfix(host, Store(host, STORE)).queue() == [QueuedMail("4gLdZT1PJZz3w", "a.test", reason, wants_tls)]


def test_recipients(host):
    host.queue = [
        message("", address="root"),
        message("", address="x@b\u00fccher.test"),
        message("", "", address='"@"@b'),
    ]
    found = Postfix(host, Store(host, STORE)).queue()
    assert [one.domain for one in found] == ["xn--bcher-kva.test", "b", "b"]


def test_queue_that_cannot_be_read(host, monkeypatch):
    monkeypatch.setattr(RecordedHost, "query", lambda *_how, **_more: Completed(69, "", "postqueue: fatal: no"))
    with pytest.raises(Problem, match="the queue cannot be listed"):
        Postfix(host, Store(host, STORE)).queue()
