# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The play that injects faults on a pair of hosts, one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import Wire
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.faults import (
    DEATHS,
    FAULTS,
    in_place_of,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    ODD,
    Options,
    peer_of,
    places,
    vserver,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import attributes, config_snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Result, Run

CALLED = "mail_vserver_tls"
JOURNAL = "/var/lib/postmaster-secure-channel/transaction/journal.json"
STATE = "/var/lib/postmaster-secure-channel"
UNIT = "/etc/systemd/system/postmaster-secure-channel-recovery.service"
NOTHING_LEFT = f"test ! -e {STATE}; test ! -e {UNIT}; test -z \"$(find /etc -xdev -name '.*.postmaster-*')\""
# Without any run of ours; what was killed a minute ago must have been undone.
UNDONE_BY_ITSELF = f"for i in $(seq 60); do [ -e {STATE} ] || break; sleep 1; done; {NOTHING_LEFT}"
LOCKED = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c 'postmaster-secure-channel.lock$'"
# Dovecot's test does not go on until there is a second run that wants the lock, beside the first one and its guard.
SLOW = f"for i in $(seq 200); do [ $({LOCKED}) -lt 3 ] || break; sleep 0.1; done; [ $({LOCKED}) -ge 3 ] || exit 1"
FIRST, SECOND, WAITED, BOTH = "the first run", "the second run", "the first run ends", "both runs"


def labels(name: str) -> tuple[str, str]:
    """The labels of the configurations before and after a fault."""
    word = "".join(letter if letter.isalnum() else "-" for letter in name)
    return f"{word}-before", f"{word}-after"


class Injection(Play):
    """The play for one pair of hosts, which look at one another."""

    def __init__(self, lab: Lab, pair: tuple[str, str], wanted: Callable[[Host], Sequence[Options]]) -> None:
        super().__init__()
        self._pair = pair
        wire = Wire(lab, Path(ROOT_ON_HOST))
        hosts = [lab.hosts[name] for name in pair]
        self.variables: Mapping[str, Any] = {
            "wanted": {host.name: wanted(host) for host in hosts},
            "sessions": {
                peer_of(host): "\n".join(
                    f"{shlex.join(wire.session(host, place))} </dev/null" for place in places(host)
                )
                for host in hosts
            },
        }
        self.shell("attributes are given", attributes.give())
        for fault in FAULTS[pair]:
            before, after = labels(fault.name)
            self.shell(f"begin: {fault.name}", fault.begin, config_snapshots.script(before))
            self.call(fault.name, CALLED, {"vservers": fault.vservers})
            self.shell(f"end: {fault.name}", config_snapshots.script(after), fault.end)
            self.shell(f"look: {fault.name}", "{{ sessions[inventory_hostname] }}")
        for death in DEATHS[pair]:
            before, after = labels(death.name)
            self.shell(f"begin: {death.name}", config_snapshots.script(before), death.begin)
            self.call(death.name, CALLED, {"vservers": death.vservers})
            self.shell(f"end: {death.name}", death.end, UNDONE_BY_ITSELF, config_snapshots.script(after))
            self.shell(f"look: {death.name}", "{{ sessions[inventory_hostname] }}")
            self.call(f"next: {death.name}", CALLED, {"vservers": "{{ wanted[inventory_hostname] }}"})
        self.shell("attributes are taken", attributes.take())
        if pair == ODD:
            self._two_at_once()

    def _two_at_once(self) -> None:
        """Two runs that change different things of one daemon."""
        one, other = (vserver(protocol, strength="legacy") for protocol in ("imap", "pop3"))
        begin, end = in_place_of("doveconf", **{"-c /var/lib/postmaster-secure-channel/*": SLOW})
        self.shell("begin: two runs", begin)
        self.call(FIRST, CALLED, one, **{"async": 120, "poll": 0, "register": "first"})
        self.call(SECOND, CALLED, other)
        self.tasks.append(
            {
                "name": WAITED,
                "ansible.builtin.async_status": {"jid": "{{ first.ansible_job_id }}"},
                "register": "ended",
                "until": "ended is finished",
                "retries": 120,
                "delay": 1,
                "ignore_errors": True,
            }
        )
        self.shell("end: two runs", end)
        self.call(BOTH, CALLED, {"vservers": [one, other]})
        self.shell("look: two runs", "{{ sessions[inventory_hostname] }}")

    def play(self, ansible: Ansible) -> Run:
        """Run the play."""
        return ansible.play(",".join(self._pair), self.tasks, strategy="linear", **self.variables)


def result_of(run: Run, host: Host, task: str) -> Result:
    """The result of a task."""
    return run.one(host.name, task)
