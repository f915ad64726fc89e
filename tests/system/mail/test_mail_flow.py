# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real message from each host to the other: encrypted, authenticated, and read by real mail clients."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Secrets
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import Phase

pytestmark = pytest.mark.usefixtures("secured")

CAPTURE = f"{WORK}/wire.pcap"


@contextmanager
def recorded(lab: Lab, host: Host) -> Iterator[list[bytes]]:
    """Record all packets of mail ports that reach or leave a host; the list gets them at the end."""
    packets: list[bytes] = []
    ports = "port 25 or port 587 or port 465"
    recorder = lab.start_in(
        host, "tcpdump", "--interface=eth0", "--immediate-mode", "--packet-buffered", "-w", CAPTURE, *ports.split()
    )
    assert recorder.stderr
    line = recorder.stderr.readline()
    while "listening on" not in line:
        assert line, "tcpdump does not start"
        line = recorder.stderr.readline()
    try:
        yield packets
        size = 0

        def at_rest() -> bool:
            nonlocal size
            before, size = size, int(lab.ask(host, "stat", "-c", "%s", CAPTURE))
            return size == before

        wait_until(at_rest, "the end of the conversation")
    finally:
        lab.ask(host, "pkill", "tcpdump")
        recorder.communicate()
    packets.append(base64.b64decode(lab.ask(host, "base64", "--wrap=0", CAPTURE)))


@dataclass(frozen=True)
class Delivery:
    """A message from the other host to a host."""

    token: str
    message: str
    wire: bytes
    receiver: str
    sender: str


@pytest.fixture(scope="session")
def deliveries(lab: Lab, secured: Phase) -> dict[str, Delivery]:
    """One message to each host."""
    assert secured
    found = {}
    for name, other in (("mx1", "mx2"), ("mx2", "mx1")):
        host, peer = lab.hosts[name], lab.hosts[other]
        starts = mail_daemons.cursor(lab, host), mail_daemons.cursor(lab, peer)
        token = f"sealed letter to {name}"
        with recorded(lab, host) as packets:
            mail_daemons.send(lab, peer, f"alice@{host.fqdn}", token)
            message = mail_daemons.wait_for_message(lab, host, "alice", token)
            mail_daemons.wait_for_empty_queue(lab, peer)
        found[name] = Delivery(
            token,
            message,
            packets[0],
            mail_daemons.journal_since(lab, host, starts[0]),
            mail_daemons.journal_since(lab, peer, starts[1]),
        )
    return found


def test_the_sender_logs_in_as_the_declared_account(deliveries: dict[str, Delivery], host: Host) -> None:
    assert "sasl_method=PLAIN, sasl_username=relay" in deliveries[host.name].receiver


def test_the_message_arrives_over_tls_with_a_login(deliveries: dict[str, Delivery], host: Host, peer: Host) -> None:
    received = re.search(
        r"^Received: from (\S+) .*?with (\S+) id", deliveries[host.name].message, re.DOTALL | re.MULTILINE
    )
    assert received
    assert received.groups() == (peer.fqdn, "ESMTPSA")  # S for TLS, A for the login


def test_the_sender_goes_to_the_submission_server_and_is_done(deliveries: dict[str, Delivery], host: Host) -> None:
    assert re.search(rf"relay={re.escape(host.fqdn)}\[\S+\]:587", deliveries[host.name].sender)
    assert "status=sent" in deliveries[host.name].sender


def test_the_wire_shows_neither_body_nor_password(
    deliveries: dict[str, Delivery], host: Host, passwords: Secrets
) -> None:
    seen = deliveries[host.name]
    assert b"STARTTLS" in seen.wire, "nothing was recorded"
    login = f"\0relay\0{passwords.relay}".encode()
    for secret in (seen.token.encode(), passwords.relay.encode(), base64.b64encode(login), b"AUTH "):
        assert secret not in seen.wire


def test_the_wire_would_show_a_body_in_clear(clients: Clients, lab: Lab, host: Host, peer: Host) -> None:
    token = f"open letter to {host.name}"
    with recorded(lab, host) as packets:
        sent = clients.swaks(
            peer,
            host,
            "--port",
            "25",
            "--from",
            "a@b.test",
            "--to",
            f"alice@{host.fqdn}",
            "--header",
            f"Subject: {token}",
        )
        assert sent.code == 0, sent.out
    assert token.encode() in packets[0]


# ---- reading it, at the other host


def test_mbsync_reads_it_over_imaps(
    deliveries: dict[str, Delivery], lab: Lab, host: Host, peer: Host, passwords: Secrets
) -> None:
    place = f"{WORK}/mbsync"
    lab.shell(peer, f"rm -rf {place}; mkdir -p {place}/mail")
    lab.write(peer, f"{place}/password", passwords.alice, "0600")
    kind = {"bookworm": "SSLType", "trixie": "TLSType"}[peer.release]
    settings = f"""
IMAPStore far
Host {host.fqdn}
User alice
PassCmd "cat {place}/password"
{kind} IMAPS

MaildirStore near
Inbox {place}/mail/INBOX

Channel alice
Far :far:INBOX
Near :near:INBOX
Create Near
Sync Pull
SyncState {place}/state
"""
    lab.write(peer, f"{place}/settings", settings)
    lab.ask(peer, "mbsync", "--config", f"{place}/settings", "alice")
    assert deliveries[host.name].token in lab.shell(peer, f"cat {place}/mail/INBOX/*/*")


def test_fetchmail_reads_it_over_pop3s(
    deliveries: dict[str, Delivery], lab: Lab, host: Host, peer: Host, passwords: Secrets
) -> None:
    place = f"{WORK}/fetchmail"
    lab.shell(peer, f"rm -rf {place}; mkdir -p {place}")
    quoted = passwords.alice.replace('"', "\\x22")
    account = f'user alice password "{quoted}" ssl sslcertck keep fetchall mda "cat >>{place}/mail"'
    lab.write(peer, f"{place}/settings", f"poll {host.fqdn} protocol pop3\n{account}\n", "0600")
    lab.ask(
        peer, "fetchmail", "--fetchmailrc", f"{place}/settings", "--idfile", f"{place}/ids", "--pidfile", f"{place}/pid"
    )
    assert deliveries[host.name].token in lab.read(peer, f"{place}/mail")


def test_curl_finds_it_with_starttls(
    deliveries: dict[str, Delivery], clients: Clients, host: Host, peer: Host, passwords: Secrets
) -> None:
    search = ("--ssl-reqd", "--request", f'SEARCH SUBJECT "{deliveries[host.name].token}"')
    seen = clients.curl(peer, f"imap://{host.fqdn}/INBOX", f"alice:{passwords.alice}", *search)
    assert seen.code == 0, seen
    assert re.search(r"\* SEARCH \d+", seen.out)
