# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at what a host serves. Runs on the host.

Standard input has JSON, {name: observation}, and standard output gets {name: what was seen}. An observation is one of

- ``{"tls": PORT, "starttls": WORD, "name": NAME}``: the serial number of the certificate that openssl is shown,
- ``{"login": PORT, "host": NAME, "user": NAME, "password": WORD}``: the answer to a login over SMTP with STARTTLS,
- ``{"shell": COMMAND}``: what it prints, and its exit code.
"""

from __future__ import annotations

import base64
import json
import smtplib
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PATIENCE = 20  # seconds for one observation


def run(argv: list[str], given: str = "") -> tuple[int, str]:
    """Exit code and output of a program."""
    try:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stdout


def tls(port: int, starttls: str, name: str) -> str:
    """Which certificate is shown."""
    try:  # openssl knows no limit of time for a connection that is not taken
        socket.create_connection((socket.gethostname(), port), 5).close()
    except OSError:
        return "closed"
    argv = ["openssl", "s_client", "-connect", f"{socket.gethostname()}:{port}", "-servername", name]
    code, printed = run([*argv, "-starttls", starttls] if starttls else argv)
    code, serial = run(["openssl", "x509", "-noout", "-serial"], printed)
    return serial.strip() if code == 0 else "no handshake"


def login(port: int, host: str, user: str, password: str) -> str:
    """Whether a user can log in."""
    try:
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            client.starttls(context=ssl.create_default_context())
            client.ehlo()
            given = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            code, _said = client.docmd("AUTH", f"PLAIN {given}")  # smtplib's own login() has ASCII only
            # 454: Dovecot lets who was wrong before wait for 8 s and 2 s more, and Postfix waits for 10 s
            return {235: "in", 535: "not in", 454: "not in"}.get(code, f"answer {code}")
    except (OSError, smtplib.SMTPException) as error:
        return f"no session: {error}"


def observe(wanted: dict[str, Any]) -> str:
    """Make one observation."""
    if "tls" in wanted:
        return tls(wanted["tls"], wanted["starttls"], wanted["name"])
    if "login" in wanted:
        return login(wanted["login"], wanted["host"], wanted["user"], wanted["password"])
    code, printed = run(["sh", "-c", wanted["shell"]])
    return f"{printed.strip()} ({code})"


def main() -> None:
    """Make all of them."""
    wanted = json.load(sys.stdin)
    with ThreadPoolExecutor(4) as pool:
        print(json.dumps(dict(zip(wanted, pool.map(observe, wanted.values())))))


if __name__ == "__main__":
    main()
