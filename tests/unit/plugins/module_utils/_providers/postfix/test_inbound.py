# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix demands of partners whose mail comes in."""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    InboundRequirement,
    TlsLibrary,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import INBOUND
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.sender_logins import Logins
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings
from ansible_collections.postmaster.secure_channel.tests.support import postfix_sending
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    MASTER_CF,
    STORE,
    RecordedHost,
)

ONE, OTHER = (":".join([pair] * 32) for pair in ("AB", "CD"))
LISTS = ("smtpd_sender_restrictions", "smtpd_data_restrictions", "smtpd_restriction_classes")
SENDERS = f"check_sender_access regexp:{INBOUND}senders"
THEIRS = """\
smtpd_sender_restrictions = reject_non_fqdn_sender,
# theirs
   reject_unlisted_sender
smtpd_data_restrictions=
"""
FILTER = b"127.0.0.1:10025 inet n - y - - smtpd\n"


@pytest.fixture(autouse=True)
def _library(monkeypatch):
    monkeypatch.setattr(postfix_module, "openssl_library", lambda: TlsLibrary("OpenSSL", (3, 0)))


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


def partner(domain="a.test", *, subdomains=False, tls="may", **demand):
    return DomainPolicy(domain, tls=tls, subdomains=subdomains, inbound=InboundRequirement(**demand))


def apply(host, *policies, purge=False):
    """Carry a plan out; gives the reason for each domain."""
    outcomes = postfix_sending.apply(host, *policies, purge=purge)
    return {domain: one.reason for domain, one in outcomes.items()}


def rows(host, table):
    text = host.files.get(f"{INBOUND}{table}", b"").decode()
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def refused(host, *policies):
    before = dict(host.files)
    with pytest.raises(Problem) as caught:
        apply(host, *policies)
    assert host.files == before
    return caught.value


def test_clear_text_is_refused_before_all_else(host):
    host.set(MAIN_CF, smtpd_sender_restrictions="reject_unlisted_sender, check_sender_access hash:/etc/postfix/theirs")
    assert apply(host, partner()) == {"a.test": "TLS policy: none -> a.test may; inbound: set"}
    assert host.parameters["smtpd_sender_restrictions"] == (
        f"{SENDERS}, reject_unlisted_sender, check_sender_access, hash:/etc/postfix/theirs".replace(
            " regexp", ", regexp"
        )
    )
    assert rows(host, "senders") == [r"/@a\.test\.?$/ postmaster_inbound_tls"]
    assert (host.states[f"{INBOUND}senders"].owner, host.states[f"{INBOUND}senders"].mode) == ("root", 0o600)
    assert "smtpd_tls_ask_ccert" not in host.read_text(MAIN_CF)


@pytest.mark.parametrize(
    ("domain", "subdomains", "sender", "meant"),
    [
        ("a.test", False, "x@a.test", True),
        ("a.test", False, "X@A.Test", True),
        ("a.test", False, "x@a.test.", True),
        ("a.test", False, "x@b.a.test", False),
        ("a.test", False, "x@ba.test", False),
        ("a.test", False, "x@a-test", False),
        ("a.test", False, "x@a.test.other", False),
        ("a.test", False, "<>", False),
        ("a.test", True, "x@a.test", True),
        ("a.test", True, "x@c.b.a.test", True),
        ("a.test", True, "x@ba.test", False),
        ("xn--bcher-kva.test", False, "x@xn--bcher-kva.test", True),
        ("xn--bcher-kva.test", False, "x@b\u00fccher.test", True),
    ],
)
def test_senders(domain, subdomains, sender, meant, host):
    apply(host, partner(domain, subdomains=subdomains))
    patterns = [line.split()[0].strip("/") for line in rows(host, "senders")]
    assert any(re.search(one, sender, re.IGNORECASE) for one in patterns) is meant


def test_places(host):
    apply(host, partner(networks=("192.0.2.0/24", "2001:db8::1"), hosts=(".b.test", "mx.a.test")))
    assert rows(host, "clients") == [f"{one} postmaster_inbound_tls" for one in ("192.0.2.0/24", "2001:db8::1")]
    assert rows(host, "client_names") == [
        r"/\.b\.test$/ postmaster_inbound_tls",
        r"/^mx\.a\.test$/ postmaster_inbound_tls",
    ]
    asked = host.parameters["smtpd_sender_restrictions"]
    assert f"check_client_access, cidr:{INBOUND}clients" in asked
    assert f"check_client_access, regexp:{INBOUND}client_names" in asked


def test_certificates_are_looked_at_behind_all_else(host):
    host.set(MAIN_CF, smtpd_data_restrictions="reject_unauth_pipelining", smtpd_restriction_classes="theirs")
    apply(host, partner(fingerprints=(ONE, OTHER), networks=("192.0.2.1",)))
    (line,) = rows(host, "senders_certified")
    name = line.split()[1]
    assert rows(host, "clients_certified") == [f"192.0.2.1 {name}"]
    assert rows(host, "senders") == [r"/@a\.test\.?$/ postmaster_inbound_tls"]
    seen = host.parameters
    assert seen["smtpd_data_restrictions"] == (
        f"reject_unauth_pipelining, check_sender_access, regexp:{INBOUND}senders_certified,"
        f" check_client_access, cidr:{INBOUND}clients_certified"
    )
    assert seen["smtpd_restriction_classes"] == f"theirs, {name}, postmaster_inbound_tls"
    assert seen[name] == (
        f"check_client_access cidr:{INBOUND}from_here,"
        f" check_ccert_access inline:{{ {{{ONE} = permit}}, {{{OTHER} = permit}} }},"
        " check_client_access static:{450 4.7.1 The certificate of this partner is required}"
    )
    assert seen["smtpd_tls_ask_ccert"] == "yes"


def test_each_partner_has_a_class_of_its_own(host):
    apply(host, partner("a-b.test", fingerprints=(ONE,)), partner("a.b.test", fingerprints=(OTHER,)))
    names = [line.split()[1] for line in rows(host, "senders_certified")]
    assert len(set(names)) == 2
    assert [*sorted(names), "postmaster_inbound_tls"] == host.parameters["smtpd_restriction_classes"].split(", ")


@pytest.mark.parametrize("written", ["", THEIRS])
@pytest.mark.parametrize("purge", [False, True])
def test_undone(purge, written, host):
    host.files[MAIN_CF] += written.encode()
    before = dict(host.files)
    demand = {"networks": ("192.0.2.1",), "hosts": ("mx.a.test",), "fingerprints": (ONE,)}
    apply(host, partner(**demand), partner("b.test"))
    assert apply(host, partner(**demand), partner("b.test")) == {"a.test": "", "b.test": ""}
    if purge:
        reasons = apply(host, purge=True)
    else:
        reasons = apply(host, *(DomainPolicy(one, present=False) for one in ("a.test", "b.test")))
    assert all("inbound: removed" in reason for reason in reasons.values())
    assert host.files == before


def test_entry_without_the_demand_ends_it(host):
    apply(host, partner(fingerprints=(ONE,)), partner("b.test"))
    assert apply(host, DomainPolicy("a.test", tls="may")) == {"a.test": "inbound: removed"}
    assert rows(host, "senders") == [r"/@b\.test\.?$/ postmaster_inbound_tls"]
    assert [name for name in host.parameters if name.startswith("postmaster_inbound")] == ["postmaster_inbound_tls"]
    assert host.parameters.get("smtpd_tls_ask_ccert", "no") == "no"


def test_other_certificate(host):
    apply(host, partner(fingerprints=(ONE,)))
    assert apply(host, partner(fingerprints=(OTHER,))) == {"a.test": "inbound: changed"}
    assert OTHER in host.read_text(MAIN_CF)
    assert ONE not in host.read_text(MAIN_CF)


def test_what_was_added_since_stays(host):
    apply(host, partner())
    text = host.read_text(MAIN_CF)
    host.files[MAIN_CF] = re.sub(r"(smtpd_sender_restrictions = .*)", r"\1, reject_unlisted_sender", text).encode()
    apply(host, DomainPolicy("a.test", present=False))
    assert host.parameters["smtpd_sender_restrictions"] == "reject_unlisted_sender"


# ---- what cannot work


@pytest.mark.parametrize(
    ("name", "demand", "refuses"),
    [
        ("smtpd_sender_restrictions", {}, True),
        ("smtpd_data_restrictions", {}, False),
        ("smtpd_data_restrictions", {"fingerprints": (ONE,)}, True),
        ("smtpd_tls_ask_ccert", {}, False),
        ("smtpd_tls_ask_ccert", {"fingerprints": (ONE,)}, True),
    ],
)
def test_service_that_would_not_see_it(name, demand, refuses, host):
    text = host.read_text(MASTER_CF)
    host.files[MASTER_CF] = re.sub(r"(?m)^(smtp +inet .*)$", rf"\1\n  -o {name}=no", text).encode()
    if not refuses:
        apply(host, partner(**demand))
        return
    problem = refused(host, partner(**demand))
    assert f"'-o {name}=no' for the service smtp" in problem.found


def test_server_behind_postscreen(host):
    text = host.read_text(MASTER_CF)
    behind = "smtpd pass - - y - - smtpd\n  -o smtpd_sender_restrictions=permit\n"
    host.files[MASTER_CF] = (re.sub(r"(?m)^(smtp +inet .*) smtpd$", r"\1 postscreen", text) + behind).encode()
    assert "for the service smtpd" in refused(host, partner()).found


def test_no_server(host):
    text = host.read_text(MASTER_CF)
    host.files[MASTER_CF] = re.sub(r"(?m)^smtp +inet .*\n", "", text).encode()
    assert "no server on port 25" in refused(host, partner()).found


def test_mail_of_this_host_is_let_in(host):
    host.files[MASTER_CF] += FILTER
    apply(host, partner(fingerprints=(ONE,)))
    assert host.parameters["postmaster_inbound_tls"] == f"check_client_access cidr:{INBOUND}from_elsewhere"
    assert rows(host, "from_elsewhere") == [
        "127.0.0.0/8 DUNNO",
        "::1 DUNNO",
        "0.0.0.0/0 reject_plaintext_session",
        "::/0 reject_plaintext_session",
    ]
    assert rows(host, "from_here") == ["127.0.0.0/8 permit", "::1 permit"]


@pytest.mark.parametrize("level", ["none", ""])
def test_server_without_tls(level, host):
    host.set(MAIN_CF, smtpd_tls_security_level=level)
    problem = refused(host, partner())
    assert (problem.option, "mail_vserver_tls" in problem.remedy) == ("inbound", True)


@pytest.mark.parametrize(
    "theirs", ["permit_mynetworks", "reject_unauth_pipelining, permit", "check_sender_access hash:/x"]
)
def test_permit_before_the_certificate_is_looked_at(theirs, host):
    host.set(MAIN_CF, smtpd_data_restrictions=theirs)
    assert "may accept mail before the client's certificate" in refused(host, partner(fingerprints=(ONE,))).found
    apply(host, partner())


def test_other_digest(host):
    host.set(MAIN_CF, smtpd_tls_fingerprint_digest="md5")
    assert "is md5" in refused(host, partner(fingerprints=(ONE,))).found


def test_address_of_two_partners_with_certificates(host):
    outer = partner("a.test", networks=("192.0.2.0/24", "2001:db8::/32"), fingerprints=(ONE,))
    for inner in ("192.0.2.7", "192.0.2.0/24", "2001:db8:1::/48"):
        problem = refused(host, outer, partner("b.test", networks=(inner,), fingerprints=(OTHER,)))
        assert "each of them must show a certificate of its own" in problem.found
    apply(
        host,
        outer,
        partner("b.test", networks=("192.0.3.7",), fingerprints=(OTHER,)),
        partner("c.test", networks=("192.0.2.7",)),
    )


def test_table_that_a_service_names_is_not_taken_away(host):
    apply(host, partner())
    host.files[MASTER_CF] += (
        f"2525 inet n - y - - smtpd\n  -o smtpd_sender_restrictions={SENDERS.replace(' ', ',')}\n".encode()
    )
    assert "refers to a table of this collection" in refused(host, DomainPolicy("a.test", present=False)).found


# ---- beside accounts that are limited to their senders


def test_submission_servers_do_not_see_it(host):
    apply(host, partner())
    host.files[MASTER_CF] += b"submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
    store = Store(host, STORE)
    logins = Logins(host, host.parameters, lambda name: host.parameters[name], SavedSettings(host, store, "postfix"))
    host.take(logins.changes({"u": ("a.test",)}, {"u": ("u",)}))
    master = host.read_text(MASTER_CF)
    assert "check_sasl_access" in master
    assert INBOUND not in master
    apply(host, DomainPolicy("a.test", present=False))
