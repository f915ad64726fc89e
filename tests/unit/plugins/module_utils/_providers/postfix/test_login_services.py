# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts of ours beside settings of others that smtp(8) would follow first."""

from __future__ import annotations

import glob
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy, SaslAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    SASL_ACCOUNTS,
    TRANSPORT,
)
from ansible_collections.postmaster.secure_channel.tests.support.postfix_sending import apply, planned, rows
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    RecordedHost,
)

RELAYED = DomainPolicy(
    "partner.test", relay_host="mx.partner.test", relay_port=587, account=SaslAccount("relay", "secret")
)
HOP = "[mx.partner.test]:587"
ACCOUNTS = {"smtp_sasl_password_maps": "hash:/etc/postfix/sasl_passwd", "smtp_sasl_auth_enable": "yes"}
BY_SENDER = {**ACCOUNTS, "smtp_sender_dependent_authentication": "yes"}


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request, monkeypatch):
    monkeypatch.setattr(glob, "glob", lambda _pattern: ["/usr/lib/x86_64-linux-gnu/sasl2/libplain.so"])
    return RecordedHost(request.param)


def service(host, name="postmaster-auth"):
    """What a service of ours sets for itself; None where it is not there."""
    found = {one.name: one for one in master_cf.services(host.read_text(MASTER_CF))}
    return {key: one.value for key, one in found[name].overrides.items()} if name in found else None


@pytest.mark.parametrize(
    ("parameters", "accounts"),
    [
        (BY_SENDER, {"alice@here.test": "shop:1"}),
        (BY_SENDER, {"alice": "shop:1"}),
        (BY_SENDER, None),
        (ACCOUNTS, {"mx.partner.test": "other:1"}),
        ({"smtp_sasl_mechanism_filter": "cram-md5, digest-md5"}, {}),
        ({"smtp_sasl_mechanism_filter": "!plain, !login, static:all"}, {}),
        ({"only": "gssapi", "smtp_sasl_mechanism_filter": "$only"}, {}),
        ({"smtp_sasl_type": "dovecot"}, {}),
        ({"smtp_sasl_tls_security_options": "noanonymous, noactive"}, {}),
        ({"smtp_sasl_tls_verified_security_options": "noplaintext"}, {}),
        ({"smtp_discard_ehlo_keywords": "silent-discard, AUTH"}, {}),
    ],
)
def test_a_service_of_its_own_goes_round_what_would_go_before(parameters, accounts, host):
    host.set(MAIN_CF, **parameters)
    if accounts is not None:
        host.tables = {"hash:/etc/postfix/sasl_passwd": accounts}
    apply(host, RELAYED)
    assert rows(host, TRANSPORT) == {"partner.test": f"postmaster-auth:{HOP}"}
    own = service(host)
    assert own["smtp_sasl_password_maps"] == f"hash:{SASL_ACCOUNTS}"
    assert (own["smtp_sender_dependent_authentication"], own["smtp_sasl_mechanism_filter"]) == ("no", "")
    assert needed(planned(host, RELAYED).changes, host) == []
    apply(host, replace(RELAYED, present=False, account=None))
    assert service(host) is None


@pytest.mark.parametrize(
    ("parameters", "accounts"),
    [
        (ACCOUNTS, {"alice@here.test": "shop:1", "[mx.partner.test]": "other:1", HOP: "other:2"}),
        (BY_SENDER, {"[other.test]:587": "other:1", "other.test": "x:1"}),
        ({"smtp_sasl_mechanism_filter": "!gssapi, !external, static:all"}, {}),
        ({"smtp_sasl_mechanism_filter": "login"}, {}),
    ],
)
def test_the_usual_service_is_good_where_nothing_goes_before(parameters, accounts, host):
    host.set(MAIN_CF, **parameters)
    host.tables = {"hash:/etc/postfix/sasl_passwd": accounts, "static:all": {"plain": "all", "login": "all"}}
    apply(host, RELAYED)
    assert rows(host, TRANSPORT) == {"partner.test": f"smtp:{HOP}"}
    assert service(host) is None


def test_what_the_usual_service_says_of_its_connections_holds_for_ours(host):
    host.files[MASTER_CF] = host.files[MASTER_CF].replace(
        b"\nrelay ", b"\n  -o smtp_bind_address=192.0.2.1 -o smtp_sasl_auth_enable=no -o syslog_name=x\nrelay ", 1
    )
    host.set(MAIN_CF, smtp_sasl_auth_enable="yes")
    apply(host, RELAYED)
    own = service(host)
    assert own["smtp_bind_address"] == "192.0.2.1"
    assert own["smtp_sasl_auth_enable"] == "yes"
    assert own["syslog_name"] == "postfix/postmaster-auth"


def test_tls_at_once(host):
    host.set(MAIN_CF, smtp_sasl_mechanism_filter="gssapi")
    apply(host, replace(RELAYED, relay_port=465, implicit_tls=True))
    own = service(host, "postmaster-smtps-auth")
    assert (own["smtp_tls_wrappermode"], own["smtp_sasl_mechanism_filter"]) == ("yes", "")


def test_all_mail_by_one_relay(host):
    host.set(MAIN_CF, smtp_sasl_mechanism_filter="gssapi")
    apply(host, replace(RELAYED, domain="*"))
    assert host.parameters["default_transport"] == f"postmaster-auth:{HOP}"
    apply(host, DomainPolicy("*", present=False))
    assert host.parameters["default_transport"] == "smtp"


def test_senders_with_a_relay_of_their_own_are_not_in_the_way(host):
    host.set(MAIN_CF, **BY_SENDER, sender_dependent_relayhost_maps="hash:/s")
    host.tables = {"hash:/s": {"alice@a.test": "[shop.test]"}, "hash:/etc/postfix/sasl_passwd": {"alice@a.test": "x:1"}}
    apply(host, replace(RELAYED, domain="*"))
    assert host.parameters["relayhost"] == HOP


def test_a_way_that_must_not_change_and_an_account_that_goes_before(host):
    host.set(MAIN_CF, **BY_SENDER, sender_dependent_relayhost_maps="hash:/s")
    host.files["/etc/postfix/sasl_passwd"] = b"# senders\nbob@a.test x:1\n"
    host.tables = {"hash:/s": {"alice@a.test": "[shop.test]"}, "hash:/etc/postfix/sasl_passwd": {"bob@a.test": "x:1"}}
    with pytest.raises(Problem, match=r"/etc/postfix/sasl_passwd line 2 has an account for the sender bob@a\.test"):
        planned(host, replace(RELAYED, domain="*"))
    host.tables["hash:/etc/postfix/sasl_passwd"] = {}  # the remedy
    planned(host, replace(RELAYED, domain="*"))
