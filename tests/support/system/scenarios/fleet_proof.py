# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the verify playbook says of two hosts, one of each release: as they are declared, and not as they are declared.

secured -> proven -> alone, from the control node, undeclared, unreachable -> ending -> spoiled
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import (
    OpensslAuthority,
    new_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_hosts import control_side
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once

HOSTS = ("f1:bookworm", "f2:trixie")
INSIDE = "mail.internal.example.test"
_FQDN = "{{ lab_fqdn }}"
DECLARATION: dict[str, Any] = {
    "certificates_list": [
        {"name": _FQDN, "key_type": "ECDSA_P256"},
        {"name": INSIDE, "key_type": "ECDSA_P256"},
    ],
    "vservers_list": [
        {"protocol": "smtp", "certificate": _FQDN},
        # the documentation's inside server, word for word but for the address
        {
            "protocol": "smtp",
            "name": "inside",
            "addresses": ["{{ ansible_host | regex_replace('\\.(\\d+)$', '.2\\1') }}"],
            "certificate": INSIDE,
            "require_secure_channel": True,
            "refuse_strangers_in_clear": True,
        },
        {"protocol": "submission", "certificate": _FQDN, "require_secure_channel": True},
        {"protocol": "imap", "certificate": _FQDN, "require_secure_channel": True},
    ],
    "verify_host": _FQDN,
    "certificate_authority_passphrase": "fleet's passphrase",
}
NOTHING: dict[str, Any] = {"certificates_list": [], "vservers_list": []}
# Port 25 takes TLS 1.0 again, submission shows another CA's certificate, and IMAP is as it was without our file, but
# that an administrator lets users log in without TLS.
_SPOIL = r"""
postconf -e 'smtpd_tls_protocols=>=TLSv1' smtpd_tls_ciphers=medium smtpd_tls_mandatory_ciphers=medium
postconf -X tls_high_cipherlist
for service in submission/inet submissions/inet smtps/inet; do
    postconf -P "$service/smtpd_tls_chain_files=/etc/ssl/private/other.pem" 2>/dev/null || true
done
rm /etc/dovecot/conf.d/99-postmaster-imap.conf
case $(dovecot --version) in 2.3*) clear='disable_plaintext_auth = no' ;; *) clear='auth_allow_cleartext = yes' ;; esac
echo "$clear" >/etc/dovecot/conf.d/99-mine.conf
echo 'ssl = yes' >>/etc/dovecot/conf.d/99-mine.conf
systemctl restart postfix dovecot
"""


@dataclass(frozen=True)
class Proof:
    """One run of the verify playbook.

    Attributes:
        run: the run.
    """

    run: Run

    def faults(self, host: str) -> list[str]:
        """What it found wrong on a host."""
        facts = [one.result["ansible_facts"] for one in self.run.of(host) if "ansible_facts" in one.result]
        return [fault for one in facts for fault in one.get("verify_faults", ())]

    @property
    def table(self) -> Sequence[str]:
        """The lines of its table."""
        (shown,) = [one.result["msg"] for one in self.run.results if one.task.endswith("Show the posture")]
        return list(shown)

    def said(self, host: str) -> str:
        """All messages about a host."""
        return " ".join(str(one.result.get("msg", "")) for one in self.run.of(host))


class FleetProof:
    """The phases.

    Args:
        lab: the lab, not up yet.
        workshop: an empty directory.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self._workshop = workshop
        self.authority = workshop / "authority"
        self.other = OpensslAuthority(workshop / "other", "Other")
        self.third = OpensslAuthority(workshop / "third", "Third")

    def begin(self) -> None:
        """Boot. Both hosts trust another CA, too, and have a second address."""
        self.lab.up(*HOSTS)
        for host in self.lab.hosts.values():
            csr, key = new_request(host.fqdn)
            self.lab.write(host, "/etc/ssl/private/other.pem", key + self.other.answer(csr), "0600")
            for name, authority in (("other", self.other), ("third", self.third)):
                self.lab.write(host, f"/usr/local/share/ca-certificates/{name}.crt", authority.root.read_text())
            network, _dot, last = host.address.rpartition(".")
            device = f"$(ip -brief address | grep -F {host.address} | sed 's/[ @].*//')"
            self.lab.shell(host, f"update-ca-certificates; ip address add {network}.2{last}/24 dev {device}")
        self.ansible = control_side(self.lab, self._workshop, "runs")

    def play(self, playbook: str, *options: str, **variables: Any) -> Run:
        """Run one of the playbooks."""
        places = {"certificate_authority_directory": str(self.authority)}
        return self.ansible.playbook(
            f"postmaster.secure_channel.{playbook}", *options, **{**DECLARATION, **places, **variables}
        )

    def verify(self, *options: str, **variables: Any) -> Proof:
        """Run the verify playbook."""
        return Proof(self.play("verify", *options, **variables))

    def _each(self, script: str) -> None:
        for host in self.lab.hosts.values():
            self.lab.shell(host, script)

    @computed_once
    def secured(self) -> Run:
        """The site playbook."""
        return self.play("site").assert_success()

    @computed_once
    def proven(self) -> Proof:
        """Everything is as declared."""
        assert self.secured
        return self.verify()

    @computed_once
    def alone(self) -> Proof:
        """One host has nobody who looks at it."""
        assert self.secured
        return self.verify("--limit", "f1")

    @computed_once
    def from_control_node(self) -> Proof:
        """The control node looks."""
        assert self.secured
        return self.verify(verify_from="localhost")

    @computed_once
    def undeclared(self) -> Proof:
        """Nothing is declared."""
        assert self.secured
        return self.verify(**NOTHING)

    @computed_once
    def unreachable(self) -> Proof:
        """Ansible cannot log in on one host."""
        assert self.proven
        host = self.lab.hosts["f2"]
        self.lab.shell(host, "systemctl stop ssh.socket ssh.service; pkill sshd || true")
        proof = self.verify()
        self.lab.shell(host, "systemctl start ssh.service")
        return proof

    @computed_once
    def ending(self) -> Proof:
        """The certificates are good for one day."""
        assert all((self.proven, self.alone, self.from_control_node, self.undeclared, self.unreachable))
        names: Mapping[str, Any] = {"certificates_renew": [_FQDN, INSIDE], "certificate_authority_leaf_days": 2}
        self.play("rotate", **names).assert_success()
        return self.verify()

    @computed_once
    def spoiled(self) -> Proof:
        """Somebody has been at the hosts."""
        assert self.ending
        self._each(_SPOIL)
        return self.verify(verify_minimum_days=0)


def named(proof: Proof, host: Host, server: str) -> str:
    """All faults of one server of a host, such as "smtp port 25"."""
    return "; ".join(one for one in proof.faults(host.name) if one.startswith(f"{host.fqdn} {server}: "))
