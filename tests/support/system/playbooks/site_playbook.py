# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site playbook with the demonstration's declaration."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

# The demonstration declares two hosts. The two others send their mail to these, and their keys are of another type.
PEERS = {"mx1": "mx2", "mx2": "mx1", "old1": "mx2", "old2": "mx1"}
KEY_TYPES = {"mx1": "ECDSA_P256", "mx2": "ECDSA_P256", "old1": "RSA", "old2": "RSA"}
DECLARATION = CHECKOUT / "tests" / "demo" / "vars.yml"


def _password(word: str) -> str:
    """A password that occurs nowhere else, with characters that lead careless programs astray."""
    return f"{word} {secrets.token_hex(8)}#%'\"s"


@dataclass(frozen=True)
class Secrets:
    """What must be seen nowhere. The middle of each is the same however it is quoted."""

    alice: str = field(default_factory=lambda: _password("alice"))
    relay: str = field(default_factory=lambda: _password("relay"))
    authority: str = field(default_factory=lambda: _password("root"))

    @property
    def middles(self) -> dict[str, str]:
        """Of each password a part that no quoting changes."""
        return {name: getattr(self, name).split()[1].split("#")[0] for name in ("alice", "relay", "authority")}


class Site:
    """The site playbook.

    Args:
        ansible: the programs.
        workshop: where the CA and the variables are kept.
    """

    def __init__(self, ansible: Ansible, workshop: Path) -> None:
        self.ansible = ansible
        self.secrets = Secrets()
        self.authority = workshop / "authority"
        self.root_certificate = self.authority / "root.pem"
        self._variables = workshop / "variables.json"
        self._variables.touch(mode=0o600)
        self._variables.write_text(
            json.dumps(
                {
                    "demo_peer": f"{{{{ {PEERS}[inventory_hostname] }}}}",
                    "certificates_list": [
                        {"name": "{{ lab_fqdn }}", "key_type": f"{{{{ {KEY_TYPES}[inventory_hostname] }}}}"}
                    ],
                    "certificate_authority_directory": str(self.authority),
                    "certificate_authority_passphrase": self.secrets.authority,
                    "demo_alice_password": self.secrets.alice,
                    "demo_relay_password": self.secrets.relay,
                }
            )
        )

    def run(self, hosts: str, *options: str, inventory: Path | None = None) -> Run:
        """Run it on some hosts of the lab."""
        options = (*options, "--inventory", str(inventory)) if inventory else options
        return self.run_playbook("site", hosts, *options)

    def run_playbook(self, name: str, hosts: str, *options: str) -> Run:
        """Run a playbook of the collection with the same declaration."""
        files = ("--extra-vars", f"@{DECLARATION}", "--extra-vars", f"@{self._variables}")
        return self.ansible.playbook(f"{COLLECTION}.{name}", "--limit", hosts, *files, *options)
