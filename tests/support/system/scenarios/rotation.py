# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates of hosts that show several, each at its own place, are rotated and come back; DANE's records go along.

secured -> rotated -> killed (between the switch and the end) -> completed -> returned
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import spki_sha256
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_hosts import (
    TLSA_TASKS,
    control_side,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once

HOSTS = ("r1:bookworm:full", "r2:trixie:full")
_FQDN = "{{ lab_fqdn }}"
# One certificate for most, an older one beside it, one for a second name, one for a second server, one for web pages.
NAMES = ("main", "rsa", "other", "inside", "www")
DECLARATION: dict[str, Any] = {
    "certificates_list": [
        {"name": "main", "common_name": _FQDN, "key_type": "ECDSA_P256"},
        {"name": "rsa", "common_name": _FQDN, "key_size": 2048},
        {"name": "other", "common_name": f"other.{_FQDN}", "key_type": "ECDSA_P256"},
        {"name": "inside", "common_name": f"inside.{_FQDN}", "key_type": "ECDSA_P256"},
        {"name": "www", "common_name": f"www.{_FQDN}", "key_type": "ECDSA_P256"},
    ],
    "vservers_list": [
        {
            "protocol": "smtp",
            "certificate": "main",
            "alternative_certificate": "rsa",
            "sni": [{"name": f"other.{_FQDN}", "certificate": "other"}],
        },
        {
            "protocol": "smtp",
            "name": "inside",
            "addresses": ["{{ ansible_host | regex_replace('\\.(\\d+)$', '.2\\1') }}"],
            "certificate": "inside",
        },
        {
            "protocol": "imap",
            "certificate": "main",
            "sni": [{"name": f"other.{_FQDN}", "certificate": "other"}],
        },
        {
            "protocol": "http",
            "server_names": [f"www.{_FQDN}"],
            "certificate": "www",
            "require_secure_channel": True,
        },
    ],
    "verify_host": _FQDN,
    "certificate_authority_passphrase": "rotation's passphrase",
    "certificates_tlsa_wait": 0,
}
# Which certificates the record of which name has.
RECORDS = {
    "_25._tcp.{fqdn}": ("main", "rsa"),
    "_25._tcp.other.{fqdn}": ("other",),
    "_25._tcp.inside.{fqdn}": ("inside",),
    "_143._tcp.{fqdn}": ("main",),
    "_993._tcp.{fqdn}": ("main",),
    "_143._tcp.other.{fqdn}": ("other",),
    "_993._tcp.other.{fqdn}": ("other",),
    "_443._tcp.www.{fqdn}": ("www",),
}

Keys = dict[str, str]


class Rotation:
    """The phases.

    Args:
        lab: the lab, not up yet.
        workshop: an empty directory.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self._workshop = workshop
        self._exchange = workshop / "exchange"

    def begin(self) -> None:
        """Boot. Each host has a second address."""
        self.lab.up(*HOSTS)
        self.lab.record(*(f"address=/{host.fqdn}/{host.address}" for host in self.lab.hosts.values()))
        for host in self.lab.hosts.values():
            (self._exchange / host.name).mkdir(parents=True)
            network, _dot, last = host.address.rpartition(".")
            device = f"$(ip -brief address | grep -F {host.address} | sed 's/[ @].*//')"
            self.lab.shell(host, f"ip address add {network}.2{last}/24 dev {device}")
        (self._workshop / "tlsa.json").write_text(json.dumps(TLSA_TASKS))
        self.ansible = control_side(self.lab, self._workshop, "runs")

    def play(self, playbook: str, **variables: Any) -> Run:
        """Run one of the playbooks."""
        places = {
            "certificate_authority_directory": str(self._workshop / "authority"),
            "certificates_exchange_directory": str(self._exchange),
            "certificates_tlsa_tasks": str(self._workshop / "tlsa.json"),
        }
        return self.ansible.playbook(f"postmaster.secure_channel.{playbook}", **{**DECLARATION, **places, **variables})

    def keys(self, host: Host) -> Keys:
        """Of each live certificate, the data of its record."""
        found = {}
        for name in NAMES:
            text = self.lab.shell(host, f"cat /etc/postmaster/live/{name}.pem")
            found[name] = f"3 1 1 {spki_sha256(text[text.index('-----BEGIN CERTIFICATE') :])}"
        return found

    def records(self, host: Host) -> list[dict[str, tuple[str, ...]]]:
        """What was published for a host, each time."""
        files = sorted((self._exchange / host.name).glob("tlsa-*.json"))
        return [{one["name"]: tuple(one["values"]) for one in json.loads(file.read_text())} for file in files]

    def _all_keys(self) -> dict[str, Keys]:
        return {host.name: self.keys(host) for host in self.lab.hosts.values()}

    @computed_once
    def secured(self) -> tuple[Run, dict[str, Keys]]:
        """The site playbook."""
        return self.play("site").assert_success(), self._all_keys()

    @computed_once
    def rotated(self) -> tuple[Run, dict[str, Keys], dict[str, Any]]:
        """All but the certificate with the older kind of key."""
        assert self.secured
        run = self.play("rotate", certificates_renew=[name for name in NAMES if name != "rsa"])
        return run, self._all_keys(), {host.name: self.records(host) for host in self.lab.hosts.values()}

    @computed_once
    def killed(self) -> tuple[dict[str, Keys], dict[str, Any]]:
        """Another rotation of one certificate, of which the control node dies when the new key is live."""
        assert self.rotated
        enabled = "system_test_results,system_test_kill"
        self.ansible.more = {
            "SYSTEM_TEST_KILL": "Look at what is live after it",
            "ANSIBLE_CALLBACKS_ENABLED": enabled,
        }
        try:
            assert self.play("rotate", certificates_renew=["main"]).code
        finally:
            self.ansible.more = {}
        return self._all_keys(), {host.name: self.records(host) for host in self.lab.hosts.values()}

    @computed_once
    def completed(self) -> tuple[Run, dict[str, Any]]:
        """The next rotation, for which nothing is due."""
        assert self.killed
        run = self.play("rotate")
        return run, {host.name: self.records(host) for host in self.lab.hosts.values()}

    @computed_once
    def swapped(self) -> Run:
        """One server shows another certificate than its own, and the next rotation finds that."""
        assert self.completed
        undo = "cp -a /etc/postfix/main.cf /root/main.cf.kept"
        spoil = (
            "cat /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem >/root/snakeoil.pem;"
            "postconf -e smtpd_tls_chain_files=/root/snakeoil.pem tls_server_sni_maps=; systemctl restart postfix"
        )
        for host in self.lab.hosts.values():
            self.lab.shell(host, f"{undo}; {spoil}")
        try:
            return self.play("rotate")
        finally:
            for host in self.lab.hosts.values():
                self.lab.shell(host, "cp -a /root/main.cf.kept /etc/postfix/main.cf; systemctl restart postfix")

    @computed_once
    def returned(self) -> tuple[Run, dict[str, Keys], dict[str, Any]]:
        """Two certificates are replaced by their predecessors."""
        assert self.swapped
        run = self.play("rollback", certificates_rollback=["other", "www"])
        return run, self._all_keys(), {host.name: self.records(host) for host in self.lab.hosts.values()}
