# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import ssl

import pytest
import yaml

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    provider as dovecot_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    provider as postfix_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import runner, site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import Prover
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import (
    certificates as certificates_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import proof as proof_module
from ansible_collections.postmaster.secure_channel.plugins.modules import mail_vserver_tls
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    call,
    undocumented,
)
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
    recording,
)

CERTIFICATE = "mx.example.test"
RELEASES = {("postfix-3.7", "dovecot-2.3"): (3, 0), ("postfix-3.10", "dovecot-2.4"): (3, 5)}
RETURN = yaml.safe_load(mail_vserver_tls.RETURN)


class Transaction:
    """Carries changes out on a host that has no machine, without a proof: there is no wire."""

    def __init__(self, host, _participants, *, check_mode, warn):
        self.host = host
        self.check_mode = check_mode

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def apply(self, changes, _participants, probe):
        assert probe
        if not self.check_mode:
            self.host.take(changes)


@pytest.fixture(params=RELEASES, ids="-".join)
def release(request, monkeypatch):
    for module in (postfix_module, dovecot_module):
        monkeypatch.setattr(module, "openssl_library", lambda: TlsLibrary("OpenSSL", RELEASES[request.param]))
    return request.param


@pytest.fixture
def module(release, monkeypatch, capsys):
    """Calls the module on a recorded host."""

    def run(state="stock", *, check=False, host=None, **params):
        host = host or RecordedHost(*release, state=state)
        host.files[f"{STORE}/live/{CERTIFICATE}.pem"] = ssl.DER_cert_to_PEM_cert(b"leaf").encode()
        host.answers["systemctl is-active --quiet dovecot.service"] = ""
        host.answers["ss -Hltnp"] = ""
        monkeypatch.setattr(site, "Host", lambda: host)
        return call(mail_vserver_tls.main, capsys, params, check=check)

    monkeypatch.setattr(runner, "Transaction", Transaction)
    monkeypatch.setattr(certificates_module, "refuse_unusable", lambda _host, _path, _passphrase: None)
    monkeypatch.setattr(Prover, "prove", lambda *_args: [])
    monkeypatch.setattr(proof_module, "in_clear", lambda *_args: [])
    for daemon in (dovecot_module.Dovecot, postfix_module.Postfix):
        monkeypatch.setattr(daemon, "unopened", lambda _daemon: [])
    return run


ONE = {"protocol": "imap", "certificate": CERTIFICATE}


@pytest.mark.parametrize(
    "element",
    [
        {"protocol": "smtp", "certificate": CERTIFICATE},
        {"protocol": "submission", "certificate": CERTIFICATE, "require_secure_channel": True},
        {"protocol": "imap", "certificate": CERTIFICATE, "strength": "modern", "implicit_tls_port": 0},
        {"protocol": "pop3", "certificate": CERTIFICATE, "name": "default", "implicit_tls_port": 10995},
        {"protocol": "smtp", "certificate": CERTIFICATE, "require_secure_channel": True},  # refused
        {"protocol": "imap"},  # refused
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_one_object_and_a_list_of_one_are_the_same(element, check, module):
    assert module(check=check, **element) == module(check=check, vservers=[element])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "one of the following is required: protocol, vservers"),
        ({"certificate": "x"}, "one of the following is required: protocol, vservers"),
        ({**ONE, "vservers": []}, "mutually exclusive"),
        ({"vservers": [{"certificate": "x"}]}, "missing required arguments: protocol"),
        ({"protocol": "gopher"}, f"value of protocol must be one of: {', '.join(PROTOCOLS)}"),
        ({**ONE, "strength": "old"}, f"value of strength must be one of: {', '.join(STRENGTHS)}"),
    ],
)
def test_options_that_do_not_go_together(params, message, module):
    result = module(**params)
    assert result["failed"] is True
    assert message in result["msg"]


@pytest.mark.parametrize("given", [{"require_secure_channel": True}, {"strength": "modern"}, {"name": "second"}])
def test_option_beside_the_list_is_refused(given, module):
    assert module(vservers=[ONE], check=True, **given).get("failed") is True


def test_all_virtual_servers_as_they_were_recorded(release, module):
    vservers = recording(release[0])["vservers"]
    host = RecordedHost(*release, state="secured")
    first = module(host=host, vservers=vservers)
    for_the_next_release = {
        "dovecot-2.3": [
            "/etc/dovecot/conf.d/99-postmaster-imap.conf.2.4",
            "/etc/dovecot/conf.d/99-postmaster-pop3.conf.2.4",
            "/etc/systemd/system/dovecot.service.d/postmaster-secure-channel.conf",
        ]
    }
    copies = [f"{STORE}/deployed/{daemon}/{CERTIFICATE}.pem" for daemon in ("postfix", "dovecot")]
    assert first["files"] == [*copies, *for_the_next_release.get(release[1], ())]
    second = module(host=host, vservers=vservers)
    assert (second["changed"], second["files"], second["activated"]) == (False, [], [])
    assert second["reason"] == "all 4 virtual servers are as desired"
    assert [one["before"] for one in second["vservers"]] == [one["after"] for one in second["vservers"]]
    for one, desired in zip(second["vservers"], vservers):
        assert {key: one["after"][key] for key, value in desired.items() if value is not None} == {
            key: value for key, value in desired.items() if value is not None
        }


def test_result_is_what_is_documented(module):
    result = module(vservers=[{**ONE, "protocol": "smtp"}, ONE])
    own = {key: value for key, value in result.items() if key not in ("changed", "diff")}
    assert undocumented(own, RETURN) == []
    assert set(own) == {key for key, one in RETURN.items() if one["returned"] == "success"}
    documented = RETURN["vservers"]["contains"]
    for one in result["vservers"]:
        assert set(one) == set(documented)
        for state in ("before", "after"):
            assert set(one[state]) == set(documented[state]["contains"])


def test_problem_is_what_is_documented(module):
    result = module(protocol="smtp", certificate="missing")
    assert set(result["problem"]) == set(RETURN["problem"]["contains"])
    assert result["problem"]["object"] == "virtual server smtp/default"
    assert result["problem"]["option"] == "certificate"
    assert result["problem"]["found"] in result["msg"]
    assert result["problem"]["host"] in result["msg"]


def test_check_mode_foresees_the_run(module):
    params = {"vservers": [{**ONE, "protocol": "submission"}, ONE]}
    foreseen = module(check=True, **params)
    assert foreseen == module(**params)
    assert foreseen["changed"] is True
    assert foreseen["activated"] == ["dovecot", "postfix"]  # the one that checks passwords first


def test_the_key_is_not_in_the_result(module):
    result = module(vservers=[ONE])
    assert "BEGIN" not in json.dumps(result)
    assert any(f"certificate {CERTIFICATE} with its key" in one["after"] for one in result["diff"])


def test_dovecot_is_not_asked_the_same_thing_twice(module, release, monkeypatch):
    monkeypatch.setattr(RecordedHost, "ask", Host.ask)
    host = RecordedHost(*release)
    vservers = [{"protocol": one, "certificate": CERTIFICATE} for one in ("smtp", "submission", "imap", "pop3")]
    assert module(host=host, vservers=vservers, check=True)["changed"]
    asked = [one for one in host.asked if one.startswith("doveconf ")]
    assert asked
    assert sorted(asked) == sorted(set(asked))
