# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Outgoing mail of Postfix beyond one domain and its next hop: all mail, services of our own, senders, DNSSEC."""

from __future__ import annotations

import glob
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    SaslAccount,
    TlsLibrary,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MTA_STS_RESOLVER,
    SASL_ACCOUNTS,
    TLS_POLICY,
    TRANSPORT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import (
    apply,
    planned,
    rows,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
    main_cf_settings,
)

ALL = DomainPolicy("*", tls="encrypt")
PARTNER = DomainPolicy("partner.example")
RELAYED = replace(PARTNER, relay_host="mail.example", relay_port=587, account=SaslAccount("u", "p"))
ON_465 = replace(RELAYED, relay_port=465, implicit_tls=True)
IN_CLEAR = replace(RELAYED, tls="none", auth_cleartext=True)
BY_SENDER = "hash:/etc/postfix/by_sender"
OWN_FILES = (TRANSPORT, TLS_POLICY, SASL_ACCOUNTS, f"{STORE}/originals/postfix.json")


@pytest.fixture(autouse=True)
def _debian_with_sasl(monkeypatch):
    monkeypatch.setattr(_resolver, "authentic", lambda _servers, _name, _kind: True)
    monkeypatch.setattr(glob, "glob", lambda _pattern: ["/usr/lib/x86_64-linux-gnu/sasl2/libplain.so"])
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


def absent(policy):
    return replace(policy, present=False)


# ---- what was there before


@pytest.mark.parametrize(
    "policies",
    [
        [PARTNER],
        [RELAYED],
        [ON_465],
        [IN_CLEAR],
        [replace(PARTNER, tls="dane")],
        [replace(PARTNER, tls="fingerprint", fingerprints=("AB",))],
        [replace(PARTNER, subdomains=True)],
        [ALL, RELAYED],
        [replace(ALL, tls="secure", match=("a.test",))],
        [replace(RELAYED, domain="*")],
        [replace(ON_465, domain="*")],
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        "",
        "relayhost =\nsmtp_tls_security_level =\n dane\nsmtp_tls_policy_maps =\n  # theirs\n  hash:/etc/theirs\n",
        "smtp_dns_support_level = enabled\ndefault_transport = smtp\nsmtp_sasl_auth_enable = no\n",
    ],
)
@pytest.mark.parametrize("by", ["absent", "purge"])
def test_everything_is_put_back_byte_for_byte(policies, settings, by, host):
    host.files[MAIN_CF] += settings.encode()
    host.tables["hash:/etc/theirs"] = {}
    before = dict(host.files)
    apply(host, *policies)
    assert host.files != before
    if by == "absent":
        apply(host, *(absent(one) for one in policies))
    else:
        apply(host, purge=True)
    kept = {path: text for path, text in host.files.items() if not path.endswith(".db")}
    assert kept == before


def test_what_somebody_has_set_since_stays(host):
    apply(host, ALL, replace(PARTNER, tls="dane"))
    host.set(MAIN_CF, smtp_tls_security_level="verify", smtp_dns_support_level="enabled")
    apply(host, purge=True)
    assert host.parameters["smtp_tls_security_level"] == "verify"
    assert host.parameters["smtp_dns_support_level"] == "enabled"


# ---- all outgoing mail


def test_all_mail_with_an_exception(host):
    outcomes = apply(host, ALL, replace(PARTNER, tls="may"))
    assert host.parameters["smtp_tls_security_level"] == "encrypt"
    assert rows(host, TLS_POLICY) == {"partner.example": "may"}
    assert outcomes["*"].reason.startswith(
        "smtp_tls_security_level: may -> encrypt; smtp_tls_mandatory_protocols: >=TLSv1 -> >=TLSv1.2; "
    )
    assert outcomes["*"].next_hop == "*"
    assert planned(host, PARTNER).default_level == "encrypt"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (replace(ALL, tls="secure", match=("a.test", ".b.test")), {"smtp_tls_secure_cert_match": "a.test, .b.test"}),
        (replace(ALL, tls="verify", match=("a.test",)), {"smtp_tls_verify_cert_match": "a.test"}),
        (
            replace(ALL, tls="fingerprint", fingerprints=("AA:BB", "CC:DD")),
            {"smtp_tls_fingerprint_cert_match": "AA:BB, CC:DD"},
        ),
        (replace(ALL, tls="dane"), {"smtp_dns_support_level": "dnssec", "smtp_tls_security_level": "dane"}),
    ],
)
def test_levels_of_all_mail(policy, expected, host):
    apply(host, policy)
    assert {name: host.parameters[name] for name in expected} == expected


def test_all_mail_by_one_host_with_an_account(host):
    outcome = apply(host, replace(RELAYED, domain="*"))["*"]
    assert host.parameters["relayhost"] == outcome.next_hop == "[mail.example]:587"
    assert rows(host, SASL_ACCOUNTS) == {"[mail.example]:587": "u:p"}
    assert rows(host, TLS_POLICY) == {"[mail.example]:587": "secure"}
    assert outcome.reason.startswith("smtp_tls_security_level: may -> secure; relayhost: empty -> [mail.example]:587;")


def test_entries_without_a_relay_follow_that_of_all_mail(host):
    outcomes = apply(host, replace(RELAYED, domain="*"), PARTNER)
    assert outcomes["partner.example"].next_hop == "[mail.example]:587"
    with pytest.raises(Problem, match="as does that of"):
        planned(host, replace(PARTNER, tls="may"))
    apply(host, absent(replace(RELAYED, domain="*")), replace(PARTNER, tls="may"))
    assert rows(host, TLS_POLICY) == {"partner.example": "may"}


def test_all_mail_over_implicit_tls(host):
    outcome = apply(host, replace(ON_465, domain="*"))["*"]
    assert host.parameters["default_transport"] == "postmaster-smtps:[mail.example]:465"
    assert outcome.next_hop == "[mail.example]:465"
    assert apply(host, replace(ON_465, domain="*"), PARTNER)["partner.example"].next_hop == "[mail.example]:465"


@pytest.mark.parametrize(
    ("policy", "parameters", "option"),
    [
        (replace(ALL, account=SaslAccount("u", "p")), {}, "username"),
        (replace(RELAYED, domain="*"), {"default_transport": "smtp:[theirs]:25"}, "relay_host"),
        (replace(RELAYED, domain="*"), {"transport_maps": "inline:{*=smtp:[theirs]}"}, "relay_host"),
        (ALL, {"default_transport": "uucp"}, "domain"),
    ],
)
def test_entry_for_all_mail_that_could_never_apply(policy, parameters, option, host):
    host.tables["inline:{*=smtp:[theirs]}"] = {"*": "smtp:[theirs]"}
    host.set(MAIN_CF, **parameters)
    with pytest.raises(Problem) as caught:
        planned(host, policy)
    assert (caught.value.subject, caught.value.option) == ("domain *", option)


def test_account_for_the_relay_that_is_there_already(host):
    host.set(MAIN_CF, relayhost="[gw]:587")
    apply(host, replace(ALL, account=SaslAccount("u", "p")))
    assert rows(host, SASL_ACCOUNTS) == {"[gw]:587": "u:p"}
    assert rows(host, TLS_POLICY) == {"[gw]:587": "encrypt"}


@pytest.mark.parametrize("service", ["smtp", "relay"])
def test_service_that_hides_what_is_asked_for_all_mail(service, host):
    line = next(one for one in host.read_text(MASTER_CF).split("\n") if one.startswith(f"{service} ") and "unix" in one)
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(
        line.encode(), f"{line}\n  -o smtp_tls_security_level=may".encode()
    )
    with pytest.raises(Problem, match=rf"'-o smtp_tls_security_level=may' for the service {service}"):
        planned(host, ALL)
    planned(host, PARTNER)  # a row of the policy table goes before it


# ---- services of our own


@pytest.mark.parametrize(
    ("policy", "name", "setting"),
    [
        (ON_465, "postmaster-smtps", "smtp_tls_wrappermode=yes"),
        (IN_CLEAR, "postmaster-clear-auth", "smtp_sasl_security_options=noanonymous"),
    ],
)
def test_service_of_our_own(policy, name, setting, host):
    before = host.files[MASTER_CF]
    apply(host, policy, replace(PARTNER, domain="other.example"))
    assert rows(host, TRANSPORT) == {"partner.example": f"{name}:[mail.example]:{policy.relay_port}"}
    added = host.files[MASTER_CF][len(before) :].decode()
    assert name in added
    assert f"  -o {setting}\n" in added
    assert "smtp_sasl_security_options" not in host.read_text(MAIN_CF)
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(f"  -o {setting}\n".encode(), b"")
    apply(host, policy)
    assert f"  -o {setting}\n" in host.read_text(MASTER_CF)
    apply(host, RELAYED)
    assert host.files[MASTER_CF] == before


def test_consent_that_is_not_needed_changes_nothing(host):
    apply(host, replace(IN_CLEAR, tls="encrypt"))
    assert rows(host, TRANSPORT) == {"partner.example": "smtp:[mail.example]:587"}


def test_services_of_the_administrator_that_send_mail(host):
    host.files[MASTER_CF] += b"slow unix - - y - 1 smtp\nodd unix - - y - - pipe\n"
    host.tables[BY_SENDER] = {"partner.example": "slow:", "odd.example": "odd:"}
    host.set(MAIN_CF, transport_maps=BY_SENDER)
    assert apply(host, PARTNER)["partner.example"].next_hop == "partner.example"
    with pytest.raises(Problem, match="which does not use this policy"):
        planned(host, replace(PARTNER, domain="odd.example"))


# ---- passwords


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "u:p"),
        ({"account": SaslAccount("u", "new")}, "u:p"),
        ({"account": SaslAccount("other", "new")}, "other:new"),
        ({"account": SaslAccount("u", "new"), "relay_host": "elsewhere.example"}, "u:new"),
        ({"account": SaslAccount("u", "new"), "keep_password": False}, "u:new"),
    ],
)
def test_password_that_is_kept(changes, expected, host):
    apply(host, RELAYED)
    apply(host, replace(replace(RELAYED, keep_password=True), **changes))
    assert list(rows(host, SASL_ACCOUNTS).values()) == [expected]


def test_password_of_a_new_account_is_set(host):
    apply(host, replace(RELAYED, keep_password=True))
    assert rows(host, SASL_ACCOUNTS) == {"[mail.example]:587": "u:p"}


# ---- subdomains


def test_subdomains_of_a_domain_that_goes_by_itself(host):
    outcome = apply(host, replace(PARTNER, subdomains=True))["partner.example"]
    assert rows(host, TLS_POLICY) == {"partner.example": "secure", ".partner.example": "secure"}
    assert (outcome.next_hop, outcome.other_next_hops) == ("partner.example", (".partner.example",))
    apply(host, PARTNER)
    assert rows(host, TLS_POLICY) == {"partner.example": "secure"}


def test_subdomains_by_a_relay(host):
    apply(host, replace(RELAYED, subdomains=True))
    assert rows(host, TRANSPORT) == {
        "partner.example": "smtp:[mail.example]:587",
        ".partner.example": "smtp:[mail.example]:587",
    }
    assert rows(host, TLS_POLICY) == {"[mail.example]:587": "secure"}


def test_subdomains_that_are_routed_elsewhere(host):
    host.tables[BY_SENDER] = {".partner.example": "smtp:[sub]:26"}
    host.set(MAIN_CF, transport_maps=BY_SENDER)
    apply(host, replace(PARTNER, subdomains=True))
    assert rows(host, TLS_POLICY) == {"partner.example": "secure", "[sub]:26": "secure"}


def test_account_of_subdomains_needs_a_relay(host):
    with pytest.raises(Problem, match="belongs to one host"):
        planned(host, replace(PARTNER, subdomains=True, account=SaslAccount("u", "p")))


@pytest.mark.parametrize(("style", "expected"), [("mynetworks", "x.par.test"), ("transport_maps", "[p]")])
def test_parents_in_transport_tables(style, expected, host):
    host.tables[BY_SENDER] = {"par.test": "smtp:[p]"}
    host.set(MAIN_CF, transport_maps=BY_SENDER, parent_domain_matches_subdomains=style)
    assert apply(host, DomainPolicy("x.par.test"))["x.par.test"].next_hop == expected


# ---- senders that are treated specially


@pytest.mark.parametrize(
    ("parameter", "answers", "others"),
    [
        (
            "sender_dependent_relayhost_maps",
            {"a@h": "[one]:587", "@i": "[Two]", "b@h": "DUNNO"},
            ("[one]:587", "[two]"),
        ),
        ("sender_dependent_default_transport_maps", {"a@h": "smtp:[one]:26", "b@h": "relay:"}, ("[one]:26",)),
    ],
)
def test_ways_of_senders_are_covered_where_they_can_be_listed(parameter, answers, others, host):
    host.tables[BY_SENDER] = answers
    host.set(MAIN_CF, **{parameter: BY_SENDER})
    plan = planned(host, PARTNER)
    assert (plan.outcomes[0].next_hop, plan.outcomes[0].other_next_hops) == ("partner.example", others)
    assert plan.warnings == [
        f"the policy for partner.example holds for all mail that leaves by {one}" for one in others
    ]
    host.take(plan.changes)
    assert rows(host, TLS_POLICY) == dict.fromkeys(("partner.example", *others), "secure")


def test_both_ways_of_senders_together(host):
    host.tables = {BY_SENDER: {"a@h": "[one]:587"}, "hash:/t": {"b@h": "smtp:", "c@h": "smtp:[three]"}}
    host.set(MAIN_CF, sender_dependent_relayhost_maps=BY_SENDER, sender_dependent_default_transport_maps="hash:/t")
    assert planned(host, PARTNER).outcomes[0].other_next_hops == ("[one]:587", "[three]")
    # a next hop of default_transport goes before relays by sender, but not before transports by sender
    host.set(MAIN_CF, default_transport="smtp:[def]")
    outcome = planned(host, PARTNER).outcomes[0]
    assert (outcome.next_hop, outcome.other_next_hops) == ("[def]", ("[one]:587", "[three]", "partner.example"))


def test_transport_tables_go_before_senders(host):
    host.tables = {BY_SENDER: {"a@h": "[one]:587"}, "hash:/t": {"partner.example": "smtp:[fixed]"}}
    host.set(MAIN_CF, sender_dependent_relayhost_maps=BY_SENDER, transport_maps="hash:/t")
    assert planned(host, PARTNER).outcomes[0].other_next_hops == ()


def test_account_is_not_shown_to_relays_of_senders(host):
    host.tables[BY_SENDER] = {"a@h": "[one]:587"}
    host.set(MAIN_CF, sender_dependent_relayhost_maps=BY_SENDER)
    plan = planned(host, replace(PARTNER, account=SaslAccount("u", "p")))
    host.take(plan.changes)
    assert rows(host, SASL_ACCOUNTS) == {"partner.example": "u:p"}
    assert [one for one in plan.warnings if "does not use the account for partner.example" in one]


def test_transport_of_senders_that_no_policy_reaches(host):
    host.tables[BY_SENDER] = {"a@h": "lmtp:[one]"}
    host.set(MAIN_CF, sender_dependent_default_transport_maps=BY_SENDER)
    (warning,) = planned(host, PARTNER).warnings
    assert "the transport lmtp routes differently does not follow the policies for partner.example" in warning


# ---- DANE


@pytest.mark.parametrize("policy", [replace(PARTNER, tls="dane"), replace(PARTNER, tls="dane-only"), ALL])
def test_dane_without_a_resolver_that_validates(policy, host, monkeypatch):
    asked = []
    monkeypatch.setattr(_resolver, "authentic", lambda *question: asked.append(question))
    host.files["/etc/resolv.conf"] = b"nameserver 192.0.2.53\n"
    if policy is ALL:
        planned(host, policy)
        assert asked == []
        return
    with pytest.raises(Problem, match=r"192\.0\.2\.53\) does not validate DNSSEC") as caught:
        planned(host, policy)
    assert caught.value.option == "tls"
    assert asked == [(("192.0.2.53",), ".", "ns")]


def test_resolver_of_a_chrooted_client(host):
    host.files["/etc/resolv.conf"] = b"nameserver 192.0.2.53\n"
    (warning,) = planned(host, replace(PARTNER, tls="dane")).warnings
    assert "DANE relies on the answers of 192.0.2.53" in warning
    host.files["/var/spool/postfix/etc/resolv.conf"] = b"nameserver 127.0.0.1\n"
    assert planned(host, replace(PARTNER, tls="dane")).warnings == []


def test_dane_without_dns(host):
    host.set(MAIN_CF, smtp_host_lookup="native")
    with pytest.raises(Problem, match="looks up no TLSA records"):
        planned(host, replace(PARTNER, tls="dane"))


# ---- fingerprints


def test_digest_of_somebody_else(host):
    host.set(MAIN_CF, smtp_tls_fingerprint_digest="sha1")
    policy = replace(PARTNER, tls="fingerprint", fingerprints=("AB",))
    with pytest.raises(Problem, match="smtp_tls_fingerprint_digest is sha1"):
        planned(host, policy)
    planned(host, PARTNER)


# ---- MTA-STS


def asked(host):
    """The tables of TLS policies, in their order."""
    return main_cf_settings(host.read_text(MAIN_CF)).get("smtp_tls_policy_maps", "").replace(",", "").split()


def with_resolver(host):
    host.tables[MTA_STS_RESOLVER] = {}
    return host


def test_policies_of_others_are_asked_for_last(host):
    apply(with_resolver(host), PARTNER, mta_sts=True)
    assert asked(host) == [f"hash:{TLS_POLICY}", MTA_STS_RESOLVER]
    assert "smtp_tls_CAfile" in main_cf_settings(host.read_text(MAIN_CF))
    assert not needed(planned(host, PARTNER, mta_sts=True).changes, host)


@pytest.mark.parametrize("theirs", ["", "hash:/etc/postfix/theirs"])
@pytest.mark.parametrize(
    ("first", "left"),
    [({"purge": True}, "{theirs} {resolver}"), ({"mta_sts": False}, "hash:{policies} {theirs}")],
)
def test_both_can_go_first(first, left, theirs, host):
    with_resolver(host)
    if theirs:
        host.files[MAIN_CF] += f"smtp_tls_policy_maps = {theirs}\n".encode()
    before = dict(host.files)
    apply(host, PARTNER, mta_sts=True)
    apply(host, **first)
    assert asked(host) == left.format(theirs=theirs, resolver=MTA_STS_RESOLVER, policies=TLS_POLICY).split()
    apply(host, purge=True, mta_sts=False)
    assert {path: text for path, text in host.files.items() if not path.endswith(".db")} == before


def test_left_out_it_stays(host):
    apply(with_resolver(host), mta_sts=True)
    del host.tables[MTA_STS_RESOLVER]  # and nobody has to be there
    assert planned(host, PARTNER).mta_sts
    apply(host, PARTNER)
    assert asked(host) == [f"hash:{TLS_POLICY}", MTA_STS_RESOLVER]


def test_resolver_that_somebody_else_has_named_stays(host):
    host.files[MAIN_CF] += f"smtp_tls_policy_maps = {MTA_STS_RESOLVER}\n".encode()
    before = host.files[MAIN_CF]
    for mta_sts in (True, False, None):
        plan = planned(with_resolver(host), mta_sts=mta_sts)
        host.take(plan.changes)
        assert host.files[MAIN_CF] == before
        assert plan.mta_sts


def test_resolver_that_does_not_answer(host):
    with pytest.raises(Problem, match="no MTA-STS policy resolver answers") as caught:
        planned(host, mta_sts=True)
    assert caught.value.option == "mta_sts"


@pytest.mark.parametrize("level", ["dane", "dane-only"])
def test_policies_of_others_never_take_the_place_of_dane(level, host):
    with pytest.raises(Problem, match="instead of its TLSA records"):
        planned(with_resolver(host), replace(ALL, tls=level), mta_sts=True)
    apply(host, mta_sts=True)
    with pytest.raises(Problem, match="instead of its TLSA records"):
        planned(host, replace(ALL, tls=level))
    assert planned(host, replace(PARTNER, tls=level)).mta_sts  # which goes before them
