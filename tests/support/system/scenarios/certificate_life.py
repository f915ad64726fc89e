# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to the certificates of two hosts, phase by phase. Each needs the one before it.

requested -> asked again -> refused -> answered -> settled -> killed, again and again -> rotated
-> returned
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates import openssl_ca
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import (
    PORTS,
    certificates_in,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import key_traces
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import LAB, PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_hosts import (
    DECLARATION,
    KINDS,
    NAMES,
    CertificateHosts,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once

CONNECTS = PROGRAMS / "connecting_clients.py"
# Within a minute, without any run of ours.
_UNDONE = """
for i in $(seq 60); do [ -e /var/lib/postmaster-secure-channel ] || break; sleep 1; done
test ! -e /var/lib/postmaster-secure-channel
journalctl --quiet --output=cat --since=-5min --grep='a run was killed half-way' | grep -q .
"""
LEAST_CONNECTS = 250
# Before which tasks Ansible dies: on the one host, and on the other at the same time.
DEATHS = (
    # the requests are made, and nobody knows of them; TLSA records are published, and nobody has signed
    ("Look at what is live now", "Wait until nobody remembers the records of before"),
    # the public CA has been asked, its questions are answered, a web server runs; the own CA has signed
    ("Fetch the certificates", "Have a public CA answer at once"),
    # the public CA has answered, and its questions are still answered; all answers are there
    ("Look at the requests and answers", "Install the answers"),
)
# Whoever tells a daemon to read its files again is killed by this.
_TRAP = """for program in systemctl postfix; do
cat >/usr/local/sbin/$program <<END
#!/bin/sh
case "\\$*" in *reload*) kill -9 \\$PPID ;; esac
exec /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin $program "\\$@"
END
chmod 755 /usr/local/sbin/$program
done"""


@dataclass(frozen=True)
class Phase:
    """One run, and what is on the hosts after it.

    Attributes:
        run: the run.
        pending: host -> certificate -> SHA-256 of the public part of the key that waits.
        live: host -> kind -> the certificates of the live file, PEM; nothing where there is none.
    """

    run: Run
    pending: Mapping[str, Mapping[str, str]]
    live: Mapping[str, Mapping[str, str]]

    def installed(self, host: str) -> list[dict[str, Any]]:
        """What mail_cert_install said of each certificate."""
        results = [one for one in self.run.of(host) if one.task.endswith("Install the answers")]
        return [found for one in results for found in one.result.get("certificates", ())]


class CertificateLife:
    """The phases.

    Args:
        setup: the hosts, just booted.
    """

    def __init__(self, setup: CertificateHosts) -> None:
        self.setup = setup

    @staticmethod
    def kind_of(port: int) -> str:
        """Whose certificate a port shows."""
        return PORTS[port].protocol

    def _chapter(self, run: Run) -> Phase:
        setup = self.setup
        pending = {host.name: setup.pending_keys(host) for host in setup.hosts}
        live = {host.name: {kind: setup.live(host, kind) for kind in (*KINDS, "www")} for host in setup.hosts}
        return Phase(run, pending, live)

    def _wire(self, *kinds: str) -> dict[str, str]:
        """What each port shows to a client that verifies it: "HOST KIND PORT" -> SHA-256 of the certificate.

        Args:
            kinds: those to look at; all where none is given.
        """
        setup = self.setup
        commands = {}
        for host in setup.hosts:
            for port in PORTS.values():
                kind = port.protocol
                if kinds and kind not in kinds:
                    continue
                name = host.fqdn if kind == "submission" else f"{kind}.{host.fqdn}"
                starttls = ("-starttls", port.starttls) if port.starttls else ()
                commands[f"{host.fqdn} {kind} {port.number}"] = [
                    *("openssl", "s_client", "-connect", f"{host.address}:{port.number}", *starttls, "-showcerts"),
                    *("-verify_return_error", "-verify_hostname", name, "-CAfile", str(setup.roots)),
                ]
        answers = setup.lab.run_many_beside(commands)
        for label, answer in answers.items():
            assert answer.code == 0, f"{label}: {answer.err}"
        return {label: openssl_ca.fingerprint(certificates_in(one.out)[0]) for label, one in answers.items()}

    # ---- requested

    @computed_once
    def requested(self) -> Phase:
        """Requests, and nothing else."""
        return self._chapter(self.setup.play("request", ansible=self.setup.traced))

    @computed_once
    def asked_again(self) -> Phase:
        """The same again."""
        assert self.requested
        return self._chapter(self.setup.play("request"))

    @computed_once
    def refused(self) -> Phase:
        """Answers are looked for too early: pebble looks for the hosts where they are not."""
        assert self.asked_again
        return self._chapter(self.setup.play("install"))

    @computed_once
    def wire_refused(self) -> dict[str, str]:
        """What clients see where a certificate is there already, while the others wait for their CAs."""
        assert self.refused
        return self._wire("pop3")

    # ---- answered

    @computed_once
    def answered(self) -> Phase:
        """Everybody answers."""
        assert self.wire_refused
        self.setup.answer()
        self.setup.certify_authority()
        self.setup.publish("imap", "pop3")
        return self._chapter(self.setup.play("install", ansible=self.setup.traced))

    @computed_once
    def wire_answered(self) -> dict[str, str]:
        """What clients see then."""
        assert self.answered
        return self._wire()

    # ---- settled

    @computed_once
    def settled(self) -> Phase:
        """The public CA revokes one certificate of each host, and the site playbook is run."""
        assert self.wire_answered
        path = f"{self.setup.exchange}/{{{{ inventory_hostname }}}}/imap.{{{{ lab_fqdn }}}}.pem"
        revoke = {
            "acme_directory": DECLARATION["certificates_acme_directory"],
            "acme_version": 2,
            "account_key_src": f"{self.setup.exchange}/acme-account.key",
            "certificate": path,
            "validate_certs": False,
        }
        task = {"community.crypto.acme_certificate_revoke": revoke, "delegate_to": "localhost"}
        self.setup.ansible.play("all", [task]).assert_success()
        self.setup.renew_lineage(2)
        return self._chapter(self.setup.play("site"))

    @computed_once
    def wire_settled(self) -> dict[str, str]:
        """What clients see then."""
        assert self.settled
        return self._wire()

    # ---- killed

    def _renew(self, **options: Any) -> Run:
        names = [f"{kind}.{{{{ lab_fqdn }}}}" for kind in KINDS]
        return self.setup.play("rotate", certificates_renew=names, **options)

    @computed_once
    def _killed(self) -> tuple[list[Run], list[dict[str, str]], list[dict[str, dict[str, str]]]]:
        """Runs that were killed; after each pair of them, what clients see and which keys wait."""
        assert self.wire_settled
        runners = {name: self.setup.runner(f"killed-{name}", limit=(name,)) for name in NAMES}
        runs: list[Run] = []
        wires: list[dict[str, str]] = []
        keys: list[dict[str, dict[str, str]]] = []
        for deaths in DEATHS:
            for name, death in zip(NAMES, deaths):
                enabled = "system_test_results,system_test_kill"
                runners[name].more = {"SYSTEM_TEST_KILL": death, "ANSIBLE_CALLBACKS_ENABLED": enabled}
            with ThreadPoolExecutor() as pool:
                runs += pool.map(lambda name: self._renew(ansible=runners[name]), NAMES)
            wires.append(self._wire())
            keys.append({host.name: self.setup.pending_keys(host) for host in self.setup.hosts})
        return runs, wires, keys

    @property
    def deaths(self) -> list[Run]:
        """The runs that were killed."""
        return self._killed[0]

    @property
    def wires_killed(self) -> list[dict[str, str]]:
        """What clients saw after each pair of deaths."""
        return self._killed[1]

    @property
    def pending_killed(self) -> Sequence[Mapping[str, Mapping[str, str]]]:
        """Which keys waited after each pair of deaths."""
        return self._killed[2]

    @computed_once
    def killed_half_way(self) -> dict[str, bool]:
        """By host: whether a module that was killed while it put new certificates in place was undone by the host."""
        assert self._killed
        self.setup.answer()
        lab = self.setup.lab
        for host in self.setup.hosts:
            lab.shell(host, _TRAP)
        self._renew()
        for host in self.setup.hosts:
            lab.shell(host, "rm /usr/local/sbin/systemctl /usr/local/sbin/postfix")
        undone = {host.name: lab.run_in(host, "sh", "-euc", _UNDONE).code == 0 for host in self.setup.hosts}
        self._wire()
        return undone

    # ---- rotated

    @computed_once
    def _rotated(self) -> tuple[Phase, dict[str, Any]]:
        assert self.killed_half_way
        setup = self.setup
        enough = setup.workshop / "enough"
        command = [sys.executable, CONNECTS, setup.roots, LEAST_CONNECTS, enough, *(one.fqdn for one in setup.hosts)]
        clients = subprocess.Popen(
            [LAB, "exec", "--", *map(str, command)],
            env=setup.lab.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert clients.stdin
        assert clients.stdout
        assert clients.stdout.readline() == "ready\n"
        before = setup.traced.latest_results()
        with ThreadPoolExecutor() as pool:
            running = pool.submit(self._renew, ansible=setup.traced)
            # What comes before that changes no host; connecting all the while would only make it last longer.
            last = "Look at the requests and answers"
            wait_until(
                lambda: running.done() or self._finished(last, before) >= len(NAMES),
                f"the task {last!r}",
                600,
            )
            clients.stdin.write("\n")
            clients.stdin.flush()
            run = running.result()
        enough.touch()
        out, _errors = clients.communicate(timeout=300)
        return self._chapter(run), json.loads(out)

    @property
    def rotated(self) -> Phase:
        """All certificates are renewed, while clients connect to all ports."""
        return self._rotated[0]

    @property
    def connects(self) -> dict[str, Any]:
        """What these clients saw, as programs/connecting_clients.py prints it."""
        return self._rotated[1]

    @computed_once
    def tlsa(self) -> dict[str, list[list[dict[str, Any]]]]:
        """By host: the TLSA records that were published, each time."""
        assert self.rotated
        folders = {host: self.setup.exchange / host for host in NAMES}
        return {
            host: [json.loads(path.read_text()) for path in sorted(folder.glob("tlsa-*.json"))]
            for host, folder in folders.items()
        }

    # ---- returned

    @computed_once
    def returned(self) -> Phase:
        """Two certificates of different CAs are replaced by their predecessors."""
        assert self.tlsa
        names = [f"{kind}.{{{{ lab_fqdn }}}}" for kind in ("smtp", "imap")]
        return self._chapter(self.setup.play("rollback", certificates_rollback=names))

    @computed_once
    def wire_returned(self) -> dict[str, str]:
        """What clients see then."""
        assert self.returned
        return self._wire()

    # ---- reported

    @computed_once
    def report(self) -> list[str]:
        """The lines of the table of all certificates."""
        assert self.returned
        run = self.setup.play("report").assert_success()
        (table,) = [one.result["msg"] for one in run.results if one.task == "Show it"]
        return list(table)

    # ---- keys

    @computed_once
    def key_files(self) -> dict[str, list[key_traces.KeyFile]]:
        """By host: every file into which a private key was written, from the first request to the rotation."""
        assert self.rotated
        return {host.name: key_traces.key_files(self.setup.lab, host) for host in self.setup.hosts}

    def _finished(self, task: str, before: Path | None) -> int:
        """How many hosts have a result of a task, in a run that was begun after another one."""
        latest = self.setup.traced.latest_results()
        return latest.read_text().count(task) if latest and latest != before else 0
