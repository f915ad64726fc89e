# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts in a lab of their own, one of each release, with certificates of three CAs.

The outside CA is openssl. The own CA is subordinate to another one of that kind. The public CA is Debian's pebble,
on a host of its own. Ansible runs in the lab's network, since it has to reach pebble.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import (
    OpensslAuthority,
    key_spki_sha256,
    new_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import key_traces
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import LAB, PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

HOSTS = ("c1:bookworm", "c2:trixie", "ca1:trixie:acme")
NAMES = ("c1", "c2")
STORE = "/etc/postmaster"
LINEAGE = "/etc/letsencrypt"
# By the word before the host's name: which CA, and which virtual server shows it.
KINDS = ("smtp", "submission", "imap", "pop3")
_FQDN = "{{ lab_fqdn }}"
DECLARATION: dict[str, Any] = {
    "certificates_list": [
        {
            "name": f"smtp.{_FQDN}",
            "common_name": _FQDN,
            "source": "external",
            "subject_alt_names": [f"smtp.{_FQDN}", f"autoconfig.{_FQDN}"],
            "key_size": 2048,
            "organization": "Example Ltd",
            "organizational_unit": "Mail",
            "country": "DE",
            "state_or_province": "Hessen",
            "locality": "Frankfurt",
        },
        {"name": f"submission.{_FQDN}", "subject_alt_names": [_FQDN], "key_type": "ECDSA_P256"},
        {"name": f"imap.{_FQDN}", "source": "acme", "key_type": "ECDSA_P384"},
        {
            "name": f"pop3.{_FQDN}",
            "common_name": f"*.{_FQDN}",
            "source": "acme",
            "acme_challenge": "dns-01",
            "key_type": "ECDSA_P256",
        },
        # what a tool like certbot keeps
        {
            "name": f"www.{_FQDN}",
            "source": "lineage",
            "src": f"{LINEAGE}/live/www/fullchain.pem",
            "key_src": f"{LINEAGE}/live/www/privkey.pem",
        },
    ],
    "vservers_list": [{"protocol": kind, "certificate": f"{kind}.{_FQDN}"} for kind in KINDS],
    "verify_host": _FQDN,
    "certificate_authority_kind": "subordinate",
    "certificate_authority_passphrase": "life's passphrase",
    "certificates_acme_directory": "https://ca1.example.test:14000/dir",
    "certificates_acme_validate_certs": False,
    "certificates_acme_terms_agreed": True,
}
# Every name server has its own interface: this is that of pebble's.
_DNS_TASKS: list[dict[str, Any]] = [
    {
        "name": "Tell the name server",
        "ansible.builtin.uri": {
            "url": "http://ca1.example.test:8055/"
            "{{ 'set-txt' if certificates_acme_records_state == 'present' else 'clear-txt' }}",
            "method": "POST",
            "body_format": "json",
            "body": {"host": "{{ item.0.name }}.", "value": "{{ item.1 }}"},
        },
        "loop": "{{ certificates_acme_records | subelements('values') }}",
        "delegate_to": "localhost",
        "become": False,
        "changed_when": False,
    }
]


# The same for DANE's records: what is published, and when, is written down.
TLSA_TASKS: list[dict[str, Any]] = [
    {
        "name": "Note what is published",
        "ansible.builtin.copy": {
            "content": "{{ certificates_tlsa_records | to_json }}",
            "dest": "{{ certificates_exchange_directory }}/{{ inventory_hostname }}/tlsa-{{ now().timestamp() }}.json",
            "mode": "0644",
        },
        "delegate_to": "localhost",
        "become": False,
        "changed_when": False,
    }
]


class ControlSide(Ansible):
    """Ansible's programs, run in the lab's network.

    Args:
        lab: the lab.
        inventory: the inventory.
        directory: an empty directory to work in.
    """

    def __init__(self, lab: Lab, inventory: Path, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        super().__init__(inventory, directory)
        self._lab = lab
        self.more: Mapping[str, str] = {}  # of the environment

    def latest_results(self) -> Path | None:
        """The file of results of the latest run; None before there is one."""
        files = sorted(self.directory.glob("results-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return files[-1] if files else None

    def environment(self, results: Path) -> dict[str, str]:
        """The environment of a run."""
        return {**super().environment(results), "LAB_STATE": str(self._lab.state), **self.more}

    def run(self, argv: Sequence[str], directory: Path | None = None) -> Run:
        """Run a program; any exit code is an answer."""
        return super().run([str(LAB), "exec", "--", *argv], directory)


def control_side(lab: Lab, workshop: Path, name: str, python: str = "", limit: Sequence[str] = ()) -> ControlSide:
    """Ansible's programs with a directory of their own, for all hosts of a lab or some, with another Python there."""
    content = json.loads((lab.inventory / "hosts.json").read_text())["lab"]
    content["hosts"] = {host: content["hosts"][host] for host in limit or content["hosts"]}
    options = [f"UserKnownHostsFile={lab.state}/known_hosts", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
    words = ["-F", "none", *(word for option in options for word in ("-o", option))]
    content["vars"]["ansible_ssh_common_args"] = shlex.join(words)
    if python:
        content["vars"]["ansible_python_interpreter"] = python
    inventory = workshop / f"{name}.inventory.json"
    inventory.write_text(json.dumps({"lab": content}))
    return ControlSide(lab, inventory, workshop / name)


class CertificateHosts:
    """Hosts, CAs, and the playbooks with the declaration above.

    Args:
        lab: the lab, not up yet.
        workshop: an empty directory.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self.workshop = workshop
        self.exchange = workshop / "exchange"
        self.authority = workshop / "authority"
        self.outside = OpensslAuthority(workshop / "outside", "Outside")
        self.foreign = OpensslAuthority(workshop / "foreign", "Foreign")
        self.roots = workshop / "roots.pem"

    @property
    def hosts(self) -> list[Host]:
        """The two mail hosts."""
        return [self.lab.hosts[name] for name in NAMES]

    def begin(self) -> None:
        """Boot, start pebble, have the hosts trust all roots."""
        self.lab.up(*HOSTS)
        # for clients: whatever is below a host's name is that host
        self.lab.record(*(f"address=/{host.fqdn}/{host.address}" for host in self.hosts))
        ca = self.lab.hosts["ca1"]
        self.lab.write(ca, "/run/pebble.sh", (PROGRAMS / "pebble.sh").read_text())
        pebble = self.lab.ask(ca, "sh", "/run/pebble.sh", ca.fqdn, ca.address)
        roots = {"outside": self.outside.root.read_text(), "foreign": self.foreign.root.read_text(), "pebble": pebble}
        self.roots.write_text("".join(roots.values()))

        def settle(host: Host) -> None:
            for name, root in roots.items():
                self.lab.write(host, f"/usr/local/share/ca-certificates/{name}.crt", root)
            self.lab.ask(host, "update-ca-certificates")
            self.lab.shell(host, "useradd --create-home alice")
            self.lab.ask(host, "chpasswd", given="alice:alice\n")
            key_traces.prepare(self.lab, host)

        with ThreadPoolExecutor() as pool:
            list(pool.map(settle, self.hosts))
        self.renew_lineage(1)
        (self.workshop / "dns.json").write_text(json.dumps(_DNS_TASKS))
        (self.workshop / "tlsa.json").write_text(json.dumps(TLSA_TASKS))
        self.ansible = self.runner("runs")
        self.traced = self.runner("traced", key_traces.PYTHON)

    def runner(self, name: str, python: str = "", limit: Sequence[str] = NAMES) -> ControlSide:
        """Ansible's programs with a directory of their own, for some hosts only, with another Python there."""
        return control_side(self.lab, self.workshop, name, python, limit)

    def play(self, playbook: str, *options: str, ansible: ControlSide | None = None, **variables: Any) -> Run:
        """Run one of the playbooks."""
        places = {
            "certificates_exchange_directory": str(self.exchange),
            "certificate_authority_directory": str(self.authority),
            "certificates_acme_dns_tasks": str(self.workshop / "dns.json"),
            "certificates_tlsa_tasks": str(self.workshop / "tlsa.json"),
            "certificates_tlsa_wait": 1,
        }
        return (ansible or self.ansible).playbook(
            f"{COLLECTION}.{playbook}", *options, **{**DECLARATION, **places, **variables}
        )

    # ---- what is on the hosts

    def name(self, host: Host, kind: str) -> str:
        """Name of a certificate."""
        return f"{kind}.{host.fqdn}"

    def pending_keys(self, host: Host) -> dict[str, str]:
        """Of each pending key, by the certificate's name, what openssl says of its public part."""
        script = f"cd {STORE}/pending; for key in */key.pem; do [ ! -e $key ] || (echo $key; cat $key); done"
        found = {}
        for part in self.lab.shell(host, script).split("-----END PRIVATE KEY-----\n")[:-1]:
            path, key = part.split("\n", 1)
            found[path.partition("/")[0]] = key_spki_sha256(key + "-----END PRIVATE KEY-----\n")
        return found

    def live(self, host: Host, kind: str) -> str:
        """The certificates in a live file, PEM, the leaf first."""
        text = self.lab.shell(host, f"cat {STORE}/live/{self.name(host, kind)}.pem 2>/dev/null || true")
        return text[text.index("-----BEGIN CERTIFICATE") :] if text else ""

    # ---- what CAs and name servers do

    def answer(self) -> None:
        """The outside CA answers all requests that it was given."""
        for host in self.hosts:
            request = self.exchange / host.name / f"{self.name(host, 'smtp')}.csr"
            request.with_suffix(".pem").write_text(self.outside.answer(request.read_text()))

    def certify_authority(self) -> None:
        """The foreign CA makes the own one a subordinate of its own."""
        request = (self.authority / "issuing.csr").read_text()
        (self.authority / "issuing.pem").write_text(self.foreign.subordinate(request))

    def renew_lineage(self, number: int) -> None:
        """A tool like certbot gets a certificate, and points its links to it."""
        for host in self.hosts:
            csr, key = new_request(f"www.{host.fqdn}")
            archive, live = f"{LINEAGE}/archive/www", f"{LINEAGE}/live/www"
            self.lab.ask(host, "mkdir", "-p", archive, live)
            self.lab.write(host, f"{archive}/privkey{number}.pem", key, "0600")
            self.lab.write(host, f"{archive}/fullchain{number}.pem", self.outside.answer(csr))
            for name in ("privkey", "fullchain"):
                self.lab.ask(host, "ln", "-sfn", f"../../archive/www/{name}{number}.pem", f"{live}/{name}.pem")

    def publish(self, *kinds: str) -> None:
        """Tell pebble's name server where some names, and the hosts' own, are."""
        for host in self.hosts:
            for name in (host.fqdn, *(self.name(host, kind) for kind in kinds)):
                self.manage("add-a", {"host": f"{name}.", "addresses": [host.address]})

    def manage(self, call: str, body: Mapping[str, Any]) -> None:
        """Tell pebble's name server something."""
        done = self.lab.run_beside(
            "curl", "--silent", "--fail", "--data", json.dumps(body), f"http://ca1.example.test:8055/{call}"
        )
        assert done.code == 0, done.err
