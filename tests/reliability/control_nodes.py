# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two control nodes that know nothing of each other, which change certificates and settings of the same hosts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import CYRUS, EXIM, FULL
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN, vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

PROTOCOLS: Mapping[str, Sequence[str]] = {
    FULL: ("smtp", "submission", "imap", "pop3"),
    EXIM: ("smtp", "submission"),
    CYRUS: ("imap", "pop3"),
}


class SecondControl(Ansible):
    """Ansible on another control node: nothing is shared with the first one but the inventory."""

    def environment(self, results: Path) -> dict[str, str]:
        """The environment of a run."""
        home = self.directory / "home"
        return {
            **super().environment(results),
            "HOME": str(home),
            "ANSIBLE_HOME": str(home / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(home / "cp"),
        }


class Changes(threading.Thread):
    """One control node, which changes the hosts again and again.

    Args:
        tasks: what its run number N does.
        play: runs tasks on all hosts.
        over: when it is to end.
    """

    def __init__(
        self, tasks: Callable[[int], Sequence[Mapping[str, Any]]], play: Callable[..., Run], over: threading.Event
    ) -> None:
        super().__init__()
        self._tasks, self._play, self._over = tasks, play, over
        self.calls = 0
        self.changed = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Change until it is over."""
        number = 0
        while not self._over.is_set():
            run = self._play(self._tasks(number))
            number += 1
            self.calls += sum(one.ours for one in run.results)
            self.changed += sum(one.ours and one.changed for one in run.results)
            if run.code != 0:
                self.faults.append(run.failures() or run.out[-500:])


def rotation(hosts: Sequence[Ground]) -> Callable[[int], Sequence[Mapping[str, Any]]]:
    """Another certificate each time."""

    def tasks(number: int) -> Sequence[Mapping[str, Any]]:
        content = {one.host.name: one.renewals[number % 2] for one in hosts}
        names = {one.host.name: one.host.fqdn for one in hosts}
        call = {
            "name": MAIN,
            "content": "{{ content[inventory_hostname] }}",
            "names": ["{{ names[inventory_hostname] }}"],
            "trust_store": ROOT_ON_HOST,
        }
        return [
            {"name": "rotate", f"{COLLECTION}.mail_cert_install": call, "vars": {"content": content, "names": names}}
        ]

    return tasks


def settings(hosts: Sequence[Ground]) -> Callable[[int], Sequence[Mapping[str, Any]]]:
    """Another strength each time."""

    def tasks(number: int) -> Sequence[Mapping[str, Any]]:
        strength = ("legacy", "intermediate")[number % 2]
        wanted = {
            one.host.name: [
                {**vserver(protocol), "require_secure_channel": protocol != "smtp", "strength": strength}
                for protocol in PROTOCOLS[one.kind]
            ]
            for one in hosts
        }
        call = {"vservers": "{{ wanted[inventory_hostname] }}"}
        return [{"name": "settings", f"{COLLECTION}.mail_vserver_tls": call, "vars": {"wanted": wanted}}]

    return tasks
