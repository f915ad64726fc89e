# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connect to mail servers over and over with Python's own clients, until a file says that it is enough.

Begins when standard input has a line or ends. Arguments: a file of roots, the least number of connects to each port,
the file whose appearance means enough, and servers as HOST. A client connects to each port every 10 ms, or as soon as
its last connect is over, and less often once it has connected often enough and seen another certificate. Before that an
IMAP session with each server is opened; once a client has seen another certificate on the same port, the session is
asked whether it is still there.

Prints JSON: {"ports": {"HOST:PORT": {"connects": NUMBER, "errors": [...], "serials": [...]}}, "sessions": {HOST:
answer}}, with the serials in the order in which they were first seen.
"""

from __future__ import annotations

import imaplib
import json
import poplib
import smtplib
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE = 0.01  # seconds from one connect to the next
PAUSE_AFTERWARDS = 0.2  # the same, once the change was seen and there were connects enough
TIMEOUT = 60.0  # seconds, for a busy machine


def _secured(client: smtplib.SMTP | imaplib.IMAP4 | poplib.POP3) -> ssl.SSLSocket:
    """The socket of a client that has begun TLS."""
    sock = client.sock
    assert isinstance(sock, ssl.SSLSocket)
    return sock


def smtp(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = smtplib.SMTP(host, port, timeout=TIMEOUT)
    client.starttls(context=context)
    client.ehlo()
    return _secured(client)


def smtps(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    client.ehlo()
    return _secured(client)


def imap(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = imaplib.IMAP4(host, port, TIMEOUT)
    client.starttls(context)
    client.noop()
    return _secured(client)


def imaps(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=TIMEOUT)
    client.noop()
    return _secured(client)


def pop3(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = poplib.POP3(host, port, TIMEOUT)
    client.stls(context)
    client.capa()
    return _secured(client)


def pop3s(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = poplib.POP3_SSL(host, port, context=context, timeout=TIMEOUT)
    client.capa()
    return _secured(client)


PORTS: dict[int, tuple[str, Callable[[str, int, ssl.SSLContext], ssl.SSLSocket]]] = {
    25: ("smtp", smtp),
    587: ("submission", smtp),
    465: ("submission", smtps),
    143: ("imap", imap),
    993: ("imap", imaps),
    110: ("pop3", pop3),
    995: ("pop3", pop3s),
}


class Session(threading.Thread):
    """An IMAP session from before the change, asked whether it is still there right after it."""

    def __init__(self, server: str, roots: str, port: Port, enough: Path) -> None:
        super().__init__()
        context = ssl.create_default_context(cafile=roots)
        self._client = imaplib.IMAP4_SSL(f"imap.{server}", ssl_context=context, timeout=TIMEOUT)
        self._client.login("alice", "alice")
        self._port = port
        self._enough = enough
        self.answer = "there was no change"

    def run(self) -> None:
        """Wait for another certificate, then ask."""
        while len(self._port.serials) < 2 and not self._enough.exists():
            time.sleep(PAUSE)
        try:
            self.answer = self._client.noop()[0]
        except Exception as error:
            self.answer = repr(error)


class Port(threading.Thread):
    """Connects to one port, one after the other."""

    def __init__(self, server: str, port: int, roots: str, least: int, enough: Path) -> None:
        super().__init__()
        self.label = f"{server}:{port}"
        protocol, self._connect = PORTS[port]
        # The name is the one of the certificate: most submission servers are known by the host's own.
        self._address = (server if protocol == "submission" else f"{protocol}.{server}", port)
        self._context = ssl.create_default_context(cafile=roots)
        self._least = least
        self._enough = enough
        self.connects = 0
        self.errors: list[str] = []
        self.serials: list[str] = []

    def run(self) -> None:
        """Connect until it is enough."""
        while self.connects < self._least or not self._enough.exists():
            began = time.monotonic()
            try:
                with self._connect(*self._address, self._context) as session:
                    serial = str((session.getpeercert() or {})["serialNumber"])
                if serial not in self.serials:
                    self.serials.append(serial)
            except Exception as error:
                self.errors.append(f"{time.time():.3f} {error!r}")
            self.connects += 1
            seen_enough = self.connects >= self._least and len(self.serials) > 1
            time.sleep(max(0.0, began + (PAUSE_AFTERWARDS if seen_enough else PAUSE) - time.monotonic()))


def main(roots: str, least: str, enough: str, *servers: str) -> None:
    """Open the sessions, connect, look at the sessions again."""
    print("ready", flush=True)
    sys.stdin.readline()
    ports = [Port(server, port, roots, int(least), Path(enough)) for server in servers for port in PORTS]
    implicit = {one.label: one for one in ports}
    sessions = {server: Session(server, roots, implicit[f"{server}:993"], Path(enough)) for server in servers}
    threads = [*sessions.values(), *ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen: dict[str, Any] = {
        one.label: {"connects": one.connects, "errors": one.errors, "serials": one.serials} for one in ports
    }
    print(json.dumps({"ports": seen, "sessions": {server: one.answer for server, one in sessions.items()}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
