# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send mail and hold sessions with Python's own clients, while somebody changes the servers. Runs on the control side.

Standard input has one line of JSON::

    {"roots": FILE, "sent": FILE, "enough": FILE, "messages": {GROUP: NUMBER},
     "senders": [{"host": NAME, "to": ADDRESS, "label": WORD, "group": GROUP, "sessions": NUMBER}],
     "held": [{"host": NAME, "user": NAME, "password": WORD, "sessions": NUMBER}]}

Each sender opens SMTP sessions with STARTTLS on port 25, some at a time, and sends ten messages in each. The senders of
a group share its messages: whoever has time takes the next ones, and gives them numbers of its own. A message that is
not acknowledged is sent again under the same number, as a mail server would do. When all is sent, the file
"sent" appears. An IMAP session over TLS says NOOP every few seconds until there is the file "enough"; then it has to
answer once more.

Prints JSON: what was acknowledged by each server, and all that went wrong.
"""

from __future__ import annotations

import imaplib
import json
import smtplib
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

TIMEOUT = 120.0  # seconds, for a busy machine
PER_SESSION = 10  # Exim only queues what comes after these
LOGINS_AT_A_TIME = 8
IDLE = 5.0  # seconds between two signs of life


class Report:
    """What all clients have seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        self.faults: dict[str, list[str]] = {}

    def count(self, what: str) -> None:
        """Something was tried."""
        with self._lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def acknowledged(self, label: str) -> None:
        """A server has taken a message."""
        with self._lock:
            self.sent[label] = self.sent.get(label, 0) + 1

    def fault(self, what: str, error: object) -> None:
        """Something went wrong."""
        with self._lock:
            self.faults.setdefault(what, []).append(f"{time.time():.1f} {error}")


class Waiting:
    """Messages that nobody has taken yet."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()

    def take(self, most: int) -> int:
        """Take some; how many there were."""
        with self._lock:
            taken = min(most, self._number)
            self._number -= taken
            return taken


class Sender:
    """Sends numbered messages to one server, in some sessions at a time."""

    def __init__(self, about: dict[str, Any], waiting: Waiting, roots: str, report: Report) -> None:
        self.about, self.waiting, self.report = about, waiting, report
        self.context = ssl.create_default_context(cafile=roots)
        self._next = 0
        self._lock = threading.Lock()

    def threads(self) -> list[threading.Thread]:
        """The sessions."""
        return [threading.Thread(target=self.run) for _number in range(self.about["sessions"])]

    def next_numbers(self) -> list[int]:
        """The numbers of the messages of the next session."""
        with self._lock:
            first = self._next
            self._next += self.waiting.take(PER_SESSION)
            return list(range(first, self._next))

    def run(self) -> None:
        """Send until there is nothing left."""
        while numbers := self.next_numbers():
            while numbers:
                self.session(numbers)
                if numbers:
                    time.sleep(0.5)

    def session(self, numbers: list[int]) -> None:
        """One session; what is acknowledged is taken from the list."""
        host = self.about["host"]
        self.report.count("handshakes")
        try:
            client = smtplib.SMTP(host, 25, timeout=TIMEOUT)
            client.starttls(context=self.context)
        except (OSError, smtplib.SMTPException) as error:
            self.report.fault("failed handshakes", f"{host}:25 {error!r}")
            return
        try:
            with client:
                while numbers:
                    client.send_message(self.message(numbers[0]))
                    numbers.pop(0)
                    self.report.acknowledged(self.about["label"])
        except (OSError, smtplib.SMTPException) as error:
            self.report.fault("dropped SMTP sessions", f"{host}:25 {error!r}")

    def message(self, number: int) -> EmailMessage:
        """A message with its number."""
        message = EmailMessage()
        message["From"] = "load@control.example.test"
        message["To"] = self.about["to"]
        message["Subject"] = f"load {self.about['label']}-{number:06}."
        message.set_content("Nothing to see.\n")
        return message


class Held(threading.Thread):
    """One IMAP session that lasts until all mail is sent."""

    def __init__(self, about: dict[str, Any], roots: str, report: Report, over: threading.Event) -> None:
        super().__init__()
        self.about, self.report, self.over = about, report, over
        self.context = ssl.create_default_context(cafile=roots)
        self.client: imaplib.IMAP4_SSL | None = None

    def log_in(self) -> None:
        """Open the session, before anything changes."""
        self.client = imaplib.IMAP4_SSL(self.about["host"], ssl_context=self.context, timeout=TIMEOUT)
        self.client.login(self.about["user"], self.about["password"])
        self.client.select(readonly=True)
        self.report.count(f"held by {self.about['host']}")

    def run(self) -> None:
        """Say something from time to time, and once more at the end."""
        assert self.client
        try:
            while not self.over.wait(IDLE):
                self.client.noop()
            self.client.noop()
            self.client.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            self.report.fault("dropped IMAP sessions", f"{self.about['host']} {error!r}")


class Logins(threading.Thread):
    """Logs in over and over: a login in progress must not be cut off either."""

    def __init__(self, about: dict[str, Any], roots: str, report: Report, over: threading.Event) -> None:
        super().__init__()
        self.about, self.report, self.over = about, report, over
        self.context = ssl.create_default_context(cafile=roots)

    def run(self) -> None:
        """One login after the other."""
        while not self.over.wait(0.2):
            self.attempt()

    def attempt(self) -> None:
        """One login."""
        host = self.about["host"]
        self.report.count("handshakes")
        try:
            client = imaplib.IMAP4_SSL(host, ssl_context=self.context, timeout=TIMEOUT)
        except (OSError, imaplib.IMAP4.error) as error:
            self.report.fault("failed handshakes", f"{host}:993 {error!r}")
            return
        self.report.count("logins")
        try:
            client.login(self.about["user"], self.about["password"])
            client.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            self.report.fault("cut logins", f"{host}:993 {error!r}")


def log_in(by_server: list[list[Held]]) -> list[Held]:
    """Open all sessions, some at a time; the first one of a server makes the user's mailbox there."""
    for first, *_others in by_server:
        first.log_in()
    others = [one for sessions in by_server for one in sessions[1:]]
    with ThreadPoolExecutor(LOGINS_AT_A_TIME) as pool:
        list(pool.map(Held.log_in, others))
    return [sessions[0] for sessions in by_server] + others


def main() -> None:
    """Hold sessions, send, count."""
    about = json.loads(sys.stdin.readline())
    report, over, roots = Report(), threading.Event(), about["roots"]
    held = log_in([[Held(one, roots, report, over) for _number in range(one["sessions"])] for one in about["held"]])
    print("ready", flush=True)
    sys.stdin.readline()
    logins = [Logins(one, roots, report, over) for one in about["held"]]
    waiting = {group: Waiting(number) for group, number in about["messages"].items()}
    by_server = [Sender(one, waiting[one["group"]], roots, report) for one in about["senders"]]
    senders = [thread for one in by_server for thread in one.threads()]
    for thread in (*held, *logins, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    Path(about["sent"]).touch()
    while not Path(about["enough"]).exists():
        time.sleep(0.2)
    over.set()
    for other in (*held, *logins):
        other.join()
    print(json.dumps({"sent": report.sent, "counts": report.counts, "faults": report.faults}))


if __name__ == "__main__":
    main()
