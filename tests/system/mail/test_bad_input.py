# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BadInput input gets one clear error, and the host stays byte for byte as it was and goes on serving."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NOW,
    Authority,
    distinguished,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.site_root import OwnRoot
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import (
    MENDED,
    NOT_INSTALLED,
    ODD,
    SPARE,
    SPOILED,
    START_DOVECOT,
    START_POSTFIX,
    STOP_DOVECOT,
    STOP_POSTFIX,
    UNSPOILED,
    BadInput,
    BadInputPlay,
    Refusals,
    answered,
    handed,
    partner,
    requested,
    sent,
    served,
    spoil_dovecot,
    spoil_main_cf,
    vserver,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import MX, Phase

MAIN_CF, IMAP = "/etc/postfix/main.cf", "virtual server imap/default"
NO_SETTING, NO_VALUE = "this is no setting", "smtpd_tls_ask_ccert = perhaps"

CERTIFICATES = (
    answered("for another key", "does not belong to the key of the pending request", "send the CA the request"),
    answered("expired", "the certificate expired on", "get a new one"),
    answered("wrong name", f"does not cover {SPARE}", "subject alternative names"),
    answered("missing intermediate", "the issuer CN=Intermediate", "add its certificate to the answer", "chain"),
    answered("unknown root", "CN=Stranger", "trust_store", "chain"),
    answered("garbage", "there is no certificate in it", "give the certificate that the CA sent"),
    answered("cut off", "cut off", "get the file from the CA again"),
)
NO_FILES = (
    handed("FIFO", "a FIFO, not a regular file", before=f"mkfifo {ODD}"),
    handed("device", "a device, not a regular file", before=f"ln -s /dev/zero {ODD}"),
    handed("directory", "a directory, not a regular file", before=f"mkdir {ODD}"),
    handed("endless file", "has more than 16777216 bytes", before=f"truncate -s 1T {ODD}"),
    handed(
        "file of blanks",
        "there is no certificate in it",
        before=f"head -c 1000000 /dev/zero | tr '\\0' ' ' >{ODD}; echo '!' >>{ODD}",
    ),
    handed(
        "beginnings without an end",
        "cut off",
        before=f"yes -- '-----BEGIN CERTIFICATE-----' | head -c 1000000 >{ODD}",
    ),
    requested("FIFO for the request's copy", "a FIFO, not a regular file", before=f"mkfifo {ODD}"),
    sent(
        "FIFO of roots",
        partner(ca_file=ODD),
        "ca_file",
        "a FIFO",
        "regular file",
        subject="",
        before=f"mkfifo {ODD}",
        after=f"rm {ODD}",
    ),
)
OPTIONS = (
    served(
        "unknown certificate", vserver("imap", certificate="no.test"), "certificate", "no.test", "mail_cert_install"
    ),
    served(
        "clear text refused on an MX",
        vserver("smtp", require_secure_channel=True),
        "require_secure_channel",
        "RFC 3207",
        "refuse_strangers_in_clear",
    ),
    served("no port", vserver("imap", implicit_tls_port=70000), "implicit_tls_port", "70000", "registered port"),
    served("port in use", vserver("imap", implicit_tls_port=143), "implicit_tls_port", "143", "registered port"),
    served(
        "declared twice", {"vservers": [vserver("imap")] * 2}, "protocol", "declared twice", "keep one", subject=IMAP
    ),
    served(
        "one bad one among good ones",
        {"vservers": [vserver("smtp"), vserver("imap", certificate="no.test")]},
        "certificate",
        "no.test",
        "mail_cert_install",
        subject=IMAP,
    ),
    sent("password without user name", partner(password="secret"), "username", "no username", "give both"),
    sent("user name without password", partner(username="relay"), "password", "no password", "give both"),
    sent(
        "account without TLS",
        partner(username="relay", password="secret", tls="may"),
        "tls",
        "may",
        "allow it with auth_cleartext",
    ),
    sent("port where TLS starts at once", partner(relay_port=465, tls="may"), "tls", "465", "587"),
    sent("port without a host", {"domain": "partner.test", "relay_port": 587}, "relay_port", "without a host", "give"),
    sent("fingerprint that is none", partner(tls="fingerprint", fingerprints=["ab:cd"]), "fingerprints", "ab:cd", "64"),
    sent(
        "DANE without a resolver that validates",
        partner(tls="dane"),
        "tls",
        "DNSSEC",
        "resolver",
        subject="",
    ),
    sent("no host name", partner(relay_host="[mail]:587"), "relay_host", "[mail]:587", "without brackets"),
    sent(
        "a line of its own in main.cf",
        partner(ca_file="/etc/ssl/x\nmynetworks = 0.0.0.0/0"),
        "ca_file",
        "a line break",
        "take it out",
    ),
    sent("a parameter for Postfix to put in", partner(ca_file="/etc/${x}"), "ca_file", "there is '$'", "use letters"),
    served("a store with a meaning", vserver("imap", store="/etc/x;y"), "store", "there is ';'", "use letters"),
    sent(
        "a password that is a dictionary", partner(username="u", password={"a": "b"}), "password", "not shown", "quotes"
    ),
    sent("no roots", partner(ca_file="/no.pem"), "ca_file", "/no.pem", "CA certificates", subject=""),
)
DAEMONS = (
    served(
        "main.cf with a broken line",
        vserver("smtp"),
        MAIN_CF,
        "Postfix refuses",
        "postfix check",
        subject="",
        before=spoil_main_cf(NO_SETTING),
        after=MENDED,
    ),
    sent(
        "main.cf with a broken line, outgoing",
        partner(),
        MAIN_CF,
        "Postfix refuses",
        "postfix check",
        subject="",
        before=spoil_main_cf(NO_SETTING),
        after=MENDED,
    ),
    served(
        "main.cf with a value that Postfix refuses",
        vserver("smtp"),
        "/etc/postfix",
        "smtpd_tls_ask_ccert = perhaps",
        "fix /etc/postfix/main.cf",
        subject="",
        before=spoil_main_cf(NO_VALUE),
        after=MENDED,
        staged=True,
    ),
    served(
        "Dovecot's files with a broken line",
        vserver("imap"),
        SPOILED,
        "Dovecot refuses",
        "doveconf",
        subject="",
        before=spoil_dovecot("nonsense"),
        after=UNSPOILED,
    ),
    served(
        "Dovecot's files with a value that it refuses",
        vserver("imap"),
        SPOILED,
        "Dovecot refuses",
        "doveconf",
        subject="",
        before=spoil_dovecot("ssl = perhaps"),
        after=UNSPOILED,
    ),
    served(
        "Dovecot stopped",
        vserver("imap"),
        "protocol",
        "dovecot is installed but does not run",
        "systemctl restart dovecot",
        before=STOP_DOVECOT,
        after=START_DOVECOT,
    ),
    served(
        "Postfix stopped",
        vserver("smtp"),
        "protocol",
        "postfix is installed but does not run",
        "systemctl restart postfix",
        before=STOP_POSTFIX,
        after=START_POSTFIX,
    ),
    sent(
        "Postfix stopped, outgoing",
        partner(),
        "",
        "postfix is installed but does not run",
        "systemctl restart postfix",
        subject="",
        before=STOP_POSTFIX,
        after=START_POSTFIX,
    ),
)
BAD = (*CERTIFICATES, *NO_FILES, *OPTIONS, *DAEMONS)
# Ansible compares a call with the module's list of options; what it says has no parts.
NO_CALLS = (
    served("unknown protocol", vserver("gopher"), "protocol", "value of protocol must be one of: smtp, submission", ""),
    served("both forms", {**vserver("imap"), "vservers": []}, "", "mutually exclusive: protocol|vservers", ""),
    served(
        "neither form", {"store": "/etc/postmaster"}, "", "one of the following is required: protocol, vservers", ""
    ),
)
each_bad = pytest.mark.parametrize("bad", BAD, ids=[one.name for one in BAD])
each_not_installed = pytest.mark.parametrize("bad", NOT_INSTALLED, ids=[one.name for one in NOT_INSTALLED])


def write_answers(site: Site, host: Host, request: str, directory: Path) -> None:
    """What a careless CA could answer."""
    root = OwnRoot(site)
    intermediate = Authority("Intermediate", above=root)
    good = pem(root.answer(request))
    for kind, content in {
        "for another key": pem(root.certify(new_key().public_key(), distinguished(SPARE), (SPARE,))),
        "expired": pem(root.answer(request, not_before=NOW - 90 * DAY, not_after=NOW - DAY)),
        "wrong name": pem(root.answer(request, names=("other.example.test",))),
        "missing intermediate": pem(intermediate.answer(request)),
        "unknown root": pem(Authority("Stranger").answer(request)),
        "garbage": b"<html>Please log in</html>\n",
        "cut off": good[: len(good) // 2],
    }.items():
        (directory / f"{kind}-{host.name}").write_bytes(content)


@pytest.fixture(scope="session")
def refusals(lab: Lab, ansible: Ansible, site: Site, workshop: Path, secured: Phase) -> Refusals:
    """All bad input, on mx1 and mx2."""
    assert secured
    answers = workshop / "answers"
    answers.mkdir()
    play = BadInputPlay("bad", (*NO_CALLS, *BAD))
    hosts = [lab.hosts[name] for name in MX]
    with left_as_found(lab, MX, "bad input"):
        asked = ansible.module("mx*", "mail_cert_request", name=SPARE, key_type="ECDSA_P256").assert_success()
        for host in hosts:
            write_answers(site, host, asked.one(host.name).result["requests"][0]["csr"], answers)
        starts = {host.name: mail_daemons.cursor(lab, host) for host in hosts}
        run = ansible.play("mx*", play.tasks, strategy="free", answers=str(answers))
        journal = {host.name: mail_daemons.journal_since(lab, host, starts[host.name]) for host in hosts}
        for host in hosts:
            lab.ask(host, "rm", "-r", f"/etc/postmaster/pending/{SPARE}")
    return Refusals(run, play, {host.name: snapshots.hashes(lab, host) for host in hosts}, journal)


def assert_refused(refusals: Refusals, host: Host, bad: BadInput) -> None:
    """There was one clear error, which names host, object, option and remedy."""
    (result,) = [one for one in refusals.run.of(host.name) if one.task == bad.call]
    assert result.status == "failed", result.result
    message, problem = result.result["msg"], result.result["problem"]
    assert "\n" not in message
    assert problem["host"] == host.name
    assert problem["object"] == bad.subject
    # of a file in which a daemon finds a fault, the line is named as well
    assert problem["option"] == bad.option or re.fullmatch(rf"{re.escape(bad.option)}:\d+", problem["option"])
    assert bad.found in problem["found"]
    assert bad.remedy in problem["remedy"]
    for part in problem.values():
        assert part.lower() in message.lower()
    assert not result.result["changed"]


def assert_as_it_was(lab: Lab, refusals: Refusals, host: Host, bad: BadInput) -> None:
    """The host is as it was before the call."""
    before, after = refusals.play.snapshots[bad.name]
    hashes = refusals.hashes[host.name]
    if hashes[before] != hashes[after]:
        compare = snapshots.assert_restored if bad.staged else snapshots.assert_same
        compare(*(snapshots.load(lab, host, label) for label in (before, after)))


@each_bad
def test_it_gets_one_error_that_names_host_object_option_and_remedy(
    refusals: Refusals, host: Host, bad: BadInput
) -> None:
    assert_refused(refusals, host, bad)


@pytest.mark.parametrize("bad", [*NO_CALLS, *BAD], ids=[one.name for one in (*NO_CALLS, *BAD)])
def test_the_host_stays_byte_for_byte_as_it_was(lab: Lab, refusals: Refusals, host: Host, bad: BadInput) -> None:
    assert_as_it_was(lab, refusals, host, bad)


def test_nothing_else_goes_wrong(refusals: Refusals) -> None:
    assert_nothing_else(refusals, (*NO_CALLS, *BAD))


def assert_nothing_else(refusals: Refusals, kinds: Sequence[BadInput]) -> None:
    """Each call failed as it should, once on each host, and everything else succeeded."""
    assert not [result for result in refusals.run.results if result.status != "ok" and not result.ignored]
    assert errors_shown(refusals.run.out) == 2 * len(kinds), refusals.run.out
    assert "Traceback" not in refusals.run.out


def errors_shown(out: str) -> int:
    """How many errors somebody at the terminal sees."""
    return len(re.findall(r"^fatal: \[", out, re.MULTILINE))


def test_no_daemon_is_reloaded_for_it(refusals: Refusals, host: Host) -> None:
    assert mail_daemons.reloads(refusals.journal[host.name]) == 0
    assert mail_daemons.starts(refusals.journal[host.name]) == len([bad for bad in DAEMONS if "stopped" in bad.name])


def test_the_host_serves_as_before(refusals: Refusals, clients: Clients, host: Host) -> None:
    assert refusals
    clients.assert_serves(host)


def test_mail_flows_as_before(refusals: Refusals, lab: Lab, host: Host, peer: Host) -> None:
    assert refusals
    token = f"after all that, to {host.name}"
    mail_daemons.send(lab, peer, f"alice@{host.fqdn}", token)
    assert "with ESMTPSA id" in mail_daemons.wait_for_message(lab, host, "alice", token)


@pytest.mark.parametrize("bad", NO_CALLS, ids=[one.name for one in NO_CALLS])
def test_ansible_itself_refuses_what_is_no_call(refusals: Refusals, host: Host, bad: BadInput) -> None:
    (result,) = [one for one in refusals.run.of(host.name) if one.task == bad.call]
    assert result.status == "failed"
    assert bad.found in result.result["msg"]


# ---- without the daemons


@each_not_installed
def test_what_is_not_installed_gets_one_error_too(refusals_without_daemons: Refusals, old: Host, bad: BadInput) -> None:
    assert_refused(refusals_without_daemons, old, bad)


@each_not_installed
def test_a_host_without_the_daemon_stays_as_it_was(
    lab: Lab, refusals_without_daemons: Refusals, old: Host, bad: BadInput
) -> None:
    assert_as_it_was(lab, refusals_without_daemons, old, bad)


def test_nothing_else_goes_wrong_without_daemons(refusals_without_daemons: Refusals) -> None:
    assert_nothing_else(refusals_without_daemons, NOT_INSTALLED)
