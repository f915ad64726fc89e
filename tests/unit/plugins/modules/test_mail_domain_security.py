# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import glob

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.postmaster.secure_channel.plugins.modules import mail_domain_security
from ansible_collections.postmaster.secure_channel.tests.unit.plugins.module_utils.authorities import (
    call,
    undocumented,
)
from ansible_collections.postmaster.secure_channel.tests.unit.plugins.module_utils.recorded_hosts import RecordedHost

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

    def apply(self, changes, _participants):
        if not self.check_mode:
            self.host.take(changes)


@pytest.fixture(params=["postfix-3.7", "postfix-3.10"])
def host(request):
    return RecordedHost(request.param)


@pytest.fixture
def warned(monkeypatch):
    """The warnings. Ansible would keep them for the next module that runs in this process."""
    found: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: found.append(text))
    return found


@pytest.fixture
def module(host, warned, monkeypatch, capsys):
    """Calls the module on a recorded host."""
    monkeypatch.setattr(mail_domain_security, "Host", lambda _run_command: host)
    monkeypatch.setattr(mail_domain_security, "Transaction", Transaction)
    monkeypatch.setattr(glob, "glob", lambda _pattern: ["libplain.so"])

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
        "TLS policy: none -> [mail.partner.example]:587 secure; account: set; "
        "other.example: TLS policy: none -> other.example encrypt"
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
