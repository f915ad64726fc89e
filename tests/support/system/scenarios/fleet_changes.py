# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Administrators who change their minds, and whose control nodes change: one certificate, from one source to the next.

refused (other control nodes, wrong passphrases) -> copied; and own_ca -> external -> lineage -> own_ca
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates import openssl_ca
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.fleet_proof import FleetProof

NAME = "minds.example.test"
_TOOL = "/etc/tool"
_APT = "/usr/lib/python3/dist-packages/apt"


class FleetChanges:
    """What becomes of one certificate on both hosts, which no virtual server shows.

    Args:
        proof: the hosts, as they are secured.
        workshop: an empty directory.
    """

    def __init__(self, proof: FleetProof, workshop: Path) -> None:
        self.proof = proof
        self._workshop = workshop

    def run(self, *options: str, playbook: str = "site", **entry: Any) -> Run:
        """The certificates of the site playbook, with another source for that one."""
        variables = {name: entry.pop(name) for name in list(entry) if name.startswith("certificate")}
        entries = {"certificates_list": [{"name": NAME, "key_type": "ECDSA_P256", **entry}]}
        exchange = {"certificates_exchange_directory": str(self._workshop / "exchange")}
        options = ("--tags", "certificates", *options)
        return self.proof.play(playbook, *options, **{**entries, **exchange, **variables})

    def live(self, host: Host) -> str:
        """The live certificate, PEM, without its key; nothing where there is none."""
        text = self.proof.lab.shell(host, f"cat /etc/postmaster/live/{NAME}.pem 2>/dev/null || true")
        return text[text.index("-----BEGIN CERTIFICATE") :] if text else ""

    def issuers(self) -> dict[str, str]:
        """Who has issued it, by host."""
        return {host.name: openssl_ca.issuer(self.live(host)) for host in self.proof.lab.hosts.values()}

    # ---- refused

    @computed_once
    def second_checkout(self) -> tuple[Run, bool]:
        """A control node without the CA's directory; and whether a CA was made there."""
        assert self.proof.secured
        directory = self._workshop / "second"
        run = self.run(certificate_authority_directory=str(directory))
        return run, (directory / "root.pem").exists()

    @computed_once
    def second_name(self) -> tuple[Run, bool]:
        """The same, and the CA would have another name."""
        assert self.proof.secured
        directory = self._workshop / "named"
        run = self.run(certificate_authority_directory=str(directory), certificate_authority_common_name="Second Root")
        return run, (directory / "root.pem").exists()

    @computed_once
    def copied(self) -> Run:
        """What the message says is done: the directory is copied."""
        assert self.second_checkout
        directory = self._workshop / "second"
        shutil.copytree(self.proof.authority, directory)
        return self.run(certificate_authority_directory=str(directory))

    @computed_once
    def wrong_passphrase(self) -> Run:
        """The passphrase is another one."""
        assert self.proof.secured
        return self.run("--check", certificate_authority_passphrase="quite another one")

    @computed_once
    def nowhere(self) -> Run:
        """There is no directory for the CA."""
        assert self.proof.secured
        return self.run("--check", certificate_authority_directory="")

    @computed_once
    def unfit_for_acme(self) -> Mapping[str, Run]:
        """Orders that cannot succeed, in check mode."""
        assert self.proof.secured
        url = "https://ca.example.test/dir"
        return {
            "directory": self.run("--check", source="acme", certificates_acme_terms_agreed=True),
            "name": self.run(
                "--check",
                source="acme",
                common_name="mx4",
                certificates_acme_directory=url,
                certificates_acme_terms_agreed=True,
            ),
        }

    @computed_once
    def without_apt(self) -> Run:
        """Check mode where Ansible cannot look at packages."""
        assert self.proof.secured
        self._each(f"mv {_APT} {_APT}.away")
        try:
            return self.proof.play("site", "--check")
        finally:
            self._each(f"mv {_APT}.away {_APT}")

    @computed_once
    def without_crypto(self) -> Run:
        """Another CA is asked on a control node that has no collection but this one."""
        assert self.proof.secured
        self.proof.ansible.more = {"ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
        try:
            return self.run("--check", source="external")
        finally:
            self.proof.ansible.more = {}

    # ---- a part of the work, one host after the other

    @computed_once
    def in_part(self) -> Run:
        """The virtual servers alone, one host at a time."""
        assert self.proof.secured
        return self.proof.play("site", "--tags", "vservers", secure_channel_serial=1).assert_success()

    # ---- from one source to the next

    @computed_once
    def owned(self) -> Run:
        """The own CA signs it."""
        assert self.proof.secured
        return self.run().assert_success()

    @computed_once
    def asked_outside(self) -> tuple[Run, Mapping[str, str], Run]:
        """Another CA is to sign it: what is live before it has answered, and the run after that."""
        assert self.owned
        asked = self.run(source="external").assert_success()
        issuers = self.issuers()
        for host in self.proof.lab.hosts.values():
            request = self._workshop / "exchange" / host.name / f"{NAME}.csr"
            request.with_suffix(".pem").write_text(self.proof.other.answer(request.read_text()))
        return asked, issuers, self.run(source="external").assert_success()

    @computed_once
    def imported(self) -> tuple[Mapping[str, str], Run, Run]:
        """Another tool has a certificate that ends sooner; who had issued it before, and the run twice."""
        assert self.asked_outside
        issuers = self.issuers()
        for host in self.proof.lab.hosts.values():
            csr, key = openssl_ca.new_request(NAME)
            self.proof.lab.shell(host, f"mkdir -p {_TOOL}")
            self.proof.lab.write(host, f"{_TOOL}/key.pem", key, "0600")
            self.proof.lab.write(host, f"{_TOOL}/chain.pem", self.proof.third.answer(csr))
        files = {"src": f"{_TOOL}/chain.pem", "key_src": f"{_TOOL}/key.pem"}
        return issuers, self.run(source="lineage", **files), self.run(source="lineage", **files)

    @computed_once
    def owned_again(self) -> Run:
        """The own CA signs it again."""
        assert self.imported
        return self.run()

    def _each(self, script: str) -> None:
        for host in self.proof.lab.hosts.values():
            self.proof.lab.shell(host, script)
