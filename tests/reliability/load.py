# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load: mail flows and sessions are held, while two control nodes change certificates and settings all the time."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability.control_nodes import (
    Changes,
    SecondControl,
    rotation,
    settings,
)
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import CYRUS, EXIM, FULL
from ansible_collections.postmaster.secure_channel.tests.reliability.figures import Figure
from ansible_collections.postmaster.secure_channel.tests.reliability.grounds import Ground
from ansible_collections.postmaster.secure_channel.tests.reliability.shipped import OWN_PROGRAMS
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import (
    Host,
    Lab,
    wait_until,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible

PART = "load"
USER, PASSWORD = "alice", "held for long"
# Whom the messages are for: nobody who reads a mailbox locks this one, as IMAP sessions of 'alice' do with hers.
RECEIVER = "receiver"
TAKING: Mapping[str, str] = {FULL: "Postfix", EXIM: "Exim"}
HOLDING: Mapping[str, str] = {FULL: "Dovecot", CYRUS: "Cyrus"}
FLOWS = 6  # SMTP sessions with a server at a time
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
# What each daemon does whenever it is reloaded, with the same settings as well: Dovecot ends the sessions of those who
# have not logged in yet, Exim closes its sockets for a moment, and Cyrus ends processes that have just begun a session.
CUT_BY_DOVECOT, CUT_BY_EXIM, CUT_BY_CYRUS = " full", " ex", " cy"  # the hosts of that kind
ENDED = re.compile("EOF|ZeroReturn|ConnectionReset")
# A file for each message: thousands of deliveries to one file would wait for its lock, and give up in the end.
MAILBOX = f"/home/{RECEIVER}/Maildir"
COUNTED = f"grep -raohE '^Subject: load [a-z0-9]+-[0-9]+' {MAILBOX} | sort | uniq -c | awk '{{print $1, $4}}'"
EMPTY: Mapping[str, Sequence[str]] = {
    FULL: ("sh", "-c", "postqueue -p | grep -q empty"),
    EXIM: ("sh", "-c", "test $(exim4 -bpc) = 0"),
}
EXIM_MAILBOX = """
grep -q '^smtp_accept_max ' /etc/exim4/exim4.conf.template
sed -i "s/^dc_localdelivery=.*/dc_localdelivery='maildir_home'/" /etc/exim4/update-exim4.conf.conf
update-exim4.conf
systemctl reload exim4
"""
CYRUS_USER = f"""
printf '%s' '{PASSWORD}' | saslpasswd2 -p -c {USER}
chown cyrus /etc/sasldb2
sed -i '/^sasl_pwcheck_method:/d; /^autocreate_quota:/d' /etc/imapd.conf
printf '%s\\n' >>/etc/imapd.conf \\
    'sasl_pwcheck_method: auxprop' 'sasl_auxprop_plugin: sasldb' 'autocreate_post: yes' 'autocreate_quota: 0'
sed -i 's/maxchild=[0-9]*/maxchild=1000/' /etc/cyrus.conf
systemctl restart cyrus-imapd
until ss -Hltn | grep -q :993; do sleep 0.1; done
"""


def prepare(lab: Lab, ground: Ground) -> None:
    """A user with a mailbox on a host, who may have many sessions."""
    host = ground.host
    if ground.kind == CYRUS:
        lab.shell(host, CYRUS_USER)
        return
    lab.ask(host, "chpasswd", given=f"{USER}:{PASSWORD}\n")
    lab.shell(host, f"id {RECEIVER} >/dev/null 2>&1 || useradd --create-home {RECEIVER}; rm -rf {MAILBOX}")
    if ground.kind == FULL:
        lab.write(host, "/etc/dovecot/local.conf", MANY)
        lab.shell(
            host,
            "postconf -e smtpd_client_connection_count_limit=0 home_mailbox=Maildir/; postfix reload;"
            " systemctl reload dovecot",
        )
    else:
        lab.shell(host, EXIM_MAILBOX)


def received(lab: Lab, host: Host) -> Counter[str]:
    """How often each message is in a host's mailbox."""
    printed = lab.run_in(host, "sh", "-c", COUNTED).out
    return Counter({label: int(times) for times, label in (line.split() for line in printed.splitlines())})


def _is_empty(lab: Lab, ground: Ground) -> bool:
    """Whether a host has delivered everything."""
    return lab.run_in(ground.host, *EMPTY[ground.kind]).code == 0


def measure(lab: Lab, hosts: Sequence[Ground], workshop: Path, messages: int, sessions: int) -> list[Figure]:
    """Send and hold while everything changes, and count at the receivers.

    Args:
        lab: the lab.
        hosts: the hosts.
        workshop: a directory to make and work in.
        messages: how many to send to the hosts of each release.
        sessions: how many to hold with the hosts of each release.
    """
    workshop.mkdir()
    for ground in hosts:
        prepare(lab, ground)
    sending = [one for one in hosts if one.kind in TAKING]
    holding = [one for one in hosts if one.kind in HOLDING]
    wanted: dict[str, Any] = {
        "roots": str(workshop / "roots.pem"),
        "sent": str(workshop / "sent"),
        "enough": str(workshop / "enough"),
        "messages": {one.host.release: messages for one in sending},
        "senders": [
            {
                "host": one.host.fqdn,
                "to": f"{RECEIVER}@{one.host.fqdn}",
                "label": one.host.name,
                "group": one.host.release,
                "sessions": FLOWS,
            }
            for one in sending
        ],
        "held": [
            {
                "host": one.host.fqdn,
                "user": USER,
                "password": PASSWORD,
                "sessions": -(-sessions // sum(other.host.release == one.host.release for other in holding)),
            }
            for one in holding
        ],
    }
    (workshop / "roots.pem").write_text("".join({lab.read(one.host, ROOT_ON_HOST) for one in hosts}))
    seen, controls = _under_change(lab, hosts, workshop, wanted)
    for ground in sending:
        wait_until(partial(_is_empty, lab, ground), f"an empty queue on {ground.host.name}", 600)
    return _figures(lab, sending, holding, seen, controls)


def _under_change(
    lab: Lab, hosts: Sequence[Ground], workshop: Path, wanted: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Changes]]:
    """Run the clients, and two control nodes beside them; what the clients saw."""
    over = threading.Event()
    names = ",".join(one.host.name for one in hosts)
    controls = []
    for kind, tasks in ((Ansible, rotation(hosts)), (SecondControl, settings(hosts))):
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


def _figures(
    lab: Lab,
    sending: Sequence[Ground],
    holding: Sequence[Ground],
    seen: Mapping[str, Any],
    controls: Sequence[Changes],
) -> list[Figure]:
    """As lines of the table."""
    sent, faults = seen["sent"], seen["faults"]
    lost, twice = [], []
    for ground in sending:
        name = ground.host.name
        there = received(lab, ground.host)
        lost += [f"{name}: {number}" for number in range(sent.get(name, 0)) if f"{name}-{number:06}" not in there]
        twice += [f"{name}: {label}" for label, times in there.items() if times > 1]
    total = sum(sent.values())
    calls = sum(one.calls for one in controls)
    failed = [fault for one in controls for fault in one.faults]
    handshakes = seen["counts"].get("handshakes", 0)
    dropped = faults.get("dropped IMAP sessions", [])
    unshaken = faults.get("failed handshakes", [])
    refused = [one for one in unshaken if CUT_BY_EXIM in one and "ConnectionRefused" in one]
    ended = [one for one in unshaken if CUT_BY_CYRUS in one and ENDED.search(one)]
    others = [one for one in unshaken if one not in refused and one not in ended]
    taken = {f"{TAKING[one.kind]} on {one.host.release}": sent.get(one.host.name, 0) for one in sending}
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
        *(Figure(PART, f"messages taken by {who}", number, total, None, least=1) for who, number in taken.items()),
        Figure(PART, "messages lost", len(lost), total, 0, lost),
        Figure(PART, "messages delivered twice", len(twice), total, 0, twice),
        Figure(PART, "failed handshakes", len(others), handshakes, 0, others),
        Figure(PART, "refused by Exim, whose reload does that", len(refused), handshakes, None),
        Figure(PART, "ended by Cyrus, whose reload does that", len(ended), handshakes, None),
        Figure(
            PART,
            "dropped SMTP sessions",
            len(faults.get("dropped SMTP sessions", [])),
            handshakes,
            0,
            faults.get("dropped SMTP sessions", []),
        ),
    ]
    for ground in holding:
        host = ground.host
        theirs = [one for one in dropped if f" {host.fqdn} " in one]
        held = seen["counts"].get(f"held by {host.fqdn}", 0)
        what = f"dropped IMAP sessions of those held by {HOLDING[ground.kind]} on {host.release}"
        found.append(Figure(PART, what, len(theirs), held, 0, theirs))
    if holding:
        logins = seen["counts"].get("logins", 0)
        cut = faults.get("cut logins", [])
        ours = [one for one in cut if CUT_BY_DOVECOT not in one]
        found.append(Figure(PART, "IMAP logins in progress cut off", len(ours), logins, 0, ours))
        found.append(Figure(PART, "the same by Dovecot, whose reload does that", len(cut) - len(ours), logins, None))
    return found
