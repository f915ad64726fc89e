# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import Halt, Process
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    Endpoint,
    NamedCertificate,
    SaslSocket,
    TlsLibrary,
    Vserver,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import base as base_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    Capabilities,
    Down,
    Plan,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.probe import Sight, expected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import carry_out
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site as OnHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import (
    certificates as certificates_module,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import proof as proof_module
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.service import Vservers
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import (
    STORE,
    RecordedHost,
)

# ---- the call


def written(fields):
    """A virtual server from its own result."""
    sni = tuple(NamedCertificate(**one) for one in fields.pop("sni"))
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return Vserver(**{**fields, **lists, "sni": sni})


class Daemon(Provider):
    """A daemon with one file for each protocol, in which the virtual server stands as it is.

    Attributes:
        loaded: what it has read when it was last activated.
        hidden: what another file sets, whatever stands in ours.
    """

    host: Any
    unit = "dovecot.service"
    config_roots = ()
    settings = ()
    needs: tuple[SaslSocket, ...] = ()
    offers: bytes | None = None
    alive = True
    known = True
    warnings = ()

    def __init__(self, host, store):
        super().__init__(host, store)
        self.hidden: dict[str, Any] = {}
        self.activate()

    @classmethod
    def installed(cls, host):
        return True

    def capabilities(self):
        return Capabilities((9, 9), self.known, TlsLibrary("OpenSSL", (3, 0)), ("root", self.name, 0o640))

    def path(self, protocol):
        return f"/etc/{self.name}/{protocol}.cf"

    def read(self):
        found = {}
        for protocol in sorted(self.protocols):
            content = self.host.read(self.path(protocol))
            if content:
                found[protocol, "default"] = replace(written(json.loads(content)), **self.hidden)
        return found

    def plan(self, desired):
        changes = [
            FileChange(self.path(one.protocol), json.dumps(one.as_result()).encode() if one.present else None)
            for one in desired
        ]
        return Plan(changes, self.settings, self.needs, warnings=self.warnings)

    def offer(self, socket):
        return None if self.offers is None else (FileChange(f"/etc/{self.name}/auth.cf", self.offers),)

    def endpoints(self, vserver):
        return [Endpoint("127.0.0.1", PROTOCOLS[vserver.protocol].port, vserver.protocol, implicit_tls=False)]

    def check(self, run, mirrors):
        raise NotImplementedError

    def activate(self, run=None):
        self.loaded = {path: content for path, content in self.host.files.items() if f"/{self.name}/" in path}

    def running(self):
        return self.alive


class Postfix(Daemon):
    name = "postfix"
    protocols = frozenset({"smtp", "submission"})
    processes = frozenset({"master"})
    packages: ClassVar = {"smtp": "postfix", "submission": "postfix"}


class Dovecot(Daemon):
    name = "dovecot"
    protocols = frozenset({"imap", "pop3"})
    processes = frozenset({"dovecot"})
    packages: ClassVar = {"imap": "dovecot-imapd", "pop3": "dovecot-pop3d"}


class Transaction:
    """Stands for a transaction over a host that has no machine."""

    def __init__(self, host, check_mode=False):
        self.host = host
        self.check_mode = check_mode
        self.paths = []
        self.activated = []

    def apply(self, changes, participants, probe):
        if self.check_mode:
            return
        self.paths = [change.path for change in changes]
        self.host.take(changes)
        for one in participants:
            one.activate()
            self.activated.append(one.name)
        probe()


def bundle(leaf):
    return b"key\n-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % base64.b64encode(leaf)


class Site:
    """A host with two daemons and one certificate."""

    def __init__(self):
        self.host = RecordedHost()
        self.host.files[f"{STORE}/live/mx.pem"] = bundle(b"first")
        self.store = Store(self.host, STORE)
        self.postfix = Postfix(self.host, self.store)
        self.dovecot = Dovecot(self.host, self.store)
        self.providers = {"postfix": self.postfix, "dovecot": self.dovecot}
        self.unusable = ""
        self.listening = [
            Listening("0.0.0.0:25", frozenset({"master"})),
            Listening("0.0.0.0:143", frozenset({"dovecot"})),
        ]
        self.unseen = ""

    def prover(self, _ways_in, patience):
        return SimpleNamespace(prove=partial(self.prove_vserver, patience))

    def prove_vserver(self, patience, provider, vserver, others, leaf_of):
        assert vserver in others
        sights = []
        for endpoint, expectation in expected(provider, vserver, leaf_of):
            self.prove(endpoint, expectation, vserver.title, patience)
            sights.append(Sight(endpoint, self.unseen))
        return sights

    def prove(self, endpoint, expectation, subject, patience):
        (daemon,) = [one for one in self.providers.values() if endpoint.protocol in one.protocols]
        content = daemon.loaded.get(f"{STORE}/deployed/{daemon.name}/mx.pem", b"")
        if daemon.path(endpoint.protocol) not in daemon.loaded or not any(
            base64.b64encode(leaf) in content for leaf in expectation.leaves
        ):
            raise Problem(f"{endpoint.title} shows another certificate than the live one", "look", subject=subject)

    def refuse_unusable(self, _host, _path, _passphrase):
        if self.unusable:
            raise Problem(self.unusable, "renew it", option="certificate")

    def run(self, *vservers, check_mode=False):
        self.transaction = Transaction(self.host, check_mode)
        transaction: Any = self.transaction
        known = (Postfix, Dovecot)
        on_host = OnHost(self.host, self.store, check_mode, known, lambda _host, _store: self.providers)
        return carry_out(Vservers(on_host), vservers, transaction)


@pytest.fixture
def site(monkeypatch):
    found = Site()
    monkeypatch.setattr(proof_module, "Prover", found.prover)
    monkeypatch.setattr(proof_module, "listening", lambda _host, processes: [])
    monkeypatch.setattr(proof_module, "in_clear", lambda *_args: [])
    monkeypatch.setattr(OnHost, "sockets", lambda _site: found.listening)
    monkeypatch.setattr(certificates_module, "refuse_unusable", found.refuse_unusable)
    return found


IMAP = Vserver("imap", certificate="mx", implicit_tls_port=993)
POP3 = Vserver("pop3", certificate="mx", implicit_tls_port=995)
SMTP = Vserver("smtp", certificate="mx")
SUBMISSION = Vserver("submission", certificate="mx", implicit_tls_port=465, require_secure_channel=True)


def reasons(report):
    return {one["protocol"]: (one["changed"], one["reason"]) for one in report.result["vservers"]}


def test_first_run(site):
    report = site.run(SMTP, IMAP)
    assert report.result["files"] == [
        "/etc/postmaster/deployed/postfix/mx.pem",
        "/etc/postmaster/deployed/dovecot/mx.pem",
        "/etc/postfix/smtp.cf",
        "/etc/dovecot/imap.cf",
    ]
    assert site.transaction.paths == report.result["files"]
    assert report.result["activated"] == site.transaction.activated == ["postfix", "dovecot"]
    assert reasons(report) == {"smtp": (True, "absent -> present"), "imap": (True, "absent -> present")}
    assert site.host.state("/etc/postmaster/deployed/dovecot/mx.pem") == FileState("root", "dovecot", 0o640)
    assert [(one["before"], one["after"]) for one in report.result["vservers"]] == [
        (None, SMTP.as_result()),
        (None, IMAP.as_result()),
    ]
    assert [one["provider"] for one in report.result["vservers"]] == ["postfix", "dovecot"]
    assert report.result["reason"] == "smtp/default: absent -> present; imap/default: absent -> present"


def test_second_run(site):
    site.run(SMTP, IMAP)
    report = site.run(SMTP, IMAP)
    assert (report.result["files"], report.result["diff"], report.result["activated"]) == ([], [], [])
    assert reasons(report) == {"smtp": (False, "as desired"), "imap": (False, "as desired")}
    assert report.result["reason"] == "all 2 virtual servers are as desired"


def test_only_the_daemon_that_differs_is_disturbed(site):
    site.run(SMTP, IMAP, POP3)
    changed = replace(IMAP, require_secure_channel=True, implicit_tls_port=0)
    report = site.run(SMTP, changed, POP3)
    assert report.result["files"] == ["/etc/dovecot/imap.cf"]
    assert report.result["activated"] == ["dovecot"]
    assert reasons(report) == {
        "smtp": (False, "as desired"),
        "imap": (True, "require_secure_channel: False -> True; implicit_tls_port: 993 -> 0"),
        "pop3": (False, "as desired"),
    }


def test_settings_that_are_nobodys(site):
    found = Vserver("imap", certificate="", strength="", implicit_tls_port=993)
    site.host.files["/etc/dovecot/imap.cf"] = json.dumps(found.as_result()).encode()
    assert reasons(site.run(IMAP))["imap"] == (
        True,
        "certificate: none of ours -> mx; strength: none of ours -> intermediate",
    )


def test_renewed_certificate(site):
    site.run(IMAP, POP3)
    site.host.files[f"{STORE}/live/mx.pem"] = bundle(b"second")
    report = site.run(IMAP, POP3)
    assert report.result["files"] == ["/etc/postmaster/deployed/dovecot/mx.pem"]
    assert set(reasons(report).values()) == {(True, "certificate: mx has been renewed")}


def test_files_that_differ_in_nothing_that_has_a_name(site):
    site.run(IMAP)
    site.host.files["/etc/dovecot/imap.cf"] += b" "
    assert reasons(site.run(IMAP))["imap"] == (True, "settings differ in /etc/dovecot/imap.cf")


def test_mode_of_the_deployed_copy_is_kept_up(site):
    site.run(IMAP)
    site.host.states["/etc/postmaster/deployed/dovecot/mx.pem"] = FileState("root", "dovecot", 0o644)
    site.transaction.activated.clear()
    report = site.run(IMAP)
    assert report.result["files"] == ["/etc/postmaster/deployed/dovecot/mx.pem"]
    assert (report.result["activated"], site.transaction.activated) == ([], [])  # what it has loaded is the same


def test_a_daemon_that_stands_still_is_refused_before_it_is_asked_anything(site, monkeypatch):
    stopped = Halt(Process(7, "dovecot", "T", 1, 7, 0, 0), "is stopped", "kill -CONT 7")
    monkeypatch.setattr(base_module, "halt", lambda names: stopped if "dovecot" in names else None)
    monkeypatch.setattr(Dovecot, "read", lambda _self: pytest.fail("it would wait for ever"))
    with pytest.raises(Problem, match=r"dovecot: it stands still: its process 7 \(dovecot\) is stopped") as caught:
        site.run(IMAP)
    assert "'kill -CONT 7'" in caught.value.remedy
    assert "'systemctl restart dovecot.service'" in caught.value.remedy
    site.run(SMTP)


def test_daemon_that_has_not_read_its_files_is_activated(site):
    site.run(SMTP, IMAP)
    site.dovecot.loaded = {}  # an earlier run died between writing and activating
    report = site.run(SMTP, IMAP, check_mode=True)
    assert (report.result["files"], report.result["activated"], site.transaction.activated) == ([], ["dovecot"], [])
    report = site.run(SMTP, IMAP)
    assert (report.result["files"], report.result["activated"], site.transaction.activated) == (
        [],
        ["dovecot"],
        ["dovecot"],
    )
    assert reasons(report)["smtp"] == (False, "as desired")
    changed, reason = reasons(report)["imap"]
    assert changed
    assert reason.startswith("the running daemon has not read its files: imap on 127.0.0.1 port 143 shows another")


def test_wire_that_does_not_show_it(site, monkeypatch):
    def refuse(endpoint, _expectation, subject, _patience):
        raise Problem(f"{endpoint.title} is silent", "look", subject=subject)

    monkeypatch.setattr(site, "prove", refuse)
    with pytest.raises(Problem, match=r"imap on 127.0.0.1 port 143 is silent") as caught:
        site.run(IMAP)
    assert caught.value.subject == "virtual server imap/default"


@pytest.mark.parametrize("second", [False, True])
def test_settings_that_another_file_hides(second, site):
    if second:
        site.run(IMAP)
    site.dovecot.hidden = {"strength": ""}
    with pytest.raises(
        Problem, match=r"dovecot does not use them \(strength: none of ours -> intermediate\)"
    ) as caught:
        site.run(IMAP)
    assert caught.value.subject == "virtual server imap/default"


# ---- one daemon that needs another

SOCKET = SaslSocket("/var/spool/postfix/private/auth", "postfix", "postfix")


@pytest.mark.parametrize("vservers", [(SUBMISSION,), (SUBMISSION, IMAP), (IMAP, SUBMISSION)])
def test_helper_is_activated_first(vservers, site):
    site.postfix.needs = (SOCKET,)
    site.dovecot.offers = b"socket"
    report = site.run(*vservers)
    assert "/etc/dovecot/auth.cf" in report.result["files"]
    assert report.result["activated"] == site.transaction.activated == ["dovecot", "postfix"]
    again = site.run(*vservers)
    assert (again.result["files"], again.result["activated"]) == ([], [])


def test_helper_that_has_arranged_it_already_is_left_alone(site):
    site.postfix.needs = (SOCKET,)
    site.dovecot.offer = lambda _socket: ()
    assert site.run(SUBMISSION).result["activated"] == ["postfix"]


def test_helper_alone_differs(site):
    site.postfix.needs = (SOCKET,)
    site.dovecot.offers = b"socket"
    site.run(SUBMISSION)
    del site.host.files["/etc/dovecot/auth.cf"]
    report = site.run(SUBMISSION)
    assert (report.result["files"], report.result["activated"]) == (["/etc/dovecot/auth.cf"], ["dovecot"])
    assert report.result["reason"] == "files differ: /etc/dovecot/auth.cf"


def test_a_helper_that_refuses_its_own_configuration_is_named_as_down_if_it_is(site, monkeypatch):
    def refuse(*_args):
        raise Problem("line 5: unknown", "fix it, then run again", option="/etc/x:5")

    site.postfix.needs = (SOCKET,)
    monkeypatch.setattr(site.dovecot, "offer", refuse)
    with pytest.raises(Problem, match=r"x:5: line 5: unknown\."):
        site.run(SUBMISSION)
    monkeypatch.setattr(site.dovecot, "read", refuse)
    monkeypatch.setattr(site.dovecot, "alive", False)
    with pytest.raises(Down, match="dovecot is installed but does not run: line 5: unknown") as caught:
        site.run(SUBMISSION)
    assert caught.value.option == "/etc/x:5"


def test_nobody_can_help(site):
    site.postfix.needs = (SOCKET,)
    with pytest.raises(Problem, match="nothing on this host can check the passwords"):
        site.run(SUBMISSION)


# ---- what cannot be done


def test_declared_twice(site):
    with pytest.raises(Problem, match="declared twice") as caught:
        site.run(IMAP, replace(IMAP, strength="modern"))
    assert caught.value.subject == "virtual server imap/default"
    assert site.transaction.paths == []


def test_no_daemon(site):
    del site.providers["dovecot"]
    with pytest.raises(Problem, match=r"no daemon that can serve imap is installed.*dovecot-imapd") as caught:
        site.run(SMTP, IMAP)
    assert (caught.value.subject, caught.value.option) == ("virtual server imap/default", "protocol")


def test_daemon_that_does_not_run(site):
    site.dovecot.alive = False
    with pytest.raises(Problem, match=r"dovecot is installed but does not run.*systemctl restart dovecot"):
        site.run(IMAP)


def test_no_such_certificate(site):
    with pytest.raises(Problem, match=r"no live certificate 'other' on this host \(there are: mx\)") as caught:
        site.run(replace(IMAP, certificate="other"))
    assert (caught.value.subject, caught.value.option) == ("virtual server imap/default", "certificate")
    del site.host.files[f"{STORE}/live/mx.pem"]
    with pytest.raises(Problem, match=r"\(there are: none\)"):
        site.run(IMAP)


def test_certificate_that_no_server_could_use(site):
    site.unusable = "the certificate has expired"
    with pytest.raises(Problem, match="has expired") as caught:
        site.run(IMAP)
    assert (caught.value.subject, caught.value.option) == ("virtual server imap/default", "certificate")
    assert site.transaction.paths == []


def test_certificate_that_was_usable_when_it_was_bound_does_not_fail_later_runs(site):
    site.run(IMAP)
    site.unusable = "the certificate has expired"
    assert site.run(IMAP).result["files"] == []


def test_check_mode_before_the_certificate_is_there(site):
    del site.host.files[f"{STORE}/live/mx.pem"]
    before = dict(site.host.files)
    report = site.run(SMTP, IMAP, check_mode=True)
    assert {one["protocol"] for one in report.result["vservers"] if one["changed"]} == {"smtp", "imap"}
    assert "/etc/postmaster/deployed/dovecot/mx.pem" in report.result["files"]
    assert site.host.files == before
    assert site.transaction.activated == []


def test_check_mode_says_what_the_run_will(site):
    foreseen = site.run(SMTP, IMAP, check_mode=True)
    report = site.run(SMTP, IMAP)
    assert (foreseen.result.pop("proofs"), len(report.result.pop("proofs"))) == ([], 2)
    assert report == foreseen


def test_keys_are_not_in_the_diff(site):
    text = json.dumps(site.run(IMAP).result["diff"])
    assert "certificate mx with its key" in text
    assert "BEGIN" not in text


def test_unknown_version_is_warned_of(site):
    site.dovecot.known = False
    site.postfix.warnings = ("of the daemon",)
    assert site.run(SMTP, IMAP).warnings == [
        "of the daemon",
        "dovecot 9.9 is newer than any version this collection was tested with",
    ]


def seen(report):
    return [(one["seen"], one["unseen"]) for one in report.result["proofs"]]


def test_what_was_seen(site):
    place = {"address": "127.0.0.1", "port": 143}
    for report in (site.run(IMAP), site.run(IMAP), site.run(IMAP, check_mode=True)):
        assert (seen(report), report.warnings) == ([([place], [])], [])
    assert seen(site.run(POP3, check_mode=True)) == []


def test_what_this_host_cannot_see(site):
    site.unseen = "the server greets with '550 not you'"
    report = site.run(IMAP)
    assert seen(report) == [([], [{"address": "127.0.0.1", "port": 143, "reason": site.unseen}])]
    (warning,) = report.warnings
    assert warning.startswith(
        "virtual server imap/default: this host cannot see itself at 127.0.0.1 port 143 (the server"
    )
    assert not site.run(IMAP).result["changed"]


def test_a_daemon_that_does_not_listen_as_its_files_say(site, monkeypatch):
    closed = [("0.0.0.0", 143), ("0.0.0.0", 4190)]
    monkeypatch.setattr(proof_module, "slowness", lambda: 0.0)
    monkeypatch.setattr(Dovecot, "unopened", lambda _daemon: closed)
    with pytest.raises(Problem, match=r"but it does not listen on 0\.0\.0\.0 port 143\. See"):
        site.run(replace(IMAP, port=143))
    with pytest.raises(Problem, match="does not listen"):
        site.run(replace(IMAP, port=143))
    monkeypatch.setattr(Dovecot, "activate", lambda _daemon: closed.clear())
    report = site.run(replace(IMAP, port=143))
    assert reasons(report)["imap"] == (
        True,
        "the running daemon has not read its files: it does not listen on 0.0.0.0 port 143",
    )
    assert site.transaction.activated == ["dovecot"]
