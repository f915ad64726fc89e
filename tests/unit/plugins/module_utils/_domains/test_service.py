# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.options import parse
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.service import CallOptions, Domains
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    InboundRequirement,
    SaslAccount,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import (
    DomainOutcome,
    DomainPlan,
    DomainProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import carry_out
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
)

ELEMENT = {
    "domain": "partner.example",
    "tls": "secure",
    "match": None,
    "fingerprints": None,
    "subdomains": False,
    "relay_host": None,
    "relay_port": 25,
    "implicit_tls": None,
    "servername": None,
    "username": None,
    "password": None,
    "update_password": "always",
    "auth_cleartext": False,
    "strength": None,
    "require_128_bit": False,
    "inbound": None,
    "state": "present",
}
IMPLICIT = {"implicit_tls": True}
ON_465 = {"relay_port": 465}
BY_FINGERPRINT = {"tls": "fingerprint", "fingerprints": (":".join(["AB"] * 32),)}
ACCOUNT = {"username": "u", "password": "p"}


def parsed(**given):
    return parse({**ELEMENT, **given})


def test_least_that_can_be_said():
    assert parsed() == DomainPolicy("partner.example", tls="secure", relay_port=25, present=True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"domain": "Partner.EXAMPLE."}, {"domain": "partner.example"}),
        ({"domain": "bücher.example"}, {"domain": "xn--bcher-kva.example"}),
        ({"match": ["mx.example", ".example"]}, {"match": ("mx.example", ".example")}),
        ({"match": []}, {"match": ()}),
        ({"relay_host": "Mail.Example", "relay_port": 587}, {"relay_host": "mail.example", "relay_port": 587}),
        ({"relay_host": "192.0.2.1"}, {"relay_host": "192.0.2.1"}),
        ({"relay_host": "2001:DB8::1"}, {"relay_host": "2001:db8::1"}),
        ({"relay_host": ""}, {"relay_host": ""}),
        ({"relay_host": "[2001:DB8::1]"}, {"relay_host": "2001:db8::1"}),
        ({"relay_host": "[IPv6:2001:db8::1]"}, {"relay_host": "2001:db8::1"}),
        ({"relay_host": " [Mail.Example.] "}, {"relay_host": "mail.example"}),
        ({"relay_host": "Bücher.example."}, {"relay_host": "xn--bcher-kva.example"}),
        ({"relay_host": "mail_1.example"}, {"relay_host": "mail_1.example"}),
        ({"match": ["MX.Example.", ".Bücher.example"]}, {"match": ("mx.example", ".xn--bcher-kva.example")}),
        ({"servername": "hostname"}, {"servername": "hostname"}),
        ({"servername": "MX.Bücher.example."}, {"servername": "mx.xn--bcher-kva.example"}),
        ({"username": "DOMAIN\\user", "password": ""}, {"account": SaslAccount("DOMAIN\\user", "")}),
        ({"username": "u v", "password": " inner space".strip()}, {"account": SaslAccount("u v", "inner space")}),
        ({"state": "absent"}, {"present": False}),
        ({"domain": " * "}, {"domain": "*"}),
        ({"subdomains": True}, {"subdomains": True}),
        ({"relay_host": "h.example", "relay_port": 465}, {"relay_host": "h.example", "relay_port": 465, **IMPLICIT}),
        ({"relay_host": "h.example", "relay_port": 465, "implicit_tls": False}, {"relay_host": "h.example", **ON_465}),
        ({"relay_host": "h.example", "implicit_tls": True}, {"relay_host": "h.example", **IMPLICIT}),
        ({**ACCOUNT, "update_password": "on_create"}, {"account": SaslAccount("u", "p"), "keep_password": True}),
        ({"tls": "dane"}, {"tls": "dane"}),
        ({"tls": "dane-only", **ACCOUNT}, {"tls": "dane-only", "account": SaslAccount("u", "p")}),
        ({"tls": "fingerprint", "fingerprints": [f"sha256:{'ab' * 32}"]}, BY_FINGERPRINT),
        ({"tls": "fingerprint", "fingerprints": [" ".join(["Ab:"] * 31 + ["aB"])]}, BY_FINGERPRINT),
        ({"strength": "modern"}, {"strength": "modern"}),
        (
            {"tls": "may", "strength": "modern", "state": "absent"},
            {"tls": "may", "strength": "modern", "present": False},
        ),
        ({"require_128_bit": True}, {"require_128_bit": True}),
        (
            {**ACCOUNT, "tls": "may", "relay_host": "h.example", "auth_cleartext": True},
            {"tls": "may", "account": SaslAccount("u", "p"), "relay_host": "h.example", "auth_cleartext": True},
        ),
    ],
)
def test_options(given, expected):
    assert parsed(**given) == replace(DomainPolicy("partner.example"), **expected)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"domain": "not a domain"}, "domain"),
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "*.partner.example"}, "domain"),  # Postfix would look it up verbatim, and never find it
        ({"match": ["mx.example"], "tls": "encrypt"}, "match"),
        ({"match": ["mx.example"], "tls": "may"}, "match"),
        ({"match": ["a b"]}, "match"),
        ({"servername": "a b"}, "servername"),
        ({"servername": "hostname", "tls": "none"}, "servername"),
        ({"servername": "hostname", "tls": "dane"}, "servername"),
        ({"match": ["a:b"]}, "match"),
        ({"match": [""]}, "match"),
        ({"match": ["*.example"]}, "match"),  # a leading full stop is what Postfix knows
        ({"username": "u"}, "password"),
        ({"password": ""}, "username"),
        ({"username": "", "password": "p"}, "username"),
        ({"username": "a:b", "password": "p"}, "username"),
        ({"username": " u", "password": "p"}, "username"),
        ({"username": "u\nv", "password": "p"}, "username"),
        ({"username": "u", "password": "p\n"}, "password"),
        ({"username": "u", "password": "p "}, "password"),
        ({"username": "u", "password": "p\0"}, "password"),
        ({**ACCOUNT, "tls": "may"}, "tls"),
        ({**ACCOUNT, "tls": "none"}, "tls"),
        ({"relay_port": 587}, "relay_port"),
        ({"relay_host": "mail.example", "relay_port": 0}, "relay_port"),
        ({"relay_host": "mail.example", "relay_port": 65536}, "relay_port"),
        ({"domain": "*", "subdomains": True}, "subdomains"),
        ({"tls": "fingerprint"}, "fingerprints"),
        ({"fingerprints": ["ab" * 32]}, "fingerprints"),
        ({"tls": "fingerprint", "fingerprints": ["ab" * 20]}, "fingerprints"),  # SHA-1
        ({"tls": "fingerprint", "fingerprints": ["xy" * 32]}, "fingerprints"),
        ({"tls": "fingerprint", "match": ["mx.example"], "fingerprints": ["ab" * 32]}, "match"),
        ({"tls": "dane", "match": ["mx.example"]}, "match"),
        ({"implicit_tls": True}, "relay_port"),
        ({"relay_host": "h.example", "relay_port": 465, "tls": "may"}, "tls"),
        ({"relay_host": "h.example", "relay_port": 465, "tls": "dane"}, "tls"),
        ({**ACCOUNT, "tls": "dane"}, "tls"),
        ({"tls": "may", "strength": "modern"}, "strength"),
        ({"tls": "dane", "strength": "legacy"}, "strength"),
        ({"tls": "none", "strength": "intermediate"}, "strength"),
        ({"tls": "encrypt", "require_128_bit": True}, "require_128_bit"),
        ({"tls": "may", "require_128_bit": True}, "require_128_bit"),
        ({**BY_FINGERPRINT, "require_128_bit": True}, "require_128_bit"),
        ({"auth_cleartext": True}, "auth_cleartext"),
        ({**ACCOUNT, "tls": "none", "auth_cleartext": True}, "relay_host"),
        ({"relay_host": "mail.example:587"}, "relay_host"),
        ({"relay_host": "mail example"}, "relay_host"),
    ],
)
def test_options_that_contradict_each_other(given, option):
    with pytest.raises(Problem) as caught:
        parsed(**given)
    assert caught.value.option == option
    assert caught.value.subject.startswith("domain ")


@pytest.mark.parametrize("password", ["hunter2 ", "hunter2\n"])
def test_a_refused_password_is_not_shown(password):
    with pytest.raises(Problem) as caught:
        parsed(username="u", password=password)
    assert "hunter2" not in repr(caught.value.result())


def test_account_hides_its_password():
    policy = parsed(username="u", password="hunter2")
    assert "hunter2" not in repr(policy)
    assert "hunter2" not in str(policy)
    assert "hunter2" not in f"{policy.account}"


# ---- the call


class Sender(DomainProvider):
    """A daemon that does what it is told."""

    name = "sender"
    sends_mail = True
    processes = frozenset({"sender"})
    unit = "sender.service"
    protocols = frozenset({"smtp"})
    config_roots = ()

    def __init__(self, host, alive=True, outcomes=(), warnings=()):
        super().__init__(host, Store(host, STORE))
        self.alive = alive
        self.outcomes = outcomes
        self.warnings = warnings
        self.asked = None

    def plan_domains(self, policies, *, purge, ca_file, mta_sts):
        self.asked = (list(policies), purge, ca_file)
        return DomainPlan(
            changes=(FileChange("/table", b"new"), FileChange("/same", b"same")),
            warnings=self.warnings,
            outcomes=self.outcomes,
        )

    vservers: tuple[Vserver, ...] = ()

    def running(self):
        return self.alive

    @classmethod
    def installed(cls, host):
        return True

    def capabilities(self):
        raise NotImplementedError

    def read(self):
        return {one.key: one for one in self.vservers}

    def plan(self, desired):
        raise NotImplementedError

    def endpoints(self, vserver):
        raise NotImplementedError

    def check(self, run, mirrors):
        raise NotImplementedError

    def activate(self, run):
        raise NotImplementedError


class Applied:
    """Stands for a transaction, and remembers what was applied."""

    def __init__(self, check_mode=False):
        self.check_mode = check_mode
        self.applied = []

    def apply(self, changes, participants, _probe):
        self.applied.append(([change.path for change in changes], [one.name for one in participants]))


@pytest.fixture
def host():
    found = RecordedHost()
    found.files["/same"] = b"same"
    return found


def call(host, provider, transaction, *policies, **options):
    providers = {provider.name: provider} if provider else {}
    site = Site(host, Store(host, STORE), transaction.check_mode, (Sender,), lambda _host, _store: providers)
    return carry_out(Domains(site, CallOptions(**options)), policies, transaction)


def test_only_what_differs_is_applied(host):
    sender, transaction = Sender(host), Applied()
    report = call(host, sender, transaction, DomainPolicy("a.test"), purge=True, ca_file="/same")
    assert sender.asked == ([DomainPolicy("a.test")], True, "/same")
    assert transaction.applied == [(["/table"], ["sender"])]
    assert report.result["files"] == ["/table"]
    assert [one["after_header"] for one in report.result["diff"]] == ["/table"]


def test_a_table_that_is_looked_into_each_time_makes_nobody_reload(host, monkeypatch):
    planned = DomainPlan(changes=(FileChange("/table", b"new", loaded=False),), outcomes=())
    monkeypatch.setattr(Sender, "plan_domains", lambda *_args, **_more: planned)
    transaction = Applied()
    call(host, Sender(host), transaction, DomainPolicy("a.test"))
    assert transaction.applied == [(["/table"], [])]


def test_nothing_differs(host):
    host.files["/table"] = b"new"
    transaction = Applied()
    assert call(host, Sender(host), transaction, DomainPolicy("a.test")).result["files"] == []
    assert transaction.applied == []


def test_results(host):
    outcomes = [
        DomainOutcome("a.test", "a.test", "TLS policy: none -> a.test secure"),
        DomainOutcome("b.test", "[gw]:25", ""),
        DomainOutcome("c.test", "", "TLS policy: c.test may -> none"),
        DomainOutcome("purged.test", "", "TLS policy: x -> none"),
    ]
    policies = [
        DomainPolicy("a.test"),
        DomainPolicy("b.test", tls="encrypt"),
        DomainPolicy("c.test", tls="may", present=False),
    ]
    report = call(host, Sender(host, outcomes=outcomes, warnings=["of the daemon"]), Applied(), *policies)
    assert report.result["provider"] == "sender"
    keys = ("domain", "next_hop", "tls", "authenticated", "changed")
    assert [tuple(one[key] for key in keys) for one in report.result["domains"]] == [
        ("a.test", "a.test", "secure", True, True),
        ("b.test", "[gw]:25", "encrypt", False, False),
        ("c.test", "", "", False, True),
        ("purged.test", "", "", False, True),
    ]
    assert report.result["domains"][1]["reason"] == "as desired"
    assert report.warnings[0] == "of the daemon"
    (warning,) = report.warnings[1:]
    assert "b.test is unauthenticated at the level encrypt" in warning


@pytest.mark.parametrize("tls", ["encrypt", "may"])
def test_users_of_the_host_in_clear_text_while_others_must_encrypt(tls, host):
    sender = Sender(host)
    sender.vservers = (Vserver("imap", auth_clear=("PLAIN",), port=143), Vserver("pop3", port=110))
    report = call(host, sender, Applied(), DomainPolicy("a.test", tls=tls))
    assert report.result["uncovered_vservers"] == (["imap/default"] if tls == "encrypt" else [])
    told = [one for one in report.warnings if "can connect in clear text to: imap/default;" in one]
    assert len(told) == len(report.result["uncovered_vservers"])


def test_no_daemon_to_send_mail(host):
    with pytest.raises(Problem, match="no daemon that sends mail is installed"):
        call(host, None, Applied(), DomainPolicy("a.test"))
    with pytest.raises(Problem, match="sender is installed but does not run"):
        call(host, Sender(host, alive=False), Applied(), DomainPolicy("a.test"))


def test_domain_that_is_declared_twice(host):
    with pytest.raises(Problem, match="declared twice") as caught:
        call(host, Sender(host), Applied(), DomainPolicy("a.test"), DomainPolicy("a.test", present=False))
    assert (caught.value.subject, caught.value.option) == ("domain a.test", "domain")


@pytest.mark.parametrize("check_mode", [False, True])
def test_roots_that_are_not_there(check_mode, host):
    expected = contextlib.nullcontext() if check_mode else pytest.raises(Problem, match=r"/roots.pem does not exist")
    with expected:  # in check mode an earlier task may have copied them in the real run
        call(host, Sender(host), Applied(check_mode), DomainPolicy("a.test"), ca_file="/roots.pem")


# ---- exceptions


class Leveled(Sender):
    """A daemon with these levels."""

    def __init__(self, host, levels, default):
        super().__init__(host)
        self.plan_of_levels = DomainPlan(levels=levels, default_level=default)

    def plan_domains(self, policies, *, purge, ca_file, mta_sts):
        return self.plan_of_levels


def warned(host, *policies, levels=None, default=""):
    sender = Leveled(host, levels or {one.domain: one.tls for one in policies}, default)
    return [one for one in call(host, sender, Applied(), *policies).warnings if "unauthenticated" not in one]


@pytest.mark.parametrize(
    ("tls", "default", "less", "hidden"),
    [
        ("may", "encrypt", True, False),
        ("none", "may", True, False),
        ("encrypt", "encrypt", False, False),
        ("secure", "encrypt", False, False),
        ("dane", "encrypt", True, False),  # where nothing is published it is as good as may
        ("encrypt", "dane", False, True),
        ("may", "dane", True, True),
        ("secure", "dane-only", False, True),
        ("dane", "dane-only", True, False),
        ("may", "", False, False),
    ],
)
def test_entry_that_stands_out_is_warned_of(tls, default, less, hidden, host):
    found = warned(host, DomainPolicy("a.test", tls=tls), default=default)
    assert [one for one in found if "mail to a.test is protected less than other mail" in one] == found[: int(less)]
    assert len([one for one in found if "TLSA records of these domains are not used" in one]) == int(hidden)
    assert len(found) == less + hidden


def test_all_entries_are_measured_against_a_new_level_for_all_other_mail(host):
    levels = {"*": "encrypt", "earlier.test": "may", "a.test": "secure"}
    policies = [DomainPolicy("*", tls="encrypt"), DomainPolicy("a.test")]
    (found,) = warned(host, *policies, levels=levels, default="encrypt")
    assert "mail to earlier.test is protected less" in found
    assert warned(host, DomainPolicy("a.test"), levels=levels, default="encrypt") == []


def test_ten_thousand_domains_make_one_warning(host):
    policies = [DomainPolicy(f"d{number}.test", tls="may") for number in range(10_000)]
    report = call(host, Sender(host), Applied(), *policies)
    assert [one for one in report.warnings if "d0.test, d1.test, d2.test, d3.test, d4.test and 9995 others" in one]
    assert len(report.warnings) == 1


# ---- preflight


@pytest.mark.parametrize("preflight", ["off", "warn"])
def test_daemon_whose_demands_are_not_known(preflight, host):
    report = call(host, Sender(host), Applied(), DomainPolicy("a.test"), preflight=preflight)
    found = [report.result[key] for key in ("unreachable_domains", "untried_domains", "stuck_mail")]
    assert found == [[], 0, []]
    transaction = Applied()
    with pytest.raises(Problem, match="sender does not support a forecast"):
        call(host, Sender(host), transaction, DomainPolicy("a.test"), preflight="fail")
    assert transaction.applied == []


# ---- inbound

NOTHING_SAID = {"required": True, "addresses": None, "certificate_fingerprints": None}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, InboundRequirement()),
        ({"required": False}, None),
        (
            {"addresses": ["MX.a.test", "192.0.2.0/24", "2001:DB8::1/128", " 192.0.2.1", ".b.test", "*.c.test"]},
            InboundRequirement(("192.0.2.0/24", "192.0.2.1", "2001:db8::1"), (".b.test", ".c.test", "mx.a.test")),
        ),
        (
            {"certificate_fingerprints": ["ab" * 32, ":".join(["AB"] * 32)]},
            InboundRequirement(fingerprints=(":".join(["AB"] * 32),)),
        ),
    ],
)
def test_inbound(given, expected):
    assert parsed(inbound={**NOTHING_SAID, **given}).inbound == expected


@pytest.mark.parametrize(
    "given",
    [
        {"required": False, "addresses": ["192.0.2.1"]},
        {"required": False, "certificate_fingerprints": ["ab" * 32]},
        {"addresses": ["192.0.2.1/24"]},
        {"addresses": ["192.0.2.256"]},
        {"addresses": ["0.0.0.0/0"]},
        {"addresses": ["::/0"]},
        {"addresses": ["not a host"]},
        {"addresses": [""]},
        {"certificate_fingerprints": ["ab" * 20]},
    ],
)
def test_inbound_that_contradicts_itself(given):
    with pytest.raises(Problem) as caught:
        parsed(inbound={**NOTHING_SAID, **given})
    assert caught.value.subject == "domain partner.example"


def test_inbound_of_everybody():
    with pytest.raises(Problem, match="require_secure_channel"):
        parsed(domain="*", tls="may", inbound=NOTHING_SAID)


def test_daemon_that_cannot_demand_anything_of_partners(host):
    policy = DomainPolicy("a.test", inbound=InboundRequirement())
    with pytest.raises(Problem, match="sender does not support requirements for the incoming mail") as caught:
        call(host, Sender(host), Applied(), policy)
    assert caught.value.option == "inbound"
    call(host, Sender(host), Applied(), replace(policy, present=False))
