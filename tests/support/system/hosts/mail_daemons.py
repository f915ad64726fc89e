# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail daemons as seen on the host itself: journal, processes, queue, mailboxes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until

# Postfix' master says the first, Dovecot's the second.
RELOADED = re.compile(r"reload -- version|SIGHUP received - reloading configuration")
STARTED = re.compile(r"daemon started -- version|Dovecot v\S+ \(\S+\) starting up")


def cursor(lab: Lab, host: Host) -> str:
    """Where the journal ends now."""
    lab.ask(host, "journalctl", "--sync")
    printed = lab.ask(host, "journalctl", "--lines=0", "--show-cursor")
    return printed.rpartition("-- cursor: ")[2].strip()


def journal_since(lab: Lab, host: Host, start: str) -> str:
    """The journal since a cursor."""
    lab.ask(host, "journalctl", "--sync")
    return lab.ask(host, "journalctl", f"--after-cursor={start}", "--output=short-precise", "--no-pager")


def reloads(journal: str) -> int:
    """How often a mail daemon was reloaded."""
    return len(RELOADED.findall(journal))


def starts(journal: str) -> int:
    """How often a mail daemon was started."""
    return len(STARTED.findall(journal))


def masters(lab: Lab, host: Host) -> list[str]:
    """Process id and start time of the main processes of both daemons."""
    return [line for line in processes(lab, host) if line.split()[0] in ("(master)", "(dovecot)")]


def processes(lab: Lab, host: Host) -> list[str]:
    """Name, process id and start time of each process that systemd has started, sorted.

    The time is that of proc(5), in clock ticks since boot: ps converts it to the time of day, which may come out
    another second later on, when the clock has been adjusted.
    """
    script = "for pid in $(ps --ppid 1 -o pid=); do awk '{print $2, $1, $22}' /proc/$pid/stat 2>/dev/null || :; done"
    return sorted(lab.shell(host, script).splitlines())


def wait_for_empty_queue(lab: Lab, host: Host) -> None:
    """Wait until the queue is empty."""
    wait_until(lambda: "Mail queue is empty" in lab.ask(host, "postqueue", "-p"), f"an empty queue on {host.name}")


def mailbox(lab: Lab, host: Host, user: str) -> str:
    """The content of a user's mailbox."""
    return lab.shell(host, f"cat /var/mail/{user} 2>/dev/null || true")


def wait_for_message(lab: Lab, host: Host, user: str, token: str) -> str:
    """Wait for the message with a token in it, and return it from its first header on."""

    def message() -> str:
        messages = re.split(r"^(?=From )", mailbox(lab, host, user), flags=re.MULTILINE)
        return next((one for one in messages if token in one), "")

    return wait_until(message, f"a message with {token} for {user} on {host.name}")


def send(lab: Lab, host: Host, recipient: str, token: str, sender: str = "root") -> None:
    """Submit a message on a host, as its own programs do."""
    text = f"Subject: {token}\n\nThe body says {token} as well.\n"
    lab.ask(host, "sendmail", "-f", f"{sender}@{host.fqdn}", recipient, given=text)


def listening(lab: Lab, host: Host) -> Sequence[int]:
    """The TCP ports on which something listens."""
    printed = lab.ask(host, "ss", "-Hltn")
    return sorted({int(line.split()[3].rpartition(":")[2]) for line in printed.splitlines()})
