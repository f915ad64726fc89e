# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load: mail flows and sessions are held, while two control nodes change certificates and settings all the time."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import CYRUS, EXIM, FULL
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.reliability.shipped import OWN_PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import MAIN, vserver
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import (
    Host,
    Lab,
    wait_until,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run

PART = "load"
USER, PASSWORD = "alice", "held for long"
# Whom the messages are for: nobody who reads a mailbox locks this one, as IMAP sessions of 'alice' do with hers.
RECEIVER = "receiver"
PROTOCOLS: Mapping[str, Sequence[str]] = {
    FULL: ("smtp", "submission", "imap", "pop3"),
    EXIM: ("smtp", "submission"),
    CYRUS: ("imap", "pop3"),
}
SENDING, HOLDING = (FULL, EXIM), (FULL, CYRUS)
FLOWS = 4  # SMTP sessions with a server at a time
# An administrator's own settings: many sessions of one user from one address.
MANY = """\
mail_max_userip_connections = 1000
service imap-login {
  process_limit = 1000
}
service imap {
  process_limit = 1000
}
"""
# Dovecot ends the sessions of those who have not logged in yet whenever it is reloaded.
CUT_BY_DOVECOT, CUT_BY_EXIM = " full", " ex"  # the hosts of that kind
MAILBOX = f"/var/mail/{RECEIVER}"
COUNTED = f"grep -aoE '^Subject: load [a-z0-9]+-[0-9]+' {MAILBOX} | sort | uniq -c | awk '{{print $1, $4}}'"
EMPTY: Mapping[str, Sequence[str]] = {
    FULL: ("sh", "-c", "postqueue -p | grep -q empty"),
    EXIM: ("sh", "-c", "test $(exim4 -bpc) = 0"),
}
CYRUS_USER = f"""
printf '%s' '{PASSWORD}' | saslpasswd2 -p -c {USER}
chown cyrus /etc/sasldb2
sed -i '/^sasl_pwcheck_method:/d; /^autocreate_quota:/d' /etc/imapd.conf
printf '%s\\n' >>/etc/imapd.conf \\
    'sasl_pwcheck_method: auxprop' 'sasl_auxprop_plugin: sasldb' 'autocreate_post: yes' 'autocreate_quota: 0'
systemctl restart cyrus-imapd
until ss -Hltn | grep -q :993; do sleep 0.1; done
"""


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


def _rotation(hosts: Sequence[Ground]) -> Callable[[int], Sequence[Mapping[str, Any]]]:
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


def _settings(hosts: Sequence[Ground]) -> Callable[[int], Sequence[Mapping[str, Any]]]:
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


def prepare(lab: Lab, ground: Ground) -> None:
    """A user with a mailbox on a host, who may have many sessions."""
    host = ground.host
    if ground.kind == CYRUS:
        lab.shell(host, CYRUS_USER)
        return
    lab.ask(host, "chpasswd", given=f"{USER}:{PASSWORD}\n")
    lab.shell(host, f"id {RECEIVER} >/dev/null 2>&1 || useradd --create-home {RECEIVER}; rm -f {MAILBOX}")
    if ground.kind == FULL:
        lab.write(host, "/etc/dovecot/local.conf", MANY)
        lab.shell(
            host,
            "postconf -e smtpd_client_connection_count_limit=0; postfix reload; systemctl reload dovecot",
        )
    else:
        lab.shell(host, "grep -q '^smtp_accept_max ' /etc/exim4/exim4.conf.template || exit 1")


def received(lab: Lab, host: Host) -> Counter[str]:
    """How often each message is in a host's mailbox."""
    printed = lab.run_in(host, "sh", "-c", COUNTED).out
    return Counter({label: int(times) for times, label in (line.split() for line in printed.splitlines())})


def _is_empty(lab: Lab, ground: Ground) -> bool:
    """Whether a host has delivered everything."""
    return lab.run_in(ground.host, *EMPTY[ground.kind]).code == 0


def measure(lab: Lab, hosts: Sequence[Ground], workshop: Path, messages: int, sessions: int) -> list[Figure]:
    """Send and hold while everything changes, and count at the receivers."""
    workshop.mkdir()
    for ground in hosts:
        prepare(lab, ground)
    sending = [one for one in hosts if one.kind in SENDING]
    holding = [one for one in hosts if one.kind in HOLDING]
    wanted: dict[str, Any] = {
        "roots": str(workshop / "roots.pem"),
        "sent": str(workshop / "sent"),
        "enough": str(workshop / "enough"),
        "senders": [
            {
                "host": one.host.fqdn,
                "to": f"{RECEIVER}@{one.host.fqdn}",
                "label": one.host.name,
                "messages": -(-messages // len(sending)),
                "sessions": FLOWS,
            }
            for one in sending
        ],
        "held": [
            {"host": one.host.fqdn, "user": USER, "password": PASSWORD, "sessions": -(-sessions // len(holding))}
            for one in holding
        ],
    }
    (workshop / "roots.pem").write_text("".join({lab.read(one.host, ROOT_ON_HOST) for one in hosts}))
    seen, controls = _under_change(lab, hosts, workshop, wanted)
    for ground in sending:
        wait_until(partial(_is_empty, lab, ground), f"an empty queue on {ground.host.name}", 600)
    return _figures(lab, sending, seen, controls)


def _under_change(
    lab: Lab, hosts: Sequence[Ground], workshop: Path, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Changes]]:
    """Run the clients, and two control nodes beside them; what the clients saw."""
    over = threading.Event()
    names = ",".join(one.host.name for one in hosts)
    controls = []
    for kind, tasks in ((Ansible, _rotation(hosts)), (SecondControl, _settings(hosts))):
        place = workshop / kind.__name__
        (place / "home").mkdir(parents=True)
        play = partial(kind(lab.inventory, place).play, names, strategy="free")
        controls.append(Changes(tasks, play, over))
    clients = lab.start_beside("python3", str(OWN_PROGRAMS / "load_clients.py"))
    assert clients.stdin
    assert clients.stdout
    clients.stdin.write(json.dumps(wanted) + "\n")
    clients.stdin.flush()
    assert clients.stdout.readline() == "ready\n", clients.communicate()[1]
    clients.stdin.write("\n")
    clients.stdin.flush()
    for one in controls:
        one.start()
    try:
        wait_until(lambda: Path(wanted["sent"]).exists() or clients.poll() is not None, "all mail to be sent", 36000)
    finally:
        over.set()
        for one in controls:
            one.join()
        Path(wanted["enough"]).touch()
    out, err = clients.communicate()
    assert clients.returncode == 0, err
    seen: dict[str, Any] = json.loads(out)
    return seen, controls


def _figures(lab: Lab, sending: Sequence[Ground], seen: Mapping[str, Any], controls: Sequence[Changes]) -> list[Figure]:
    """As lines of the table."""
    sent, faults = seen["sent"], seen["faults"]
    lost, twice = [], []
    for ground in sending:
        name = ground.host.name
        there = received(lab, ground.host)
        lost += [f"{name}: {number}" for number in range(sent[name]) if f"{name}-{number:06}" not in there]
        twice += [f"{name}: {label}" for label, times in there.items() if times > 1]
    total = sum(sent.values())
    calls = sum(one.calls for one in controls)
    failed = [fault for one in controls for fault in one.faults]
    handshakes = seen["counts"].get("handshakes", 0)
    held = seen["counts"].get("held sessions", 0)
    unshaken = faults.get("failed handshakes", [])
    others = [one for one in unshaken if not (CUT_BY_EXIM in one and "ConnectionRefused" in one)]
    found = [
        Figure(
            PART,
            "calls that changed certificates or settings meanwhile",
            sum(one.changed for one in controls),
            calls,
            None,
            least=1,
        ),
        Figure(PART, "runs of Ansible that failed, on two control nodes", len(failed), calls, 0, failed),
        Figure(PART, "messages lost", len(lost), total, 0, lost),
        Figure(PART, "messages delivered twice", len(twice), total, 0, twice),
        Figure(PART, "failed handshakes", len(others), handshakes, 0, others),
        Figure(PART, "refused by Exim, whose reload does that", len(unshaken) - len(others), handshakes, None),
        Figure(
            PART,
            "dropped SMTP sessions",
            len(faults.get("dropped SMTP sessions", [])),
            handshakes,
            0,
            faults.get("dropped SMTP sessions", []),
        ),
    ]
    if held:
        dropped = faults.get("dropped IMAP sessions", [])
        found.append(Figure(PART, "dropped IMAP sessions of those held", len(dropped), held, 0, dropped))
        logins = seen["counts"].get("logins", 0)
        cut = faults.get("cut logins", [])
        ours = [one for one in cut if CUT_BY_DOVECOT not in one]
        found.append(Figure(PART, "IMAP logins in progress cut off", len(ours), logins, 0, ours))
        found.append(Figure(PART, "the same by Dovecot, whose reload does that", len(cut) - len(ours), logins, None))
    return found
