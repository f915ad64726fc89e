# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mail server that takes everything and says what it got, for hosts that send. Runs on the control side.

``mail_sink.py PEM ADDRESS...`` listens on ports 25, 587, 465 (TLS at once) and 2525 (no TLS at all) of each address;
where they are not 25 there is a login, which everybody passes. For each message it prints a line of JSON: recipient,
subject, port, whether TLS was used, and with which name and password the client has logged in.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import sys
import threading
from dataclasses import dataclass, field

IMPLICIT, BARE, PUBLIC = 465, 2525, 25
PORTS = (PUBLIC, 587, IMPLICIT, BARE)
PATIENCE = 120.0
_PRINTING = threading.Lock()  # print() writes a line and its end one after the other


@dataclass
class Session:
    """What is known of a client."""

    port: int
    tls: bool = False
    user: str = ""
    password: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class Conversation:
    """One client's conversation."""

    def __init__(self, connection: socket.socket, port: int, context: ssl.SSLContext) -> None:
        self.connection, self.context = connection, context
        self.session = Session(port)

    def run(self) -> None:
        """Talk until the client leaves."""
        with contextlib.suppress(OSError):
            self.connection.settimeout(PATIENCE)
            if self.session.port == IMPLICIT:
                self.encrypt()
            self.stream = self.connection.makefile("rwb")
            self.say("220 sink ESMTP")
            while self.answer(self.stream.readline().decode("latin-1").rstrip("\r\n")):
                pass
        self.connection.close()

    def encrypt(self) -> None:
        """Begin TLS."""
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.session.tls = True

    def say(self, *lines: str) -> None:
        """Send lines."""
        self.stream.write("".join(line + "\r\n" for line in lines).encode())
        self.stream.flush()

    def answer(self, line: str) -> bool:
        """Answer one command; whether the conversation goes on."""
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            tls = [] if self.session.tls or self.session.port == BARE else ["250-STARTTLS"]
            login = [] if self.session.port == PUBLIC else ["250-AUTH PLAIN LOGIN"]
            self.say("250-sink", *tls, *login, "250 HELP")
        elif verb == "STARTTLS":
            self.say("220 go ahead")
            self.encrypt()
            self.stream = self.connection.makefile("rwb")
        elif verb == "AUTH":
            self.log_in(line.split(" ")[1:])
        elif verb == "MAIL":
            self.session.sender = "".join(re.findall(r"<(.*?)>", line)[:1])
            self.session.recipients = []
            self.say("250 ok")
        elif verb == "RCPT":
            self.session.recipients += re.findall(r"<(.*?)>", line)[:1]
            self.say("250 ok")
        elif verb == "DATA":
            self.say("354 go ahead")
            self.take()
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        elif not verb:
            return False
        else:
            self.say("250 ok")
        return True

    def log_in(self, given: list[str]) -> None:
        """Take any name and password."""
        mechanism, first = given[0].upper(), given[1:]

        def word(prompt: str) -> str:
            if first:
                return base64.b64decode(first.pop()).decode()
            self.say(f"334 {prompt}")
            return base64.b64decode(self.stream.readline().strip()).decode()

        if mechanism == "PLAIN":
            _as, self.session.user, self.session.password = word("").split("\0")
        else:
            self.session.user, self.session.password = word("VXNlcm5hbWU6"), word("UGFzc3dvcmQ6")
        self.say("235 welcome")

    def take(self) -> None:
        """Take a message."""
        lines = list(iter(lambda: self.stream.readline().rstrip(b"\r\n"), b"."))
        about = self.session
        subject = next((one[8:].strip() for one in lines if one.lower().startswith(b"subject:")), b"").decode()
        for recipient in about.recipients:
            known = {name: getattr(about, name) for name in ("port", "tls", "user", "password", "sender")}
            with _PRINTING:
                print(json.dumps({"recipient": recipient, "subject": subject, **known}), flush=True)
        self.say("250 taken")


def serve(address: str, port: int, context: ssl.SSLContext) -> None:
    """Take clients at one address and port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        while True:
            connection, _from = listener.accept()
            threading.Thread(target=Conversation(connection, port, context).run, daemon=True).start()


def main(certificate: str, *addresses: str) -> None:
    """Serve until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listeners = [
        threading.Thread(target=serve, args=(address, port, context)) for address in addresses for port in PORTS
    ]
    for one in listeners:
        one.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
