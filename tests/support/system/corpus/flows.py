# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes on at a host while it is configured: mail, mailboxes, news, directories, pages; used from another host.

A flow is a dictionary with one of these words, and what it needs:

- ``receive: RECIPIENT``: mail from another server arrives in a mailbox (``port``, ``tls``).
- ``send: RECIPIENT``: mail that a program of the host hands in reaches another server (``sender``; ``seen``: what is
  known of the delivery there, such as ``{user: ..., tls: true}``).
- ``submit: RECIPIENT``: a user hands in mail, which reaches another server or a mailbox (``port``, ``tls``, ``user``,
  ``password``, ``sender``).
- ``read: USER``: a user finds the mail that was received last (``protocol``, ``port``, ``tls``, ``password``).
- ``log_in: USER``: the same without looking for anything.
- ``fetch: URL``: a page shows ``says``, whatever redirects there are.
- ``news: GROUP``: it can be read (``port``, ``tls``, ``user``, ``password``).
- ``search: BASE``: a directory answers (``url``, ``bind``, ``password``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    CONTROL,
    CONTROL6,
    PASSWORD,
    USER,
    Configuration,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import PROGRAMS

PATIENCE = 40.0  # seconds for a message
STORES = ("/var/mail", "/var/vmail", "/home", "/srv/mail", "/var/spool/cyrus/mail")
TLS = {"starttls": ("--tls",), "implicit": ("--tls-on-connect",), "": ()}


class Sink:
    """Other people's servers, all of them one program on the control side.

    Args:
        lab: the lab.
        certificate: its key and certificate.
    """

    def __init__(self, lab: Lab, certificate: Path) -> None:
        self._process = lab.start_beside(
            sys.executable, str(PROGRAMS / "mail_sink.py"), str(certificate), CONTROL, CONTROL6
        )
        self.taken: list[Mapping[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.taken.append(json.loads(line))

    def find(self, token: str) -> Mapping[str, Any] | None:
        """The message with a token as its subject."""
        return next((one for one in self.taken if one["subject"] == token), None)

    def end(self) -> None:
        """Wait until it has stopped, which happens when the lab does."""
        self._process.communicate()


@dataclass
class Flows:
    """The flows of one configuration.

    Attributes:
        lab: where it is.
        peer: the host that the clients are on.
        sink: where mail to others goes.
        configuration: the configuration.
    """

    lab: Lab
    peer: Host
    sink: Sink
    configuration: Configuration
    _numbers: count[int] = field(default_factory=count)
    _last: str = ""

    @property
    def host(self) -> Host:
        """The server."""
        return self.configuration.host

    def faults(self, stage: str) -> list[str]:
        """Use all of them; what does not work."""
        return [
            f"{stage}: {json.dumps(flow)}: {fault}" for flow in self.configuration.flows if (fault := self._use(flow))
        ]

    def _use(self, flow: Mapping[str, Any]) -> str:
        kind = next(iter(flow))
        try:
            return str(getattr(self, f"_{kind}")(flow))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return str(error)

    def _token(self) -> str:
        return f"{self.configuration.name}-{self.host.name}-{next(self._numbers)}"

    # ---- mail

    def _receive(self, flow: Mapping[str, Any]) -> str:
        token = self._last = self._token()
        said = self._swaks(flow, token, flow["receive"], flow.get("sender", "someone@partner.test"))
        return said or self._arrives(token, said)

    def _swaks(self, flow: Mapping[str, Any], token: str, recipient: str, sender: str) -> str:
        options = ["--server", self.host.address, "--port", str(flow.get("port", 25)), *TLS[flow.get("tls", "")]]
        if "user" in flow:
            password = flow.get("password", PASSWORD)
            options += ["--auth", "PLAIN", "--auth-user", flow["user"], "--auth-password", password]
        if flow.get("port", 25) in self.configuration.proxied:
            options += ["--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", self.peer.address]
            options += ["--proxy-source-port", "40000", "--proxy-dest", self.host.address, "--proxy-dest-port", "25"]
        done = self.lab.run_in(
            self.peer,
            *("swaks", *options, "--ehlo", self.peer.fqdn, "--from", sender, "--to", recipient),
            *("--header", f"Subject: {token}", "--timeout", "60s"),
        )
        return "" if done.code == 0 else f"swaks ends with {done.code}: {_end(done.out + done.err)}"

    def _arrives(self, token: str, _said: str) -> str:
        script = f'grep -rlqF {token} "$@" 2>/dev/null'

        def arrived() -> bool:
            return self.lab.run_in(self.host, "sh", "-c", script, "sh", *STORES).code == 0

        return self._wait(arrived, token)

    def _wait(self, look: Any, token: str) -> str:
        try:
            wait_until(look, "it arrives", PATIENCE)
        except AssertionError:
            queue = self.lab.run_in(self.host, "sh", "-c", "postqueue -p || exim4 -bp").out
            log = self.lab.run_in(self.host, "journalctl", "-n", "12", "-o", "cat", "--no-pager").out
            return f"{token} does not arrive: {_end(queue)} {_end(log, 900)}"
        return ""

    def _send(self, flow: Mapping[str, Any]) -> str:
        token = self._token()
        text = f"Subject: {token}\nTo: {flow['send']}\n\ntext\n"
        self.lab.ask(
            self.host,
            "/usr/sbin/sendmail",
            "-f",
            flow.get("sender", f"{USER}@{self.host.fqdn}"),
            flow["send"],
            given=text,
        )
        return self._reaches(token, flow)

    def _submit(self, flow: Mapping[str, Any]) -> str:
        token = self._token()
        sender = flow.get("sender", f"{USER}@{self.host.fqdn}")
        account = {"user": USER, "tls": "starttls", "port": 587, **flow}
        return self._swaks(account, token, flow["submit"], sender) or self._reaches(token, flow)

    def _reaches(self, token: str, flow: Mapping[str, Any]) -> str:
        missing = self._wait(lambda: self.sink.find(token), token)
        if missing:
            return missing
        found = self.sink.find(token) or {}
        wrong = {key: found[key] for key, value in flow.get("seen", {}).items() if found[key] != value}
        return f"another delivery than expected: {wrong}" if wrong else ""

    def _read(self, flow: Mapping[str, Any]) -> str:
        return self._log_in({**flow, "log_in": flow["read"], "finds": True})

    def _log_in(self, flow: Mapping[str, Any]) -> str:
        protocol, tls = flow.get("protocol", "imap"), flow.get("tls", "starttls")
        usual = {("imap", "starttls"): 143, ("imap", "implicit"): 993, ("pop3", "starttls"): 110}
        port = flow.get("port", usual.get((protocol, tls), 995))
        scheme = protocol + ("s" if tls == "implicit" else "")
        search = f"INBOX?SUBJECT%20{self._last}" if protocol == "imap" and "finds" in flow else ""
        options = ["--insecure", *(["--ssl-reqd"] if tls == "starttls" else [])]
        if port in self.configuration.proxied:
            options.append("--haproxy-protocol")
        settings = f'url = "{scheme}://{self.host.address}:{port}/{search}"\n'
        settings += f'user = "{flow["log_in"]}:{flow.get("password", PASSWORD)}"\n'

        done = self.lab.run_in(self.peer, "curl", "-sS", "-m", "60", "--config", "-", *options, given=settings)
        wanted = "* SEARCH " if protocol == "imap" else "1 "
        seen = "finds" not in flow or any(
            line.startswith(wanted) and line.strip() != "* SEARCH" for line in done.out.splitlines()
        )
        return "" if done.code == 0 and seen else f"curl ends with {done.code}: {_end(done.out + done.err)}"

    # ---- others

    def _fetch(self, flow: Mapping[str, Any]) -> str:
        name = flow["fetch"].split("/")[2].split(":")[0]
        done = self.lab.run_in(
            self.peer,
            *("curl", "-sS", "-m", "30", "--insecure", "--location", "--max-redirs", "5"),
            *("--connect-to", f"{name}::{self.host.address}:", flow["fetch"]),
        )
        return (
            "" if flow.get("says", "") in done.out and done.code == 0 else f"{done.code}: {_end(done.out + done.err)}"
        )

    def _news(self, flow: Mapping[str, Any]) -> str:
        said = ["MODE READER"]
        if "user" in flow:
            said += [f"AUTHINFO USER {flow['user']}", f"AUTHINFO PASS {flow.get('password', PASSWORD)}"]
        said += [f"GROUP {flow['news']}", "QUIT"]
        tls = flow.get("tls", "")
        port = flow.get("port", 563 if tls == "implicit" else 119)
        words = "".join(line + "\\r\\n" for line in said)
        address = self.host.address
        if tls:
            start = "-starttls nntp" if tls == "starttls" else ""
            client = f"openssl s_client -quiet -connect {address}:{port} {start} 2>/dev/null"
            script = f"(sleep 0.3; printf '{words}'; sleep 1) | timeout 20 {client}"
        else:
            script = f"exec 3<>/dev/tcp/{address}/{port} && printf '{words}' >&3 && timeout 20 cat <&3"
        done = self.lab.run_in(self.peer, "bash", "-c", script)
        return "" if any(line.startswith("211 ") for line in done.out.splitlines()) else _end(done.out + done.err)

    def _search(self, flow: Mapping[str, Any]) -> str:
        url = flow.get("url", f"ldap://{self.host.address}")
        options = ["-ZZ"] if flow.get("tls") == "starttls" else []
        if "bind" in flow:
            options += ["-D", flow["bind"], "-w", flow["password"]]
        done = self.lab.run_in(
            self.peer,
            *("env", "LDAPTLS_REQCERT=never", "ldapsearch", "-x", "-LLL", "-H", url, *options),
            *("-b", flow["search"], "-s", "base"),
        )
        return "" if done.code == 0 else f"{done.code}: {_end(done.out + done.err)}"


def _end(text: str, length: int = 400) -> str:
    return text.strip()[-length:].replace("\n", " / ")


def users_script() -> str:
    """Makes the user that every host has."""
    return f"useradd --create-home {USER}; echo {USER}:{PASSWORD} | chpasswd"


def names() -> Sequence[str]:
    """Records of the name server: domains of others, whose mail the sink takes."""
    hosts = "partner.test,mx.partner.test,smart.isp.test,relay-a.isp.test,relay-b.isp.test,mx.shop.test"
    return [f"host-record={hosts},{CONTROL}", *(f"mx-host={one},mx.{one},10" for one in ("partner.test", "shop.test"))]


SINK_NAMES = ("partner.test", "mx.partner.test", "*.isp.test", "shop.test", "mx.shop.test")
