# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins with all kinds of signs, as they arrive at servers that write down what they are given.

Two hosts send to each other: each has a server for each login.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS, WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run

FIRST_PORT = 2501
RECORD = f"{WORK}/logins"
LOGINS: Mapping[str, tuple[str, str]] = {
    "quotes": ("us'er\"x", "a\"b'c"),
    "dollar": ("$user", "$1${x}$(id)`id`$$"),
    "percent": ("a%u", "%{user} %s %%"),
    "hash": ("a#b", "#x # y"),
    "backslash": ("DOMAIN\\user", "a\\b\\\\n\\"),
    "blanks": ("first last", "a  b c"),
    "colons": ("user", ":a:b::"),
    "umlauts": ("jürgen", "Grüße, 日本 ß"),
    "long": ("u" * 200, "x" * 250),
    "longest": ("v" * 320, "y" * 1000),
    "braces": ("{x}", "{a=b} }{"),
    "caret": ("^user", "^^a^b"),
    "commas": ("a,b;c", ",;<>|&~!"),
    "empty": ("nobody", ""),
}


@dataclass
class Arrived:
    """What came of it.

    Attributes:
        runs: the call that set the accounts up, and the same once more.
        received: by sending host and label, login and password as they arrived.
    """

    runs: Sequence[Run]
    received: Mapping[str, Mapping[str, tuple[str, str]]]


def _accounts() -> list[dict[str, Any]]:
    return [
        {
            "domain": f"{label}.test",
            "tls": "none",
            "relay_host": "{{ servers[inventory_hostname] }}",
            "relay_port": FIRST_PORT + number,
            "username": login,
            "password": password,
            "auth_cleartext": True,
        }
        for number, (label, (login, password)) in enumerate(LOGINS.items())
    ]


def _received(lab: Lab, server: Host) -> dict[str, tuple[str, str]]:
    labels = list(LOGINS)
    found = {}
    for line in lab.shell(server, f"cat {RECORD} 2>/dev/null || true").splitlines():
        noted = json.loads(line)
        _authorize, login, password = base64.b64decode(noted["plain"]).split(b"\0")
        found[labels[noted["port"] - FIRST_PORT]] = login.decode(), password.decode()
    return found


def _serve(lab: Lab, host: Host, until: ExitStack) -> None:
    """Run the servers on a host."""
    program = f"{WORK}/recording_server.py"
    lab.shell(host, f"mkdir -p {WORK}")
    lab.write(host, program, (PROGRAMS / "recording_server.py").read_text())
    servers = lab.start_in(host, "python3", program, RECORD, str(FIRST_PORT), str(len(LOGINS)))
    until.callback(servers.communicate, "")
    assert servers.stdout
    assert servers.stdout.readline() == "ready\n"


def _send(lab: Lab, host: Host) -> None:
    """One message to each of the servers."""
    lab.shell(host, "".join(f"echo hello | sendmail -f root@{host.fqdn} x@{one}.test\n" for one in LOGINS))
    empty = ("", "Mail queue is empty")
    wait_until(lambda: lab.ask(host, "mailq").strip() in empty, f"an empty queue on {host.name}")


def arrive(lab: Lab, ansible: Ansible, names: Sequence[str]) -> Arrived:
    """Set the accounts up on two hosts, and send."""
    server_of = dict(zip(names, reversed(names)))
    task = {
        "name": "logins",
        "postmaster.secure_channel.mail_domain_security": {"domains": _accounts(), "preflight": "off"},
    }
    servers = {name: lab.hosts[server].address for name, server in server_of.items()}
    runs = [ansible.play(",".join(names), [task], "--diff", servers=servers).assert_success() for _time in range(2)]
    with ExitStack() as until, ThreadPoolExecutor() as pool:
        for name in names:
            _serve(lab, lab.hosts[name], until)
        list(pool.map(lambda name: _send(lab, lab.hosts[name]), names))
    return Arrived(runs, {name: _received(lab, lab.hosts[server]) for name, server in server_of.items()})
