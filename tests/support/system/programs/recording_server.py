# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SMTP servers that take every login and every message, and write down what was logged in with.

Arguments: a file, the first port, and how many ports. The file gets a line of JSON for each login: the port, and what
the client sent for AUTH PLAIN, in base64 as it came over the wire. Listens on 127.0.0.1, without TLS.
"""

from __future__ import annotations

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
                self._say("250-recorder", "250 AUTH PLAIN")
            elif command == "AUTH":
                self._note(rest.partition(" ")[2])
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

    def _note(self, given: str) -> None:
        if not given:  # the client waits to be asked
            self._say("334 ")
            given = self.rfile.readline().decode().strip()
        _address, port = self.request.getsockname()
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
        threading.Thread(target=Server(("127.0.0.1", port), Session).serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
