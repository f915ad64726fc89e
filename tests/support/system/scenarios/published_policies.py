# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts that send each other mail, and follow what the other one publishes: TLSA records, MTA-STS policies.

A third host is the whole of DNS, signed, and the web server of all policies. Phases, each needs the one before it:
pinned -> rotated -> followed -> left alone. The number in a domain says who serves it: the mail exchanger of
KIND1.dane.test is d1.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.filter.mta_sts_policy import mta_sts_policy
from ansible_collections.postmaster.secure_channel.plugins.filter.mta_sts_record import mta_sts_record
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MTA_STS_RESOLVER
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates import openssl_ca
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once

HOSTS = ("d1:bookworm:resolving", "d2:trixie:resolving", "ns1:trixie:names")
NAMES = ("d1", "d2")
# What is published of the exchangers of these domains, and the level that the sender demands.
PINNED = {"right": "dane-only", "wrong": "dane", "bare": "dane", "only": "dane-only"}
# What the policies of these domains say: the exchanger's name, another one, nothing.
FOLLOWED = ("sts", "strange", "free")
_RECORDS = "/etc/nsd/records"
# Published in the way of this name server: a file of records, and a script.
_TLSA_TASKS: list[dict[str, Any]] = [
    {
        "name": "Write the records",
        "ansible.builtin.copy": {
            "content": "{% for one in certificates_tlsa_records %}{% for value in one['values'] %}"
            "{{ one.name }}. TLSA {{ value }}\n{% endfor %}{% endfor %}",
            "dest": f"{_RECORDS}/tlsa-{{{{ inventory_hostname }}}}",
            "mode": "0644",
        },
        "delegate_to": "ns1",
        "changed_when": False,
    },
    {
        "name": "Serve them",
        "ansible.builtin.command": "sh /etc/nsd/signed_zone.sh {{ hostvars['ns1'].ansible_host }}",
        "delegate_to": "ns1",
        "changed_when": False,
        "throttle": 1,
    },
]


@dataclass(frozen=True)
class Fate:
    """What became of a message, by its sender's log.

    Attributes:
        status: ``sent`` or ``deferred``, as Postfix says.
        reason: why.
        trust: what is said of the TLS session that it was sent in, such as ``Verified``; empty for none.
    """

    status: str
    reason: str
    trust: str


Fates = Mapping[str, Fate]


def other(host: Host) -> str:
    """The number of the host that another one sends to."""
    return {"d1": "2", "d2": "1"}[host.name]


class Published:
    """The phases.

    Args:
        lab: the lab, not up yet.
        workshop: a directory for whatever the runs need.
    """

    def __init__(self, lab: Lab, workshop: Path) -> None:
        self.lab = lab
        self._workshop = workshop

    @property
    def hosts(self) -> list[Host]:
        """The two mail hosts."""
        return [self.lab.hosts[name] for name in NAMES]

    def _on_both(self, work: Any) -> dict[str, Any]:
        with ThreadPoolExecutor() as pool:
            return dict(zip(NAMES, pool.map(work, self.hosts)))

    # ---- hosts, names, certificates

    def begin(self) -> None:
        """Boot; serve names; give both hosts a certificate of the own CA, which they trust."""
        self.lab.up(*HOSTS)
        self.ansible = Ansible(self.lab.inventory, self._workshop)
        (self._workshop / "tlsa.json").write_text(json.dumps(_TLSA_TASKS))
        self._serve_names()
        self._on_both(self._settle)
        self._play("site").assert_success()
        root = next((self._workshop / "authority").glob("**/root*.pem")).read_text()
        policies = openssl_ca.OpensslAuthority(self._workshop / "policies", "Policies")
        self._serve_policies(policies)

        def trust(host: Host) -> None:
            for name, one in {"own": root, "policies": policies.root.read_text()}.items():
                self.lab.write(host, f"/usr/local/share/ca-certificates/{name}.crt", one)
            self.lab.shell(host, "update-ca-certificates && systemctl restart postfix-mta-sts-resolver")

        self._on_both(trust)

    def _play(self, playbook: str, **variables: Any) -> Run:
        declaration = {
            "secure_channel_hosts": ",".join(NAMES),
            "certificates_list": [{"name": "{{ lab_fqdn }}", "key_type": "ECDSA_P256"}],
            "vservers_list": [{"protocol": "smtp", "certificate": "{{ lab_fqdn }}"}],
            "verify_host": "{{ lab_fqdn }}",
            "certificate_authority_passphrase": "the passphrase of this story",
            "certificate_authority_directory": str(self._workshop / "authority"),
            "certificates_exchange_directory": str(self._workshop / "exchange"),
            "certificates_tlsa_tasks": str(self._workshop / "tlsa.json"),
            "certificates_tlsa_wait": 3,  # records are remembered for a second
        }
        return self.ansible.playbook(f"{COLLECTION}.{playbook}", **{**declaration, **variables})

    def _serve_names(self) -> None:
        names = self.lab.hosts["ns1"]
        lines = [f"ns1.example.test. A {names.address}"]
        for number, host in zip("12", self.hosts):
            lines.append(f"{host.fqdn}. A {host.address}")
            lines += [f"{kind}{number}.dane.test. MX 10 {host.fqdn}." for kind in ("right", *FOLLOWED)]
            for kind in ("wrong", "bare", "only"):
                lines.append(f"{kind}{number}.dane.test. MX 10 mx.{kind}{number}.dane.test.")
                lines.append(f"mx.{kind}{number}.dane.test. A {host.address}")
            lines.append(f"_25._tcp.mx.wrong{number}.dane.test. TLSA 3 1 1 {'ab' * 32}")
            for kind in ("sts", "strange"):
                domain = f"{kind}{number}.dane.test"
                record = mta_sts_record(self._policy(kind, host), domain)
                lines.append(f'{record["name"]}. TXT "{record["values"][0]}"')
                lines.append(f"mta-sts.{domain}. A {names.address}")
        self.lab.shell(names, f"mkdir -p {_RECORDS}")
        self.lab.write(names, f"{_RECORDS}/fixed", "".join(f"{line}\n" for line in lines))
        self.lab.write(names, "/etc/nsd/signed_zone.sh", (PROGRAMS / "signed_zone.sh").read_text())
        self._publish()

    def _publish(self) -> None:
        names = self.lab.hosts["ns1"]
        self.lab.ask(names, "sh", "/etc/nsd/signed_zone.sh", names.address)

    @staticmethod
    def _policy(kind: str, host: Host) -> str:
        """The policy of a domain, as our filter makes it."""
        return mta_sts_policy([host.fqdn if kind == "sts" else "another.dane.test"], "enforce", 86400)

    def _serve_policies(self, authority: openssl_ca.OpensslAuthority) -> None:
        names = self.lab.hosts["ns1"]
        servers = ""
        for number, host in zip("12", self.hosts):
            for kind in ("sts", "strange"):
                name = f"mta-sts.{kind}{number}.dane.test"
                csr, key = openssl_ca.new_request(name)
                self.lab.write(names, f"/etc/nginx/{name}.key", key, "0600")
                self.lab.write(names, f"/etc/nginx/{name}.pem", authority.answer(csr))
                self.lab.shell(names, f"mkdir -p /srv/{name}/.well-known")
                self.lab.write(names, f"/srv/{name}/.well-known/mta-sts.txt", self._policy(kind, host))
                servers += (
                    f"server {{ listen 443 ssl; server_name {name}; root /srv/{name}; default_type text/plain;"
                    f" ssl_certificate /etc/nginx/{name}.pem; ssl_certificate_key /etc/nginx/{name}.key; }}\n"
                )
        self.lab.write(names, "/etc/nginx/conf.d/policies.conf", servers)
        self.lab.ask(names, "systemctl", "restart", "nginx")

    def _settle(self, host: Host) -> None:
        names = self.lab.hosts["ns1"]
        number = host.name[1:]
        domains = " ".join(f"{kind}{number}.dane.test" for kind in (*PINNED, *FOLLOWED))
        self.lab.shell(
            host,
            "useradd --create-home alice; postconf -e smtp_tls_loglevel=1 local_recipient_maps="
            f" 'mydestination={host.fqdn} localhost {domains}'",
        )
        key = self.lab.read(names, "/etc/nsd/root.key")
        self.lab.write(host, "/run/validating_resolver.sh", (PROGRAMS / "validating_resolver.sh").read_text())
        self.lab.ask(host, "sh", "/run/validating_resolver.sh", names.address, given=key)

    # ---- mail

    def _module(self, **options: Any) -> Run:
        task = {"name": "Domains", f"{COLLECTION}.mail_domain_security": options}
        return self.ansible.play(",".join(NAMES), [task]).assert_success()

    def _fates(self, kinds: Sequence[str]) -> dict[str, Fates]:
        """By host: what becomes of a message to each kind of domain."""

        def deliver(host: Host) -> Fates:
            start = mail_daemons.cursor(self.lab, host)
            recipients = {kind: f"alice@{kind}{other(host)}.dane.test" for kind in kinds}
            self._send(host, recipients.values())
            return {kind: self._fate(host, recipient, start) for kind, recipient in recipients.items()}

        return self._on_both(deliver)

    def _send(self, host: Host, recipients: Any) -> None:
        script = "".join(f"printf 'Subject: test\\n\\nbody\\n' | sendmail {one}\n" for one in recipients)
        self.lab.shell(host, script)

    def _fate(self, host: Host, recipient: str, start: str) -> Fate:
        pattern = re.compile(rf"smtp\[(\d+)\].* to=<{re.escape(recipient)}>.* status=(\w+) \((.*)\)")

        def look() -> Fate | None:
            journal = mail_daemons.journal_since(self.lab, host, start)
            found = list(pattern.finditer(journal))
            if not found:
                return None
            process, status, reason = found[-1].groups()
            sessions = re.findall(rf"smtp\[{process}\]: (\w+) TLS connection established", journal[: found[-1].start()])
            return Fate(status, reason, sessions[-1] if sessions else "")

        found = wait_until(look, f"the fate of mail for {recipient}")
        assert found
        return found

    # ---- phases

    @computed_once
    def pinned(self) -> dict[str, Fates]:
        """DANE: what openssl says of the keys is published, and mail is sent."""
        names = self.lab.hosts["ns1"]
        for host in self.hosts:
            certificate = self.lab.read(host, f"/etc/postmaster/live/{host.fqdn}.pem")
            pin = openssl_ca.spki_sha256(certificate[certificate.index("-----BEGIN CERTIFICATE") :])
            self.lab.write(names, f"{_RECORDS}/tlsa-{host.name}", f"_25._tcp.{host.fqdn}. TLSA 3 1 1 {pin}\n")
        self._publish()
        task = {
            "name": "Domains",
            f"{COLLECTION}.mail_domain_security": {
                "domains": [
                    {"domain": f"{kind}{{{{ '1' if inventory_hostname == 'd2' else '2' }}}}.dane.test", "tls": level}
                    for kind, level in PINNED.items()
                ]
            },
        }
        self.ansible.play(",".join(NAMES), [task]).assert_success()
        return self._fates(tuple(PINNED))

    @computed_once
    def judged(self) -> dict[str, str]:
        """By host: what Postfix' own test program says of the other one."""
        assert self.pinned

        def ask(host: Host) -> str:
            finger = ("posttls-finger", "-c", "-l", "dane-only", "-L", "summary")
            done = self.lab.run_in(host, *finger, f"right{other(host)}.dane.test")
            return done.out + done.err

        return self._on_both(ask)

    @computed_once
    def rotated(self) -> tuple[Run, dict[str, list[Fate]]]:
        """New keys for both, while they send each other mail all the time: the run, and what became of the mail."""
        assert self.judged
        over = threading.Event()

        def send(host: Host) -> list[Fate]:
            start = mail_daemons.cursor(self.lab, host)
            count = 0
            while not over.wait(0.5):
                count += 1
                self._send(host, [f"alice+{count}@right{other(host)}.dane.test"])
            self._send(host, [f"alice+{count + 1}@right{other(host)}.dane.test"])
            recipients = [f"alice+{number}@right{other(host)}.dane.test" for number in range(1, count + 2)]
            return [self._fate(host, one, start) for one in recipients]

        with ThreadPoolExecutor() as pool:
            sending = [pool.submit(send, host) for host in self.hosts]
            try:
                run = self._play("rotate", certificates_renew=["{{ lab_fqdn }}"])
            finally:
                over.set()
            return run, {name: one.result() for name, one in zip(NAMES, sending)}

    @computed_once
    def followed(self) -> dict[str, Fates]:
        """MTA-STS: nothing is declared of any domain, and the policies are followed."""
        assert self.rotated
        self.before = self._on_both(lambda host: self.lab.read(host, "/etc/postfix/main.cf"))
        self._module(domains=[], purge=True)
        self.without = self._on_both(lambda host: self.lab.read(host, "/etc/postfix/main.cf"))
        self._module(domains=[], mta_sts=True)
        self.again = self._module(domains=[], mta_sts=True)
        self._on_both(self._wait_for_policies)
        return self._fates(FOLLOWED)

    def _wait_for_policies(self, host: Host) -> None:
        """Whoever fetches policies gives up after four seconds, and mail goes as if there were none."""

        def look() -> bool:
            domains = [f"{kind}{other(host)}.dane.test" for kind in ("sts", "strange")]
            return all(self.lab.run_in(host, "postmap", "-q", one, MTA_STS_RESOLVER).code == 0 for one in domains)

        wait_until(look, f"the policies that {host.name} fetches")

    @computed_once
    def left_alone(self) -> dict[str, Fates]:
        """Other people's policies are no longer followed."""
        assert self.followed
        self._module(domains=[], mta_sts=False)
        return self._fates(("strange",))
