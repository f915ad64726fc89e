# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other people's mail servers, good and bad ones: services of one host, each at its own address."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NOW,
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab

USER = "PARTNER\\relay"
BLANK_USER = "blank"
# Further names of a peer: each of them is another next hop.
ALIASES = {"auth": ("right", "wrong", "blank", "implicit"), "plain": ("refused",)}
_LOGIN = "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
_ANYONE = "-o smtpd_relay_restrictions=reject_unauth_destination"
_TLS = "-o smtpd_tls_security_level=may"
_SUITES = "-o tls_medium_cipherlist"
# name: last part of the address, port, what the service is told
SERVICES = {
    "good": (201, 25, f"{_TLS} {_ANYONE}"),
    "self": (202, 25, f"{_TLS} {_ANYONE}"),
    "expired": (203, 25, f"{_TLS} {_ANYONE}"),
    "wrong": (204, 25, f"{_TLS} {_ANYONE}"),
    "plain": (205, 25, f"-o smtpd_tls_security_level=none {_ANYONE}"),
    "auth": (206, 25, f"{_TLS} -o smtpd_tls_auth_only=yes {_LOGIN}"),
    "auths": (206, 465, f"-o smtpd_tls_wrappermode=yes {_LOGIN}"),
    "old": (208, 25, f"{_TLS} {_ANYONE} -o smtpd_tls_protocols=TLSv1.1 {_SUITES}=ALL:@SECLEVEL=0"),
    "cbc": (209, 25, f"{_TLS} {_ANYONE} -o smtpd_tls_protocols=TLSv1.2 {_SUITES}=ECDHE-ECDSA-AES128-SHA"),
    "gcm": (210, 25, f"{_TLS} {_ANYONE} -o smtpd_tls_protocols=TLSv1.2 {_SUITES}=ECDHE-ECDSA-AES128-GCM-SHA256"),
    "short": (211, 25, f"{_TLS} {_ANYONE}"),
    "clear": (207, 25, f"-o smtpd_tls_security_level=none -o smtpd_tls_auth_only=no {_LOGIN}"),
}
_SETTINGS = {
    "mydestination": "",
    "default_transport": "discard:taken",
    "relay_domains": "static:all",
    "relay_transport": "discard:taken",
    "smtpd_tls_loglevel": "1",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
    "smtpd_client_connection_count_limit": "0",
}


@dataclass(frozen=True)
class RemoteServers:
    """What the senders must know of them.

    Attributes:
        host: where they are.
        ca: PEM of the root that the good ones are signed by.
        fingerprint: SHA-256 digest of the good one's certificate.
    """

    host: Host
    ca: str
    fingerprint: str


def names_of(peer: str) -> list[str]:
    """Host names of a peer; its recipients' domains are below PEER.test."""
    return [f"{peer}.peer.test", *(f"{name}.{peer}.peer.test" for name in ALIASES.get(peer, ()))]


def taken(journal: str, sender: Host, recipient: str) -> tuple[str, str]:
    """The peer that has taken a message, and what its log says of the conversation; both empty for none.

    Args:
        journal: of the host of all peers.
        sender: the host that the message came from.
        recipient: its recipient, who gets no other message.
    """
    lines = journal.splitlines()
    mine = [line for line in lines if f"to=<{recipient}>" in line]
    if not mine:
        return "", ""
    number = re.search(r" ([0-9A-F]{8,}|\w{10,}): to=<", mine[-1])
    assert number, mine
    about = [line for line in lines if f" {number[1]}: client={sender.fqdn}" in line]
    process = re.search(r"peer/(\w+)/smtpd\[(\d+)\]", about[-1])
    assert process, about
    spoken = [line for line in lines if f"smtpd[{process[2]}]" in line]
    spoken = spoken[: spoken.index(about[-1])]
    begin = max(index for index, line in enumerate(spoken) if ": connect from " in line)
    said = [line for line in spoken[begin:] if "TLS connection established" in line]
    return process[1], "\n".join([about[-1], *said])


def set_up(lab: Lab, host: Host, domains: dict[str, str], password: str) -> RemoteServers:
    """Set all of them up on a host.

    Args:
        lab: the lab.
        host: the host.
        domains: by recipients' domain, the peer that is its mail exchanger.
        password: of the account that may log in.
    """
    network = host.address.rpartition(".")[0]
    records = [f"mx-host={domain},{peer}.peer.test,10" for domain, peer in domains.items()]
    authority = Authority("Root of peers")
    stranger = Authority("Nobody's root")
    entries, script, fingerprint = "", "", ""
    for name, (last, port, options) in SERVICES.items():
        peer = "auth" if name == "auths" else name
        address = f"{network}.{last}"
        if name == peer:
            records.append(f"host-record={','.join(names_of(peer))},{address}")
            script += f"ip address replace {address}/24 dev eth0\n"
            key = new_key(2048 if peer == "short" else 0)
            names = ("other.peer.test",) if peer == "wrong" else (*names_of(peer), f"*.{peer}.test")
            signer = stranger if peer == "self" else authority
            end = NOW - DAY / 2 if peer == "expired" else NOW + DAY
            certificate = signer.certify(key.public_key(), distinguished(names[0]), names, not_after=end)
            lab.write(host, f"/etc/postfix/{peer}.pem", (key_pem(key) + pem(certificate)).decode(), "0600")
            if peer == "good":
                fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        chain = f"-o smtpd_tls_chain_files=/etc/postfix/{peer}.pem"
        entries += f"{address}:{port} inet n - n - - smtpd -o syslog_name=peer/{name} {chain} {options}\n"
    lab.record(*records)
    lab.shell(host, script)
    escaped = USER.replace("\\", "\\\\")  # as Dovecot looks it up
    encoded = base64.b64encode(password.encode()).decode()  # a password may have a colon in it
    accounts = f"{escaped}:{{PLAIN.B64}}{encoded}\n{BLANK_USER}:{{PLAIN}}\n"
    lab.write(host, "/etc/dovecot/peers.passwd", accounts, "0644")
    lab.write(
        host,
        "/etc/dovecot/local.conf",
        "auth_username_chars =\nauth_username_format = %{user}\n"
        "auth_mechanisms = plain login\nauth_allow_cleartext = yes\n"
        "passdb passwd-file {\n  passwd_file_path = /etc/dovecot/peers.passwd\n}\n"
        "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0666\n  }\n}\n",
    )
    lab.shell(host, "sed -i '/^passdb pam/,/^}/d' /etc/dovecot/conf.d/auth-system.conf.ext; systemctl restart dovecot")
    lab.shell(
        host,
        f"cat >>/etc/postfix/master.cf <<'END'\n{entries}END\n"
        + "".join(f"postconf -e '{name} = {value}'\n" for name, value in _SETTINGS.items())
        + "systemctl restart postfix\n",
    )
    return RemoteServers(host, pem(authority.certificate).decode(), fingerprint)
