# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import services
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.submission import let_in
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
)

SMTP = Vserver("smtp", certificate="mx", port=25)
SUBMISSION = Vserver("submission", certificate="mx", require_secure_channel=True, port=587, implicit_tls_port=0)
LEFT_OUT = frozenset({"strength"})


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request, monkeypatch):
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))
    return RecordedHost(request.param)


def plan(host, *vservers):
    return Postfix(host, Store(host, STORE)).plan(vservers)


def apply(host, *vservers):
    done = plan(host, *vservers)
    host.take(done.changes)
    again = plan(host, *vservers)
    assert needed(again.changes, host) == []
    assert not again.warnings
    return done


def overrides(host):
    (found,) = [one for one in services(host.read_text(MASTER_CF)) if one.name == "submission"]
    return {name: one.value for name, one in found.overrides.items()}


# ---- a service of ours


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        ("smtpd_client_restrictions", "reject_unknown_client_hostname", ""),
        ("smtpd_helo_restrictions", "reject_invalid_helo_hostname, reject", ""),
        ("smtpd_sender_restrictions", "reject_unknown_sender_domain", ""),
        ("smtpd_recipient_restrictions", "permit_auth_destination, reject", ""),
        ("smtpd_data_restrictions", "reject", ""),
        ("smtpd_end_of_data_restrictions", "check_policy_service inet:127.0.0.1:10031", ""),
        ("smtpd_tls_req_ccert", "yes", "no"),
        ("smtpd_upstream_proxy_protocol", "haproxy", ""),
        ("smtpd_sasl_exceptions_networks", "0.0.0.0/0", ""),
        ("smtpd_discard_ehlo_keywords", "AUTH, chunking", "chunking"),
        ("smtpd_sasl_security_options", "noplaintext, noanonymous", "noanonymous"),
    ],
)
def test_what_main_cf_says_for_port_25_does_not_apply_to_it(name, value, own, host):
    host.set(MAIN_CF, **{name: value})
    apply(host, SUBMISSION)
    assert overrides(host)[name] == own


@pytest.mark.parametrize(
    "name", ["smtpd_tls_req_ccert", "smtpd_upstream_proxy_protocol", "smtpd_discard_ehlo_keywords"]
)
def test_nothing_is_said_of_what_is_not_in_the_way(name, host):
    host.set(MAIN_CF, smtpd_discard_ehlo_keywords="chunking")
    apply(host, SUBMISSION)
    assert name not in overrides(host)


def test_restrictions_that_the_administrator_gives_it_stay(host):
    apply(host, SUBMISSION)
    text = host.read_text(MASTER_CF)
    host.files[MASTER_CF] = text.replace(
        "-o smtpd_client_restrictions=\n", "-o smtpd_client_restrictions=reject_rbl_client,x\n"
    ).encode()
    apply(host, replace(SUBMISSION, strength="modern"))
    assert overrides(host)["smtpd_client_restrictions"] == "reject_rbl_client,x"


# ---- a service of the administrator's


def foreign(host, *settings):
    lines = "".join(f"  -o {{ {one} }}\n" for one in settings)
    host.files[MASTER_CF] += f"submission inet n - y - - smtpd\n{lines}".encode()


def test_its_own_restrictions_stay(host):
    foreign(host, "smtpd_client_restrictions = $mua_client_restrictions", "smtpd_tls_req_ccert = yes")
    apply(host, SUBMISSION)
    assert overrides(host)["smtpd_client_restrictions"] == "$mua_client_restrictions"
    assert overrides(host)["smtpd_tls_req_ccert"] == "yes"


def test_whom_it_let_in_is_named(host):
    foreign(host, "smtpd_relay_restrictions = permit_mynetworks,permit_sasl_authenticated,reject")
    done = apply(host, SUBMISSION)
    assert done.lost == {SUBMISSION.key: ["hosts of mynetworks, without a login"]}
    assert done.warnings == [
        "virtual server submission/default takes mail only from those who log in; shut out are hosts of mynetworks"
    ]
    assert plan(host, SUBMISSION).lost == done.lost


@pytest.mark.parametrize("inside", ["", "smtpd_sasl_tls_security_options = noplaintext"])
def test_mechanisms_that_it_forbids_stay_forbidden(inside, host):
    foreign(host, "smtpd_sasl_security_options = noplaintext, noanonymous", *filter(None, [inside]))
    assert not [one for one in apply(host, SUBMISSION).warnings if "mechanisms" in one]
    assert overrides(host)["smtpd_sasl_security_options"] == "noplaintext, noanonymous"
    assert "noplaintext" in overrides(host)["smtpd_sasl_tls_security_options"]
    # unless the declaration names mechanisms
    done = apply(host, replace(SUBMISSION, auth_tls=("PLAIN",)))
    assert overrides(host)["smtpd_sasl_tls_security_options"] == "noanonymous"
    assert [one for one in done.given_up[SUBMISSION.key] if "inside TLS" in one]


RELAY = "smtpd_relay_restrictions"
CLIENT = "smtpd_client_restrictions"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({RELAY: "permit_sasl_authenticated, reject"}, []),
        ({RELAY: "permit_mynetworks, permit_sasl_authenticated, reject"}, ["hosts of mynetworks"]),
        (
            {RELAY: "permit_mynetworks defer_unauth_destination"},
            ["hosts of mynetworks", "hosts that send to this host's own domains"],
        ),
        ({RELAY: "reject, permit_mynetworks"}, []),
        (
            {RELAY: "permit_tls_clientcerts, check_client_access hash:/a, reject"},
            ["hosts with a certificate that relay_clientcerts knows", "those whom check_client_access hash:/a lets in"],
        ),
        ({RELAY: "check_sasl_access hash:/a, permit_sasl_authenticated, reject"}, []),
        # older than smtpd_relay_restrictions
        ({"smtpd_recipient_restrictions": "permit_mynetworks, reject"}, ["hosts of mynetworks"]),
        # another list lets in only those who log in
        ({RELAY: "permit_mynetworks, defer_unauth_destination", CLIENT: "permit_sasl_authenticated,reject"}, []),
        (
            {RELAY: "permit_mynetworks, defer_unauth_destination", CLIENT: "permit_mynetworks,reject"},
            ["hosts of mynetworks"],
        ),
    ],
)
def test_who_may_hand_in_mail_without_a_login(parameters, expected):
    assert let_in(parameters) == expected


# ---- what stands is not weakened by what is left out


@pytest.mark.parametrize("value", [">=TLSv1.3", "TLSv1.3", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1, !TLSv1.2"])
def test_versions_that_are_switched_off_stay_off_where_strength_is_left_out(value, host):
    name = "smtpd_tls_mandatory_protocols"
    host.set(MAIN_CF, **{name: value})
    foreign(host, f"{name} = {value}", "smtpd_tls_security_level = encrypt")
    done = apply(host, replace(SMTP, left_out=LEFT_OUT), replace(SUBMISSION, left_out=LEFT_OUT))
    assert (host.parameters[name], overrides(host)[name]) == (value, value)
    assert not any(done.given_up.values())
    done = apply(host, SMTP, SUBMISSION)  # which say intermediate
    assert (host.parameters[name], overrides(host)[name]) == (">=TLSv1.2", ">=TLSv1.2")
    assert done.given_up == {
        SMTP.key: [],
        SUBMISSION.key: [f"more versions of TLS are accepted (>=TLSv1.2) than before ({value})"],
    }


@pytest.mark.parametrize(
    ("parameters", "settings", "required", "strength"),
    [
        ({}, [], (False, False), ("intermediate", "intermediate")),
        ({"smtpd_tls_security_level": "encrypt"}, ["x = y"], (True, True), ("intermediate", "intermediate")),
        ({"smtpd_enforce_tls": "yes", "smtpd_tls_security_level": ""}, [], (True, True), ("intermediate",) * 2),
        ({"smtpd_tls_protocols": ">=TLSv1.3"}, [], (False, False), ("modern", "modern")),
        ({"smtpd_tls_mandatory_protocols": ">=TLSv1.3"}, [], (False, False), ("intermediate", "intermediate")),
        (
            {"house": ">=TLSv1.3"},
            ["smtpd_tls_security_level=encrypt", "smtpd_tls_mandatory_protocols=$house"],
            (False, True),
            ("intermediate", "modern"),
        ),
    ],
)
def test_options_that_are_left_out_do_not_weaken_what_stands(parameters, settings, required, strength, host):
    host.set(MAIN_CF, **parameters)
    foreign(host, *settings)
    left_out = frozenset({"strength", "require_secure_channel"})
    declared = [replace(SMTP, left_out=left_out), replace(SUBMISSION, require_secure_channel=False, left_out=left_out)]

    def settled():
        postfix = Postfix(host, Store(host, STORE))
        found = postfix.read()
        return [postfix.never_below(one, found.get(one.key)) for one in declared]

    before = settled()
    assert tuple(one.require_secure_channel for one in before) == required
    assert tuple(one.strength for one in before) == strength
    apply(host, *before)
    assert settled() == before
    found = Postfix(host, Store(host, STORE)).read()
    assert tuple(found[one.key].strength for one in before) == strength


def test_cipher_suites_that_are_barred_stay_barred_where_strength_is_left_out(host):
    kept = "ECDHE-ECDSA-AES256-GCM-SHA384"
    host.set(MAIN_CF, smtpd_tls_ciphers="high", tls_high_cipherlist=kept)
    host.answers[f"openssl ciphers -s -tls1_2 {kept} < "] = kept + "\n"
    apply(host, replace(SMTP, left_out=LEFT_OUT))
    assert host.parameters["tls_high_cipherlist"] == kept
    assert Postfix(host, Store(host, STORE)).read()[SMTP.key].strength == "intermediate"
    done = apply(host, SMTP)
    assert kept in host.parameters["tls_high_cipherlist"].split(":")[1:]
    assert [one for one in done.warnings if "more cipher suites" in one]


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ({"tls_eecdh_auto_curves": "secp384r1, X448"}, "secp384r1"),
        ({"tls_eecdh_auto_curves": "$own", "own": "P-384 X25519"}, "X25519,secp384r1"),
        ({"tls_eecdh_auto_curves": "secp384r1:X448"}, "secp384r1"),
        ({"tls_eecdh_auto_curves": "X25519 X448 prime256v1 secp521r1 secp384r1"}, "X25519,prime256v1,secp384r1"),
    ],
)
def test_groups_that_are_barred_stay_barred_where_strength_is_left_out(host, own, left):
    host.set(MAIN_CF, **own)
    done = apply(host, replace(SMTP, left_out=LEFT_OUT))
    assert host.parameters["tls_eecdh_auto_curves"].replace("X25519MLKEM768,", "") == left
    assert not [one for one in done.warnings if "more groups" in one]
    assert Postfix(host, Store(host, STORE)).read()[SMTP.key].strength == "intermediate"
    done = apply(host, SMTP)
    assert "X25519,prime256v1,secp384r1" in host.parameters["tls_eecdh_auto_curves"]
    assert bool([one for one in done.warnings if "more groups" in one]) is (left.count(",") < 2)


@pytest.mark.parametrize(
    "own", [{"tls_eecdh_auto_curves": "X448"}, {"tls_eecdh_auto_curves": "", "tls_ffdhe_auto_groups": "ffdhe3072"}]
)
def test_groups_that_no_strength_has_give_way_and_that_is_said(host, own):
    host.set(MAIN_CF, **own)
    (warning,) = (one for one in apply(host, replace(SMTP, left_out=LEFT_OUT)).warnings if "more groups" in one)
    assert "X25519, prime256v1, secp384r1) than tls_eecdh_auto_curves listed" in warning


def test_logins_in_clear_text_on_port_25_that_end_are_named(host):
    host.set(MAIN_CF, smtpd_sasl_auth_enable="yes")
    assert apply(host, SMTP).lost[SMTP.key] == ["logins of clients without TLS"]


def test_demand_for_certificates_that_counts_no_longer_is_named(host):
    host.set(MAIN_CF, smtpd_tls_security_level="encrypt", smtpd_tls_req_ccert="yes")
    assert [one for one in apply(host, SMTP).warnings if "smtpd_tls_req_ccert counts only" in one]
    assert not plan(host, replace(SMTP, require_secure_channel=True)).given_up[SMTP.key]
