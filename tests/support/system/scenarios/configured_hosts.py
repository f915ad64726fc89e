# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts in a lab of their own, one of each release, whose daemon is configured anew for each case.

All that happens is one play, in which each host is looked at from the other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.openssl_ca import (
    OpensslAuthority,
    new_request,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

MAIN = "main"  # the certificate for a host's own name
ROOT = "/usr/local/share/ca-certificates/outside.crt"


class ConfiguredHosts:
    """The hosts and the play.

    Args:
        lab: a lab that is not up yet.
        directory: an empty directory to work in.
        kinds: the two hosts, as NAME:RELEASE or NAME:RELEASE:KIND.
        tree: prints the state of the daemon's configuration, as shell.

    Attributes:
        run: the play.
    """

    def __init__(self, lab: Lab, directory: Path, kinds: tuple[str, str], tree: str) -> None:
        self.lab = lab
        self._directory = directory
        self._kinds = kinds
        self._tree = tree
        self._play = Play()
        self.run = Run(0, "")

    def begin(self, names: Mapping[str, str], preparation: str) -> None:
        """Boot the hosts, and have certificates on them.

        Args:
            names: the host name that a further certificate is for, by its name in the store; a leading full stop stands
                for the host's own name, with a key of another type.
            preparation: what else is to be done on each host, as shell.
        """
        self.lab.up(*self._kinds)
        outside = OpensslAuthority(self._directory / "outside", "Outside")
        shared = {name: _certified(outside, for_host) for name, for_host in names.items() if for_host != "."}

        def prepare(host: Host) -> None:
            self.lab.run_in(host, "systemctl", "is-system-running", "--wait")
            self.lab.shell(host, f"mkdir -p {WORK}\n{preparation}")
            self.lab.write(host, ROOT, outside.root.read_text())
            self.lab.ask(host, "update-ca-certificates")
            own = {
                name: _certified(outside, host.fqdn, rsa=True) for name, for_host in names.items() if for_host == "."
            }
            for name, content in {MAIN: _certified(outside, host.fqdn), **own, **shared}.items():
                self.lab.write(host, f"{WORK}/{name}.pem", content, "0600")

        with ThreadPoolExecutor() as pool:
            list(pool.map(prepare, self.lab.hosts.values()))
        certified = {name: "{{ lab_fqdn }}" if for_host == "." else for_host for name, for_host in names.items()}
        certificates = [
            {"name": name, "src": f"{WORK}/{name}.pem", "names": [for_host], "trust_store": ROOT}
            for name, for_host in {MAIN: "{{ lab_fqdn }}", **certified}.items()
        ]
        call = {f"{COLLECTION}.mail_cert_install": {"certificates": certificates}}
        self._play.tasks.append({"name": "install", **call})

    def play(self) -> None:
        """Let everything happen."""
        one, other = self.lab.hosts
        ansible = Ansible(self.lab.inventory, self._directory)
        peers = {one: other, other: one}
        self.run = ansible.play(f"{one},{other}", self._play.tasks, strategy="free", peers=peers)

    # ---- steps

    def _configured(self, case: str, *scripts: str) -> None:
        """What the administrator has made of the configuration; its state is written down."""
        self._play.shell(f"{case}: configure", *scripts, self._tree)

    def _call(self, name: str, *vservers: Mapping[str, Any], **keywords: Any) -> None:
        self._play.call(name, "mail_vserver_tls", {"vservers": list(vservers)}, **keywords)

    def _absent(self, case: str, *vservers: Mapping[str, Any]) -> None:
        self._call(f"{case}: absent", *({"protocol": one["protocol"], "state": "absent"} for one in vservers))
        self._play.shell(f"{case}: put back", self._tree)

    def _from_peer(self, name: str, *scripts: str) -> None:
        """Look from the other host, whatever is seen."""
        self._play.shell(name, "set +e", *scripts, "true")
        self._play.tasks[-1]["delegate_to"] = "{{ peers[inventory_hostname] }}"

    # ---- what was seen

    def result(self, host: Host, task: str) -> Mapping[str, Any]:
        """What a call answered."""
        return self.run.one(host.name, task).result

    def seen(self, host: Host, task: str) -> str:
        """What a script printed."""
        return str(self.result(host, task)["stdout"]).replace("\r", "")

    def states(self, host: Host, case: str) -> Sequence[list[str]]:
        """The state of the configuration before and after a case, line by line."""
        texts = (self.seen(host, f"{case}: {step}") for step in ("configure", "put back"))
        return [[line for line in text.splitlines() if "/" in line] for text in texts]


def _certified(authority: OpensslAuthority, name: str, *, rsa: bool = False) -> str:
    """A key, a certificate and its chain, PEM."""
    request, key = new_request(name, rsa=rsa)
    return key + authority.answer(request)


def written(text: str, path: str, end: str = ">") -> str:
    """A script that writes a file, or adds to one."""
    return f"cat {end}{path} <<'END'\n{text}END"
