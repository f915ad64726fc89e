# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients at another address see of the secured hosts."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import (
    ANY_OLD_SUITE,
    OLD_VERSIONS,
    PORTS,
    Clients,
    certificates_in,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Secrets
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import Phase

pytestmark = pytest.mark.usefixtures("secured")

TRUSTED = "/usr/local/share/ca-certificates/mail-root-ca.crt"  # where the site playbook put the root on each host
# Mozilla's list for "intermediate" without DHE, version 5.8 and later.
INTERMEDIATE = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
}
MODERN = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}

each_port = pytest.mark.parametrize("port", sorted(PORTS))


# ---- submission


def test_587_answers_530_to_mail_without_tls(clients: Clients, host: Host, peer: Host) -> None:
    seen = clients.swaks(
        peer, host, "--port", "587", "--from", "a@b.test", "--to", "alice@localhost", "--quit-after", "MAIL"
    )
    assert seen.code == 23, seen.out
    assert "<** 530 5.7.0 Must issue a STARTTLS command first" in seen.out


def test_587_offers_no_login_without_tls(clients: Clients, host: Host, peer: Host) -> None:
    seen = clients.swaks(peer, host, "--port", "587", "--quit-after", "EHLO")
    assert seen.code == 0, seen.out
    assert "250-STARTTLS" in seen.out
    assert "AUTH" not in seen.out


@pytest.mark.parametrize(("port", "tls"), [(587, "--tls"), (465, "--tls-on-connect")])
def test_a_login_inside_tls_succeeds(
    clients: Clients, host: Host, peer: Host, passwords: Secrets, port: int, tls: str
) -> None:
    account = ("--auth-user", "alice", "--auth-password", passwords.alice)
    seen = clients.swaks(peer, host, "--port", str(port), tls, "--auth", "PLAIN", *account, "--quit-after", "AUTH")
    assert seen.code == 0, seen.out
    assert "<~  250-AUTH PLAIN" in seen.out
    assert "<~  235 2.7.0 Authentication successful" in seen.out


@pytest.fixture(scope="session")
def refused(clients: Clients, lab: Lab, secured: Phase) -> dict[str, Answer]:
    """What each host says to a wrong password; it takes its time."""
    assert secured
    account = ("--auth-user", "alice", "--auth-password", "not it")
    options = ("--port", "587", "--tls", "--auth", "PLAIN", *account, "--quit-after", "AUTH")
    mx1, mx2 = lab.hosts["mx1"], lab.hosts["mx2"]
    with ThreadPoolExecutor() as pool:
        answers = {
            server.name: pool.submit(clients.swaks, client, server, *options)
            for client, server in ((mx1, mx2), (mx2, mx1))
        }
        return {name: answer.result() for name, answer in answers.items()}


def test_a_wrong_password_is_refused(refused: dict[str, Answer], host: Host) -> None:
    seen = refused[host.name]
    assert seen.code == 28, seen.out
    assert "<~* 535 5.7.8" in seen.out


def test_nobody_relays_without_a_login(clients: Clients, host: Host, peer: Host) -> None:
    options = ("--port", "587", "--tls", "--from", "a@b.test", "--to", "c@elsewhere.test", "--quit-after", "RCPT")
    seen = clients.swaks(peer, host, *options)
    assert seen.code == 24, seen.out
    assert "<~* 554 5.7.1" in seen.out


# ---- reading mail


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_no_login_in_clear(clients: Clients, host: Host, peer: Host, passwords: Secrets, protocol: str) -> None:
    seen = clients.curl(peer, f"{protocol}://{host.fqdn}/", f"alice:{passwords.alice}")
    assert seen.code == 67, seen  # login denied


SAY = """
import socket, sys
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60).makefile("rwb")
print(stream.readline().decode())
stream.write(sys.argv[3].encode() + b"\\r\\n")
stream.flush()
answer = stream.readline()
while answer.startswith(b"* "):  # IMAP: not the answer yet
    answer = stream.readline()
print(answer.decode())
"""


@pytest.mark.parametrize(
    ("port", "command", "refusal"),
    [
        (143, 'a LOGIN alice "{password}"', "a NO [PRIVACYREQUIRED]"),
        (143, "a AUTHENTICATE PLAIN {plain}", "a NO [PRIVACYREQUIRED]"),
        (110, "USER alice", "-ERR [AUTH]"),
        (110, "AUTH PLAIN {plain}", "-ERR [AUTH]"),
    ],
    ids=["imap LOGIN", "imap AUTHENTICATE", "pop3 USER", "pop3 AUTH"],
)
def test_a_client_that_tries_all_the_same_is_refused(
    lab: Lab, host: Host, peer: Host, passwords: Secrets, port: int, command: str, refusal: str
) -> None:
    plain = base64.b64encode(f"\0alice\0{passwords.alice}".encode()).decode()
    quoted = passwords.alice.replace('"', '\\"')
    words = command.format(password=quoted, plain=plain)
    assert refusal in lab.ask(peer, "python3", "-", host.fqdn, str(port), words, given=SAY)


@pytest.mark.parametrize("url", ["imap://{}/", "imaps://{}/", "pop3://{}/", "pop3s://{}/"])
def test_a_mail_client_logs_in_inside_tls(
    clients: Clients, host: Host, peer: Host, passwords: Secrets, url: str
) -> None:
    trust = ("--ssl-reqd", "--cacert", TRUSTED)
    seen = clients.curl(peer, url.format(host.fqdn), f"alice:{passwords.alice}", *trust)
    assert seen.code == 0, seen


# ---- certificates


@pytest.fixture(scope="session")
def other_root(workshop: Path, lab: Lab) -> Path:
    """A root that has signed nothing here."""
    path = workshop / "other-root.pem"
    request = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Other")
    done = lab.run_beside("openssl", *request, "-keyout", "/dev/null", "-out", str(path))
    assert done.code == 0, done.err
    return path


@pytest.fixture(scope="session")
def sessions(clients: Clients, lab: Lab, other_root: Path, secured: Phase) -> dict[str, Answer]:
    """What openssl makes of each port."""
    assert secured
    commands = {}
    for server in (lab.hosts["mx1"], lab.hosts["mx2"]):
        for port in PORTS:
            label = f"{server.name} {port}"
            commands[f"{label} verified"] = clients.verified(server, port)
            commands[f"{label} other name"] = clients.verified(server, port, name="other.example.test")
            commands[f"{label} other root"] = clients.verified(server, port, root=other_root)
            commands[f"{label} shown"] = clients.trusting(server, port)
            for group in ("P-256", "ffdhe2048"):
                commands[f"{label} {group}"] = clients.trusting(server, port, "-tls1_3", "-groups", group)
            for version in OLD_VERSIONS:
                commands[f"{label} {version}"] = clients.trusting(server, port, version, "-cipher", ANY_OLD_SUITE)
    return lab.run_many_beside(commands)


@each_port
def test_the_chain_verifies_against_the_own_root_and_the_name(
    sessions: dict[str, Answer], host: Host, port: int
) -> None:
    seen = sessions[f"{host.name} {port} verified"]
    assert seen.code == 0, seen.err


@each_port
def test_keys_are_exchanged_in_no_group_over_a_finite_field(sessions: dict[str, Answer], host: Host, port: int) -> None:
    assert sessions[f"{host.name} {port} P-256"].code == 0, sessions[f"{host.name} {port} P-256"].err
    assert sessions[f"{host.name} {port} ffdhe2048"].code != 0


@each_port
def test_it_does_not_verify_for_another_name(sessions: dict[str, Answer], host: Host, port: int) -> None:
    seen = sessions[f"{host.name} {port} other name"]
    assert seen.code == 1
    assert "hostname mismatch" in seen.err.lower(), seen.err


@each_port
def test_it_does_not_verify_without_the_own_root(sessions: dict[str, Answer], host: Host, port: int) -> None:
    seen = sessions[f"{host.name} {port} other root"]
    assert seen.code == 1
    assert "unable to get local issuer" in seen.err.lower(), seen.err


@each_port
def test_the_installed_chain_is_what_is_served(sessions: dict[str, Answer], lab: Lab, host: Host, port: int) -> None:
    installed = certificates_in(lab.read(host, f"/etc/postmaster/live/{host.fqdn}.pem"))
    assert installed
    assert certificates_in(sessions[f"{host.name} {port} shown"].out) == installed


def test_the_key_is_readable_by_root_alone(lab: Lab, host: Host) -> None:
    seen = lab.shell(
        host, "grep --recursive --files-with-matches 'PRIVATE KEY' /etc/postmaster | xargs stat -c '%U %a'"
    )
    assert set(seen.splitlines()) == {"root 600"}


@pytest.mark.parametrize("port", [587, 993, 110])
def test_another_tls_library_verifies_it_too(clients: Clients, host: Host, peer: Host, port: int) -> None:
    seen = clients.gnutls(peer, host, port, TRUSTED)
    assert seen.code == 0, seen.out + seen.err
    assert "The certificate is trusted" in seen.out


def test_another_postfix_verifies_it_too(clients: Clients, host: Host, peer: Host) -> None:
    assert "Verified TLS connection established" in clients.posttls_finger(peer, host, TRUSTED)


# ---- strength


@each_port
@pytest.mark.parametrize("version", OLD_VERSIONS)
def test_tls_1_0_and_1_1_are_refused(
    sessions: dict[str, Answer], before_wire: dict[str, Answer], host: Host, port: int, version: str
) -> None:
    seen = sessions[f"{host.name} {port} {version}"]
    assert seen.code == 1
    # Postfix says why, Dovecot 2.3 hangs up
    assert "alert protocol version" in seen.err or "unexpected eof" in seen.err, seen.err
    assert before_wire[f"{host.name} {version}"].code == 0, "this client cannot speak that version at all"


@pytest.fixture(scope="session")
def suites(clients: Clients, lab: Lab, secured: Phase) -> dict[str, dict[str, list[str]]]:
    """What sslyze finds on all ports of both hosts."""
    assert secured
    return clients.suites(lab.hosts["mx1"], lab.hosts["mx2"])


@each_port
def test_tls_1_2_is_restricted_to_the_list(suites: dict[str, dict[str, list[str]]], host: Host, port: int) -> None:
    accepted = set(suites[f"{host.fqdn}:{port}"]["TLSv1.2"])
    # the demonstration's keys are ECDSA; those of old1 and old2 are RSA
    assert accepted == {suite for suite in INTERMEDIATE if "ECDSA" in suite}


@each_port
def test_tls_1_3_is_served(suites: dict[str, dict[str, list[str]]], host: Host, port: int) -> None:
    assert set(suites[f"{host.fqdn}:{port}"]["TLSv1.3"]) == MODERN


# ---- strangers


def test_25_still_takes_mail_from_strangers_without_tls(
    clients: Clients, lab: Lab, host: Host, peer: Host, secured: Phase
) -> None:
    token = f"in clear to {host.name}"
    sender = ("--from", "stranger@elsewhere.test", "--to", f"alice@{host.fqdn}")
    seen = clients.swaks(peer, host, "--port", "25", *sender, "--header", f"Subject: {token}")
    assert seen.code == 0, seen.out
    assert "=== TLS started" not in seen.out
    assert "250-STARTTLS" in seen.out
    arrived = mail_daemons.wait_for_message(lab, host, "alice", token)
    assert "with ESMTP id" in arrived


def test_25_offers_no_login_in_clear(clients: Clients, host: Host, peer: Host) -> None:
    seen = clients.swaks(peer, host, "--port", "25", "--quit-after", "EHLO")
    assert "AUTH" not in seen.out
