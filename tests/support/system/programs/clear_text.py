# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Try what can be done without TLS. Runs on the control side, at an address that no host has.

Standard input has a JSON list of targets, each with ``protocol``, ``address``, ``port``, ``times``, ``user``,
``password``, ``sender``, ``recipient``, ``group``, ``patience`` (seconds for an answer), and ``proxy`` for listeners
behind a load balancer. Standard output gets a list of the same length: for each target, what could be done in any of
the connections, of

- ``greeting``: the server says something at all,
- ``offer``: it offers a login with a plain password,
- ``login``: one succeeds,
- ``mail``: a message is accepted up to its recipient (with ``sender`` and ``recipient``),
- ``read``: news can be read,
- ``page``: a page is shown, or the client is sent to another place than https.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

HEADER = {False: "PROXY TCP4 10.88.0.1 10.88.0.2 40000 25\r\n", True: "PROXY TCP6 fd88::1 fd88::2 40000 25\r\n"}


class Talk:
    """One connection in clear text."""

    def __init__(self, target: dict[str, Any]) -> None:
        self.target = target
        self.socket = socket.create_connection((target["address"], target["port"]), target["patience"])
        if target.get("proxy"):
            self.socket.sendall(HEADER[":" in target["address"]].encode())
        self.stream = self.socket.makefile("rwb")

    def hear(self) -> str:
        """One line; empty at the end."""
        return self.stream.readline(65536).decode("latin-1").rstrip("\r\n")

    def say(self, line: str) -> None:
        """One line."""
        self.stream.write(line.encode() + b"\r\n")
        self.stream.flush()

    # ---- protocols

    def smtp(self) -> set[str]:
        """Mail from other servers, and of users."""

        def ask(line: str = "") -> str:
            if line:
                self.say(line)
            lines = [self.hear()]
            while lines[-1][3:4] == "-":
                lines.append(self.hear())
            return "\n".join(lines)

        if not ask().startswith("220"):
            return set()
        can = {"greeting"}
        said = ask("EHLO client.outside.test")
        if re.search(r"^250.AUTH.*\b(PLAIN|LOGIN)\b", said, re.MULTILINE):
            can.add("offer")
        secret = base64.b64encode(f"\0{self.target['user']}\0{self.target['password']}".encode()).decode()
        if ask(f"AUTH PLAIN {secret}").startswith("235"):
            can.add("login")
        transaction = (f"MAIL FROM:<{self.target['sender']}>", f"RCPT TO:<{self.target['recipient']}>")
        if all(ask(line).startswith("25") for line in transaction):
            can.add("mail")
        return can

    submission = smtp

    def imap(self) -> set[str]:
        """Mailboxes."""

        def ask(line: str) -> str:
            self.say(f"a {line}")
            while (heard := self.hear()) and not heard.startswith("a "):
                pass
            return heard

        if not (greeting := self.hear()).startswith("* "):
            return set()
        can = {"greeting"}
        if re.search(r"AUTH=(PLAIN|LOGIN)\b", greeting):
            can.add("offer")
        if ask(f'LOGIN "{self.target["user"]}" "{self.target["password"]}"').startswith("a OK"):
            can.add("login")
        return can

    def pop3(self) -> set[str]:
        """Mailboxes, in the older way."""
        if not self.hear().startswith("+OK"):
            return set()
        can = {"greeting"}
        self.say(f"USER {self.target['user']}")
        if self.hear().startswith("+OK"):
            can.add("offer")
            self.say(f"PASS {self.target['password']}")
            if self.hear().startswith("+OK"):
                can.add("login")
        return can

    def nntp(self) -> set[str]:
        """News."""
        if not self.hear().startswith("20"):
            return set()
        can = {"greeting"}
        self.say("MODE READER")
        self.hear()
        self.say(f"GROUP {self.target['group']}")
        if self.hear().startswith("211"):
            can.add("read")
        self.say(f"AUTHINFO USER {self.target['user']}")
        if self.hear().startswith("381"):
            can.add("offer")
            self.say(f"AUTHINFO PASS {self.target['password']}")
            if self.hear().startswith("281"):
                can.add("login")
        return can

    def http(self) -> set[str]:
        """Pages."""
        self.say(f"GET / HTTP/1.1\r\nHost: {self.target['sender']}\r\nConnection: close\r\n")
        status = self.hear()
        if not status.startswith("HTTP/"):
            return set()
        rest = self.stream.read().decode("latin-1")
        sent_on = re.search(r"^HTTP/\S+ 30[1278]", status) and re.search(r"(?im)^location: https://", rest)
        return {"greeting"} if sent_on or re.search(r"^HTTP/\S+ 4", status) else {"greeting", "page"}


def attempt(target: dict[str, Any]) -> list[str]:
    """Everything that can be done at a target."""
    can: set[str] = set()
    for _time in range(target["times"]):
        with contextlib.suppress(OSError):
            talk = Talk(target)
            with talk.socket:
                can |= getattr(talk, target["protocol"])()
    return sorted(can)


def main() -> None:
    """Try all."""
    targets = json.load(sys.stdin)
    with ThreadPoolExecutor(16) as pool:
        print(json.dumps(list(pool.map(attempt, targets))))


if __name__ == "__main__":
    main()
