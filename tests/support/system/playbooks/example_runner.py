# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the examples of the documentation."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates as pkcs7_certificates
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.site_root import OwnRoot
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.documentation_examples import Example
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Result
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site

NAMES = ("mx1.example.test", "mail.internal.example.test")  # of the certificates in the examples
STORE = "/etc/postmaster"
PASSPHRASE = 'it\'s "quoted"'
PARTNER_PASSWORD = "pass\\word"
GONE = " ".join(f"{STORE}/{place}/{name}*" for place in ("live", "pending", "previous") for name in NAMES)
KEPT = "kept"  # as it is
LINEAGE = f"/etc/letsencrypt/live/{NAMES[0]}"
# Neither certificate is live; both requests are pending, or the first has a previous certificate, or there is nothing.
RESET = f"""#!/bin/sh -eu
rm -rf {GONE} /root/for-the-public-ca.csr
if [ "$1" = pending ]; then
    mkdir -p {STORE}/pending
    chmod 700 {STORE}/pending
    tar -C {STORE}/pending -xf {WORK}/pending.tar
fi
if [ "$1" = previous ]; then
    mkdir -p {STORE}/previous
    cat {WORK}/key.pem {WORK}/chain.pem >{STORE}/previous/{NAMES[0]}.pem
fi
"""

BRINGS_KEY = ("key_src", "backup_passphrase")  # an example with one of these installs a key that it brings along

# Example -> what its tasks did on each host, the first time and, where it is repeated, the second time.
ExampleResults = Mapping[str, Mapping[str, Sequence[Sequence[Result]]]]


class ExampleRunner:
    """Runs examples on old1 and old2 side by side, each of which stands in for the "mx1" of the documentation.

    Args:
        lab: where they are.
        site: for the own root, which stands in for the public CA.
        directory: where the commands are given.
    """

    def __init__(self, lab: Lab, site: Site, directory: Path) -> None:
        self._lab = lab
        self._hosts = [lab.hosts[name] for name in ("old1", "old2")]
        self._site = site
        self._directory = directory
        directory.mkdir()
        self._ansible = Ansible(self._inventory(), directory)
        self._prepare()

    def _inventory(self) -> Path:
        """Calls that are meant for mx1 reach both."""
        lab = json.loads((self._lab.inventory / "hosts.json").read_text())["lab"]
        names = [host.name for host in self._hosts]
        lab["hosts"] = {name: lab["hosts"][name] for name in names}
        path = self._directory / "inventory.json"
        path.write_text(json.dumps({"lab": lab, "mx1": {"hosts": dict.fromkeys(names)}}))
        return path

    def run(self, examples: Sequence[Example]) -> ExampleResults:
        """Run examples."""
        seen: dict[str, dict[str, list[list[Result]]]] = {
            example.name: {host.name: [] for host in self._hosts} for example in examples
        }
        self._play([example for example in examples if example.tasks], seen)
        # last those that take away the certificates which the others use
        self._call(sorted((example for example in examples if example.argv), key=self._needs), seen)
        return seen

    def _play(self, examples: Sequence[Example], seen: dict[str, dict[str, list[list[Result]]]]) -> None:
        """Run the tasks of the examples one after the other, also after one that fails."""
        tasks: list[dict[str, Any]] = []
        for example in examples:
            tasks += self._resetting(example)
            tasks += [{**task, "ignore_errors": True} for task in example.tasks] * example.times
        secrets = {"backup_passphrase": PASSPHRASE, "key_passphrase": PASSPHRASE}
        run = self._ansible.play("mx1", tasks, partner_password=PARTNER_PASSWORD, **secrets)
        for host in self._hosts:
            results = iter(run.of(host.name))
            for example in examples:
                list(islice(results, len(self._resetting(example))))
                # a task with run_once has a result on the first host only
                tasks = [task for task in example.tasks if host is self._hosts[0] or not task.get("run_once")]
                for _time in range(example.times):
                    seen[example.name][host.name].append(list(islice(results, len(tasks))))

    def _resetting(self, example: Example) -> list[dict[str, Any]]:
        """The tasks that come before an example's own: they are as many as are needed."""
        needed = self._needs(example)
        return [] if needed == KEPT else [{"ansible.builtin.raw": f"{WORK}/requests {needed}"}]

    def _call(self, examples: Sequence[Example], seen: dict[str, dict[str, list[list[Result]]]]) -> None:
        """Run the command lines."""
        for example in examples:
            if self._needs(example) != KEPT:
                for host in self._hosts:
                    self._lab.ask(host, f"{WORK}/requests", self._needs(example))
            run = self._ansible.run(example.argv)
            for host in self._hosts:
                seen[example.name][host.name].append(run.of(host.name))

    # ---- what the examples of the certificates' modules take for granted

    def _prepare(self) -> None:
        """Have both requests made once, answer them, and keep a copy of how they are pending."""
        first, second = self._hosts
        requests = [{"name": NAMES[0]}, {"name": NAMES[1], "key_type": "ECDSA_P256"}]
        made = self._ansible.module(first.name, "mail_cert_request", requests=requests).assert_success()
        public, internal = (one["csr"] for one in made.one(first.name).result["requests"])
        intermediate = Authority("Public Intermediate", above=OwnRoot(self._site))
        own = Authority("Internal Root")
        leaf = intermediate.answer(public)
        self._write_local(intermediate, leaf)
        pending = self._lab.shell(first, f"tar -C {STORE}/pending -c . | base64 --wrap=0")
        key = new_key()
        chain = pem(intermediate.certify(key.public_key(), distinguished(NAMES[0])), intermediate.certificate)
        for host in (first, second):  # both get the same keys, so that one answer fits both
            self._put(host, f"{WORK}/pending.tar", base64.b64decode(pending))
            self._put(host, "/root/mx1.pem", pem(leaf, intermediate.certificate))
            self._put(host, "/root/mx1.example.test.pem", pem(leaf))
            self._put(host, "/root/mail.internal.example.test.cer", der(own.answer(internal)))
            self._put(host, "/etc/ssl/certs/internal-ca.pem", pem(own.certificate))
            self._put(host, "/etc/ssl/certs/example-root.pem", self._site.root_certificate.read_bytes())
            self._lab.write(host, f"{WORK}/requests", RESET, "0755")
            self._lab.shell(host, f"mkdir -p {LINEAGE}")
            for path, content in ((f"{WORK}/key.pem", key_pem(key)), (f"{WORK}/chain.pem", chain)):
                self._put(host, path, content)
            # as certbot has it: links to the files of the latest renewal
            self._lab.shell(host, f"ln -s {WORK}/key.pem {LINEAGE}/privkey.pem")
            self._lab.shell(host, f"ln -s {WORK}/chain.pem {LINEAGE}/fullchain.pem")

    def _write_local(self, intermediate: Authority, leaf: Any) -> None:
        """What the examples take for granted beside the playbook."""
        answers, backups = self._directory / "answers", self._directory / "backups"
        answers.mkdir()
        backups.mkdir()
        (answers / f"{NAMES[0]}.pem").write_bytes(pem(leaf, intermediate.certificate))
        (answers / "intermediate.pem").write_bytes(pem(intermediate.certificate))
        pkcs7 = pkcs7_certificates([leaf, intermediate.certificate], Encoding.DER)
        (answers / f"{NAMES[0]}.p7b").write_bytes(pkcs7)
        key = new_key()
        certificate = intermediate.certify(key.public_key(), distinguished(NAMES[0]), (NAMES[0],))
        protection = BestAvailableEncryption(PASSPHRASE.encode())
        backup = serialize_key_and_certificates(b"mx1", key, certificate, [intermediate.certificate], protection)
        (backups / f"{NAMES[0]}.p12").write_bytes(backup)
        vault = {"backup_passphrase": PASSPHRASE, "partner_password": PARTNER_PASSWORD}
        (self._directory / "vault.yml").write_text(json.dumps(vault))

    def _put(self, host: Host, path: str, content: bytes) -> None:
        script = "base64 --decode"
        self._lab.ask(host, "sh", "-euc", f"{script} >{path}", given=base64.b64encode(content).decode())

    @staticmethod
    def _needs(example: Example) -> str:
        """What an example takes for granted, in the words of the script above."""
        if example.module not in ("mail_cert_request", "mail_cert_install"):
            return KEPT
        if "previous" in str(example.tasks):
            return "previous"
        answered = example.module == "mail_cert_install" and not any(one in str(example) for one in BRINGS_KEY)
        return "pending" if answered or "Cancel" in example.title else "none"
