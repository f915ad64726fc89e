# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts that demand TLS of partners, who send to them with swaks from their own addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run

MODULE = "postmaster.secure_channel.mail_domain_security"
# last parts of addresses of the host where the partners are, which its tests of outgoing mail use as well
ADDRESS, IN_NETWORK, NAMED, NAMELESS = 211, 213, 214, 215
NAME = "sends.name.test"
# what the administrator has written, which must stay in force and come back byte for byte
OWN = "smtpd_sender_restrictions = reject_non_fqdn_sender,\n# theirs\n   reject_unlisted_sender\n"


@dataclass(frozen=True)
class Attempt:
    """One session with one message.

    Attributes:
        sender: of the envelope.
        tls: whether STARTTLS is used.
        certificate: the client's certificate, ``right`` or ``wrong``; empty for none.
        source: last part of the client's address; 0 for the host's own.
    """

    sender: str
    tls: bool = False
    certificate: str = ""
    source: int = 0


ATTEMPTS = {
    "clear text": Attempt("x@partner.test"),
    "clear text, other case": Attempt("X@PARTNER.Test"),
    "clear text, final full stop": Attempt("x@partner.test."),
    "TLS": Attempt("x@partner.test", tls=True),
    "below, clear text": Attempt("x@below.partner.test"),
    "another name, clear text": Attempt("x@notpartner.test"),
    "stranger, clear text": Attempt("x@stranger.test"),
    "null sender, clear text": Attempt("<>"),
    "all below, clear text": Attempt("x@deep.below.wide.test"),
    "all below, TLS": Attempt("x@deep.below.wide.test", tls=True),
    "address, clear text": Attempt("x@stranger.test", source=ADDRESS),
    "address, null sender, clear text": Attempt("<>", source=ADDRESS),
    "address, TLS": Attempt("x@stranger.test", tls=True, source=ADDRESS),
    "network, clear text": Attempt("x@stranger.test", source=IN_NETWORK),
    "name, clear text": Attempt("x@stranger.test", source=NAMED),
    "name, TLS": Attempt("x@stranger.test", tls=True, source=NAMED),
    "another address, clear text": Attempt("x@stranger.test", source=NAMELESS),
    "certificate, clear text": Attempt("x@certified.test"),
    "certificate, none": Attempt("x@certified.test", tls=True),
    "certificate, wrong": Attempt("x@certified.test", tls=True, certificate="wrong"),
    "certificate, right": Attempt("x@certified.test", tls=True, certificate="right"),
    "key, wrong": Attempt("x@keyed.test", tls=True, certificate="wrong"),
    "key, right": Attempt("x@keyed.test", tls=True, certificate="right"),
    "stranger, any certificate": Attempt("x@stranger.test", tls=True, certificate="wrong"),
    "another partner, any certificate": Attempt("x@partner.test", tls=True, certificate="wrong"),
    "own rule": Attempt("x@unqualified"),
}


@dataclass
class Received:
    """The outcome of all phases.

    Attributes:
        answers: by host and attempt, the server's refusal; empty where the message was taken.
        runs: the runs of Ansible, by phase.
        snapshots: by host, names, owners, modes and contents of all configuration: before, with the demands, after.
        hidden: by host, the same before and after a call that cannot be done.
    """

    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    snapshots: dict[str, list[str]] = field(default_factory=dict)
    hidden: dict[str, list[str]] = field(default_factory=dict)


def _tree(lab: Lab, host: Host) -> str:
    script = "find /etc/postfix /etc/postmaster -type f -printf '%p %m %u:%g\\n' -exec sha256sum {} + 2>/dev/null"
    return lab.shell(host, f"{{ {script} || true; }} | sort")


def _certificates(lab: Lab, host: Host) -> tuple[str, str]:
    """Make both of the clients' certificates; the fingerprints of the right one and of its key."""
    lab.shell(
        host,
        f"mkdir -p {WORK}; cd {WORK}; for name in right wrong; do openssl req -x509 -newkey rsa:2048 -nodes"
        " -keyout $name.key -out $name.pem -days 2 -subj /CN=sends.certified.test 2>/dev/null; done",
    )
    printed = lab.ask(host, "openssl", "x509", "-in", f"{WORK}/right.pem", "-noout", "-fingerprint", "-sha256")
    script = f"openssl x509 -in {WORK}/right.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum"
    return printed.partition("=")[2].strip(), lab.shell(host, script).split()[0]


def _attempt(lab: Lab, client: Host, server: Host, attempt: Attempt) -> str:
    """The server's refusal; empty where it takes the message. A server that is its own client uses loopback."""
    address = "127.0.0.1" if client == server else server.address
    argv = ["swaks", "--server", address, "--to", f"root@{server.fqdn}", "--from", attempt.sender]
    argv += ["--timeout", "120", "--helo", "client.test"]
    if attempt.tls:
        argv.append("--tls")
    if attempt.certificate:
        path = f"{WORK}/{attempt.certificate}"
        argv += ["--tls-cert", f"{path}.pem", "--tls-key", f"{path}.key"]
    if attempt.source:
        argv += ["--local-interface", f"{client.address.rpartition('.')[0]}.{attempt.source}"]
    done = lab.run_in(client, *argv)
    refusals: list[str] = re.findall(r"^<[*~][*~*] +([45]\d\d.*)$", done.out, re.MULTILINE)
    assert (done.code == 0) == (not refusals), f"{argv}: {done.code} {done.err}{done.out}"
    return refusals[0] if refusals else ""


def demands(network: str, fingerprint: str, key: str) -> list[dict[str, Any]]:
    """The entries. How mail is sent to the partners does not matter here."""
    entries: list[dict[str, Any]] = [
        {"domain": "partner.test", "inbound": {}},
        {"domain": "wide.test", "subdomains": True, "inbound": {"required": True}},
        {
            "domain": "placed.test",
            "inbound": {"addresses": [f"{network}.{ADDRESS}", f"{network}.{IN_NETWORK - 1}/31", NAME]},
        },
        {"domain": "certified.test", "inbound": {"certificate_fingerprints": ["00" * 32, fingerprint]}},
        {"domain": "keyed.test", "inbound": {"certificate_fingerprints": [key]}},
    ]
    return [{**one, "tls": "may"} for one in entries]


def run(lab: Lab, ansible: Ansible, names: Sequence[str], client: Host) -> Received:
    """Run all phases."""
    outcome = Received()
    hosts = [lab.hosts[name] for name in names]
    network = client.address.rpartition(".")[0]
    records = [f"host-record={NAME},{network}.{NAMED}"]
    lab.record(*records)
    for last in (ADDRESS, IN_NETWORK, NAMED, NAMELESS):
        lab.shell(client, f"ip address replace {network}.{last}/24 dev eth0")
    entries = demands(network, *_certificates(lab, client))

    def call(phase: str, /, **options: Any) -> Run:
        task = {"name": phase, MODULE: {"preflight": "off", **options}}
        outcome.runs[phase] = ansible.play(",".join(names), [task])
        return outcome.runs[phase]

    for host in hosts:
        main_cf = lab.read(host, "/etc/postfix/main.cf")
        lab.write(host, "/etc/postfix/main.cf", main_cf + OWN)
        lab.shell(host, "systemctl restart postfix")  # it learns the names anew
        outcome.snapshots[host.name] = [_tree(lab, host)]
    call("demanded", domains=entries).assert_success()
    for host in hosts:
        outcome.snapshots[host.name].append(_tree(lab, host))
        outcome.answers[host.name] = {name: _attempt(lab, client, host, one) for name, one in ATTEMPTS.items()}
        for domain in ("partner.test", "certified.test"):
            outcome.answers[host.name][f"own programs, {domain}"] = _attempt(lab, host, host, Attempt(f"x@{domain}"))
    call("demanded again", domains=entries).assert_success()
    gone: list[Mapping[str, Any]] = [{"domain": one["domain"], "state": "absent"} for one in entries]
    call("gone", domains=gone).assert_success()
    for host in hosts:
        outcome.snapshots[host.name].append(_tree(lab, host))
        outcome.answers[host.name]["gone"] = _attempt(lab, client, host, ATTEMPTS["clear text"])
        lab.shell(host, "postconf -P smtp/inet/smtpd_sender_restrictions=reject_unlisted_sender")
        outcome.hidden[host.name] = [_tree(lab, host)]
    call("hidden", domains=entries[:1])
    for host in hosts:
        outcome.hidden[host.name].append(_tree(lab, host))
        lab.shell(host, "postconf -PX smtp/inet/smtpd_sender_restrictions; postconf -e smtpd_tls_security_level=none")
    call("without TLS", domains=entries[:1])
    return outcome
