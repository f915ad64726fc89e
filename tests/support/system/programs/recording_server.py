# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SMTP servers that take every login and every message, and write down what was logged in with.

Arguments: a file, the first port, and how many ports. The file gets a line of JSON for each login: the port, and what
the client sent for AUTH PLAIN, in base64 as it came over the wire; for AUTH LOGIN the same, put together. Listens on
all addresses, without TLS.
"""

from __future__ import annotations

import base64
import json
import socketserver
import sys
import threading
from pathlib import Path

_LOCK = threading.Lock()


class Session(socketserver.StreamRequestHandler):
    """One conversation."""

    def handle(self) -> None:
        """Answer every command as if all were well."""
        self._say("220 recorder ESMTP")
        for line in self.rfile:
            word, _blank, rest = line.decode().rstrip("\r\n").partition(" ")
            command = word.upper()
            if command == "EHLO":
                self._say("250-recorder", "250 AUTH PLAIN LOGIN")
            elif command == "AUTH":
                mechanism, _blank, given = rest.partition(" ")
                self._note(self._login(given) if mechanism.upper() == "LOGIN" else given or self._asked(""))
                self._say("235 welcome")
            elif command == "DATA":
                self._say("354 go on")
                for part in self.rfile:
                    if part.rstrip(b"\r\n") == b".":
                        break
                self._say("250 taken")
            elif command == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _asked(self, question: str) -> str:
        self._say(f"334 {base64.b64encode(question.encode()).decode()}")
        return self.rfile.readline().decode().strip()

    def _login(self, given: str) -> str:
        words = (given or self._asked("Username:"), self._asked("Password:"))
        return base64.b64encode(b"".join(b"\0" + base64.b64decode(one) for one in words)).decode()

    def _note(self, given: str) -> None:
        _address, port = self.request.getsockname()[:2]
        with _LOCK, Path(sys.argv[1]).open("a", encoding="ascii") as file:
            file.write(json.dumps({"port": port, "plain": given}) + "\n")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class Server(socketserver.ThreadingTCPServer):
    """One port."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Listen until standard input ends."""
    first, many = map(int, sys.argv[2:])
    for port in range(first, first + many):
        threading.Thread(target=Server(("", port), Session).serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
