# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob
import json

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains import preflight_client as _preflight
from ansible_collections.postmaster.secure_channel.plugins.module_utils._domains.preflight_client import Fault, Findings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import runner, site
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_domain_security
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    call,
    undocumented,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    MAIN_CF,
    RecordedHost,
)

RETURN = yaml.safe_load(mail_domain_security.RETURN)
SECRET = "s3cret\\horse\"'"
RELAYED = {
    "domain": "partner.example",
    "relay_host": "mail.partner.example",
    "relay_port": 587,
    "username": "PARTNER\\relay",
    "password": SECRET,
}


class Transaction:
    """Carries changes out on a host that has no machine."""

    def __init__(self, host, _participants, *, check_mode, warn):
        self.host = host
        self.check_mode = check_mode

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def apply(self, changes, _participants, _probe):
        if not self.check_mode:
            self.host.take(changes)


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


def found_by_preflight(demands):
    """Nobody is connected to: servers of domains that begin so have no TLS, or do not answer."""
    faults = {"plain": Fault("no_tls", "no STARTTLS"), "down": Fault("no_answer", "refused")}
    named = [(one, faults.get(one.domain.partition(".")[0])) for one in demands]
    untried = tuple(one for one in demands if one.domain.startswith("untried"))
    return Findings(tuple((one, fault) for one, fault in named if fault), untried)


@pytest.fixture
def warned(monkeypatch):
    """The warnings. Ansible would keep them for the next module that runs in this process."""
    found: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: found.append(text))
    return found


@pytest.fixture
def module(host, warned, monkeypatch, capsys):
    """Calls the module on a recorded host."""
    monkeypatch.setattr(site, "Host", lambda: host)
    monkeypatch.setattr(runner, "Transaction", Transaction)
    monkeypatch.setattr(glob, "glob", lambda _pattern: ["libplain.so"])
    monkeypatch.setattr(_preflight, "look", lambda demands, trust, *_how: trust() and found_by_preflight(demands))

    def run(*, check=False, **params):
        return call(mail_domain_security.main, capsys, params, check=check)

    return run


@pytest.mark.parametrize(
    "element",
    [
        {"domain": "partner.example"},
        {"domain": "partner.example", "tls": "verify", "match": ["mx.example.net"]},
        RELAYED,
        {**RELAYED, "password": ""},
        {"domain": "partner.example", "state": "absent"},
        {"domain": "not a domain"},  # refused
        {"domain": "partner.example", "username": "u"},  # refused
    ],
)
def test_one_object_and_a_list_of_one_are_the_same(element, module):
    # in check mode, so that the second call finds what the first one found
    assert module(check=True, **element) == module(check=True, domains=[element])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "one of the following is required: domain, domains"),
        ({"purge": True}, "one of the following is required: domain, domains"),
        ({"domain": "a.test", "domains": []}, "mutually exclusive"),
        ({"domains": [{"tls": "secure"}]}, "missing required arguments: domain"),
        ({"domain": "a.test", "tls": "full"}, "value of tls must be one of: none, may, encrypt, verify, secure"),
    ],
)
def test_options_that_do_not_go_together(params, message, module):
    result = module(**params)
    assert result["failed"] is True
    assert message in result["msg"]


@pytest.mark.parametrize("given", [{"tls": "none"}, {"relay_port": 587}, {"state": "absent"}])
def test_option_beside_the_list_is_refused(given, module):
    assert module(domains=[{"domain": "a.test"}], check=True, **given).get("failed") is True


def test_runs(module):
    desired = {"domains": [RELAYED, {"domain": "other.example", "tls": "encrypt"}]}
    foreseen = module(check=True, **desired)
    first = module(**desired)
    assert foreseen == first
    assert (first["changed"], first["provider"]) == (True, "postfix")
    assert first["reason"] == (
        "partner.example: route: none -> partner.example smtp:[mail.partner.example]:587; "
        "TLS policy: none -> [mail.partner.example]:587 secure strength=intermediate; account: set; "
        "other.example: TLS policy: none -> other.example encrypt strength=intermediate"
    )
    assert [one["next_hop"] for one in first["domains"]] == ["[mail.partner.example]:587", "other.example"]
    second = module(**desired)
    assert (second["changed"], second["files"], second["diff"]) == (False, [], [])
    assert second["reason"] == "all 2 domains are as desired"
    purged = module(domains=[], purge=True)
    assert [one["domain"] for one in purged["domains"]] == ["other.example", "partner.example"]
    assert all(one["changed"] for one in purged["domains"])
    assert module(domains=[], purge=True)["reason"] == "all 0 domains are as desired"


def test_table_whose_twin_is_missing(host, module):
    module(**RELAYED)
    del host.files["/etc/postfix/postmaster_transport.db"]
    result = module(**RELAYED)
    assert (result["changed"], result["reason"]) == (True, "files differ: /etc/postfix/postmaster_transport")


def test_unauthenticated_is_said_loudly(module, warned):
    assert module(domain="a.test", tls="secure")["domains"][0]["authenticated"] is True
    assert warned == []
    assert module(domain="a.test", tls="encrypt")["domains"][0]["authenticated"] is False
    (warning,) = warned
    assert "mail to a.test is unauthenticated at the level encrypt" in warning


def test_result_is_what_is_documented(module):
    result = module(domains=[RELAYED, {"domain": "other.example"}])
    own = {key: value for key, value in result.items() if key not in ("changed", "diff")}
    assert undocumented(own, RETURN) == []
    assert set(own) == {key for key, one in RETURN.items() if one["returned"] == "success"}
    for one in result["domains"]:
        assert set(one) == set(RETURN["domains"]["contains"])


def test_problem_is_what_is_documented(module):
    result = module(**{**RELAYED, "tls": "may"})
    assert set(result["problem"]) == set(RETURN["problem"]["contains"])
    assert (result["problem"]["object"], result["problem"]["option"]) == ("domain partner.example", "tls")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("faulty", [False, True])
def test_passwords_are_not_in_what_is_printed(many, faulty, module, capsys):
    element = {**RELAYED, "tls": "may" if faulty else "secure"}
    params = {"domains": [element]} if many else element
    arguments = {**params, "_ansible_diff": True, "_ansible_check_mode": True, "_ansible_remote_tmp": "/tmp"}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        mail_domain_security.main()
    printed = capsys.readouterr()
    for piece in (SECRET, "s3cret", "horse"):
        assert piece not in printed.out + printed.err


# ---- preflight

CUT_OFF = [{"domain": "plain.test", "tls": "encrypt"}, {"domain": "down.test"}, {"domain": "untried.test"}]


def test_preflight_warns(module, warned):
    result = module(domains=CUT_OFF)
    assert result["changed"] is True
    assert result["unreachable_domains"] == [
        {"domain": "plain.test", "next_hop": "plain.test", "cause": "no_tls", "reason": "no STARTTLS"},
        {"domain": "down.test", "next_hop": "down.test", "cause": "no_answer", "reason": "refused"},
    ]
    assert result["untried_domains"] == 1
    for words in (
        "mail to plain.test will stay in the queue because TLS is not available there",
        "cannot tell whether mail to down.test can be sent as required",
        "the preflight has not tried untried.test",
    ):
        assert [one for one in warned if words in one], words
    second = module(domains=CUT_OFF)
    assert (second["changed"], second["unreachable_domains"], second["untried_domains"]) == (False, [], 0)


@pytest.mark.parametrize("check", [False, True])
def test_preflight_fails_before_anything_is_changed(check, host, module):
    files = dict(host.files)
    result = module(domains=CUT_OFF, preflight="fail", check=check)
    assert result["failed"] is True
    assert result["problem"]["option"] == "preflight"
    for words in ("plain.test: no STARTTLS", "no server answers at the moment for down.test"):
        assert words in result["msg"]
    assert host.files == files


def test_preflight_does_not_fail_because_nobody_answers(module):
    result = module(domain="down.test", preflight="fail")
    assert (result["changed"], result["unreachable_domains"][0]["cause"]) == (True, "no_answer")


@pytest.mark.parametrize("off", ["off", False])
def test_preflight_is_off(off, host, module, monkeypatch):
    monkeypatch.setattr(_preflight, "look", None)
    host.queue = [waiting("a", "x@plain.test")]
    result = module(domains=CUT_OFF, preflight=off)
    assert (result["unreachable_domains"], result["stuck_mail"]) == ([], [])
    assert "postqueue -j" not in host.asked


def test_preflight_asks_nobody_about_what_does_not_become_stricter(module, monkeypatch):
    module(domains=[{"domain": "a.test"}, {"domain": "b.test", "tls": "encrypt"}], preflight="off")
    monkeypatch.setattr(_preflight, "look", None)
    weaker = [{"domain": "a.test", "tls": "encrypt"}, {"domain": "b.test", "tls": "may"}, {"domain": "c", "tls": "may"}]
    assert module(domains=weaker)["changed"] is True


def waiting(number, *recipients, reason="TLS is required, but was not offered by host mx.plain.test[192.0.2.1]"):
    """A message as postqueue(1) shows it."""
    shown = [{"address": one, "delay_reason": reason} for one in recipients]
    return json.dumps({"queue_name": "deferred", "queue_id": number, "sender": "me@here.test", "recipients": shown})


def test_all_mail_is_compared_with_the_queue(host, module):
    host.queue = [waiting("a", "x@plain.test", reason=""), waiting("b", "y@good.test", "z@down.test", reason="")]
    result = module(domains=[{"domain": "*", "tls": "encrypt"}, {"domain": "down.test", "tls": "may"}])
    assert [(one["domain"], one["cause"]) for one in result["unreachable_domains"]] == [("plain.test", "no_tls")]


def test_mail_that_is_stuck(host, module, warned):
    host.queue = [
        waiting("a", "x@plain.test", "y@plain.test"),
        waiting("b", "x@Plain.Test"),
        waiting("c", "x@plain.test", reason="connect to mx.plain.test: Connection refused"),
        waiting("d", "x@other.test"),
        waiting("e", "x@sub.plain.test", reason="Server certificate not verified"),
        "not JSON",
    ]
    found = module(domain="plain.test", tls="encrypt", subdomains=True)["stuck_mail"]
    assert [(one["domain"], one["messages"], one["queue_ids"]) for one in found] == [
        ("plain.test", 2, ["a", "b"]),
        ("sub.plain.test", 1, ["e"]),
    ]
    assert found[1]["reason"] == "Server certificate not verified"
    assert [one for one in warned if "3 messages are waiting in the queue because TLS is not available" in one]
    assert "x@" not in str(found)
    assert module(domain="plain.test", tls="may")["stuck_mail"] == []


def test_very_much_mail_is_stuck(host, module):
    host.queue = [waiting(f"n{number}", "x@plain.test") for number in range(1000)]
    (found,) = module(domain="plain.test", tls="encrypt")["stuck_mail"]
    assert (found["messages"], len(found["queue_ids"])) == (1000, 20)


def test_stuck_mail_is_what_is_documented(host, module):
    host.queue = [waiting("a", "x@plain.test")]
    result = module(domain="plain.test", tls="encrypt")
    for name in ("stuck_mail", "unreachable_domains"):
        assert set(result[name][0]) == set(RETURN[name]["contains"])


def test_roots_are_read_only_where_something_is_verified(host, module, warned):
    host.set(MAIN_CF, smtp_tls_CAfile="/nowhere.pem")
    assert module(domain="a.test", tls="encrypt")["changed"] is True
    assert module(domain="b.test")["problem"]["option"] == "ca_file"
    assert module(domain="b.test", check=True)["changed"] is True
    assert [one for one in warned if "/nowhere.pem does not exist yet" in one]
