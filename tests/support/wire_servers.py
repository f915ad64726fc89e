# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small mail servers on loopback, good and bad ones, and certificates for them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    DAY,
    NAME,
    NOW,
    Authority,
    der,
    distinguished,
    key_pem,
    new_key,
    pem,
)

PATIENCE = 20  # seconds after which a server gives up on a client, so that no test hangs


class _GoneError(Exception):
    """The client hung up."""


class Client:
    """One client, as a server sees it."""

    def __init__(self, sock: socket.socket, heard: list[str]) -> None:
        self.sock = sock
        self._unread = b""
        self._heard = heard

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        while b"\n" not in self._unread:
            data = self.sock.recv(4096)
            if not data:
                raise _GoneError
            self._unread += data
        line, _newline, self._unread = self._unread.partition(b"\n")
        self._heard.append(line.decode("utf-8", "replace").strip())
        return self._heard[-1]

    def start_tls(self, context: ssl.SSLContext, *, keep: bool = False) -> None:
        """Switch to TLS. A careless server keeps what it has read in clear text and acts upon it afterwards."""
        if not keep:
            self._unread = b""
        self.sock = context.wrap_socket(self.sock, server_side=True)


Script = Callable[[Client], None]


@dataclass
class Server:
    """A running server.

    Attributes:
        port: where it listens.
        heard: every line that any client has said.
    """

    port: int
    heard: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving(script: Script, address: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server that follows a script with each client."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    server = Server(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def attend(sock: socket.socket) -> None:
        client = Client(sock, server.heard)
        try:
            with contextlib.suppress(OSError, _GoneError):
                script(client)
        finally:
            client.sock.close()

    def listen() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _address = listener.accept()
                sock.settimeout(PATIENCE)
                threads.append(threading.Thread(target=attend, args=(sock,)))
                threads[-1].start()

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        listening.join()
        listener.close()
        for thread in threads:
            thread.join()


def silent(client: Client) -> None:
    """A server that never says a word."""
    while client.sock.recv(4096):
        pass


def saying(words: bytes) -> Script:
    """A server that says something, whatever it hears, and hangs up when the client does."""

    def script(client: Client) -> None:
        client.sock.sendall(words)
        silent(client)

    return script


def implicit(context: ssl.SSLContext, script: Script) -> Script:
    """A server that begins with TLS."""

    def wrapped(client: Client) -> None:
        client.start_tls(context)
        script(client)

    return wrapped


def smtp(
    tls: ssl.SSLContext | None = None,
    *,
    clear: tuple[str, ...] = ("STARTTLS",),
    inside: tuple[str, ...] = ("AUTH PLAIN LOGIN",),
    answers: Mapping[str, str] | None = None,
    greeting: str = "220 mail.example.test ESMTP",
    keep: bool = False,
) -> Script:
    """An SMTP server.

    Args:
        tls: what it does STARTTLS with.
        clear: extensions offered before TLS.
        inside: extensions offered inside TLS.
        answers: its replies to other commands, where they are not the usual ones.
        greeting: its first words.
        keep: whether commands sent before TLS are carried over into it.
    """
    replies = {
        "STARTTLS": "220 2.0.0 Ready to start TLS",
        "MAIL": "250 2.1.0 Ok",
        "RSET": "250 2.0.0 Ok",
        "NOOP": "250 2.0.0 Ok",
        "HELO": "250 mail.example.test",
        "QUIT": "221 2.0.0 Bye",
        **(answers or {}),
    }

    def script(client: Client) -> None:
        client.say(greeting)
        offered = clear
        while True:
            verb = client.hear().upper().partition(" ")[0]
            if verb == "EHLO" and verb not in replies:
                lines = ("mail.example.test", *offered)
                client.say(*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}")
                continue
            reply = replies.get(verb, "502 5.5.2 Error: command not recognized")
            client.say(reply)
            if verb == "STARTTLS" and reply.startswith("220") and tls:
                client.start_tls(tls, keep=keep)
                offered = inside
            if verb == "QUIT":
                return

    return script


def imap(
    tls: ssl.SSLContext | None = None,
    *,
    clear: str = "IMAP4rev1 STARTTLS LOGINDISABLED",
    inside: str = "IMAP4rev1 AUTH=PLAIN",
    answers: Mapping[str, str] | None = None,
    greeting: str = "* OK ready.",
    keep: bool = False,
) -> Script:
    """An IMAP server; the arguments are those of :func:`smtp`, and an answer may have untagged lines before it."""
    replies = {
        "STARTTLS": "OK Begin TLS negotiation now.",
        "LOGIN": "NO [AUTHENTICATIONFAILED] Authentication failed.",
        "NOOP": "OK NOOP completed.",
        "LOGOUT": "OK Logout completed.",
        **(answers or {}),
    }

    def script(client: Client) -> None:
        client.say(greeting)
        offered = clear
        while True:
            tag, _space, command = client.hear().partition(" ")
            verb = command.upper().partition(" ")[0]
            if verb == "CAPABILITY" and verb not in replies:
                client.say(f"* CAPABILITY {offered}", f"{tag} OK done.")
                continue
            *before, reply = replies.get(verb, "BAD unknown command").split("\r\n")
            client.say(*before, f"{tag} {reply}")
            if verb == "STARTTLS" and reply.startswith("OK") and tls:
                client.start_tls(tls, keep=keep)
                offered = inside
            if verb == "LOGOUT":
                return

    return script


def pop3(
    tls: ssl.SSLContext | None = None,
    *,
    clear: tuple[str, ...] = ("TOP", "STLS"),
    inside: tuple[str, ...] = ("TOP", "USER", "SASL PLAIN"),
    answers: Mapping[str, str] | None = None,
    greeting: str = "+OK ready.",
    keep: bool = False,
) -> Script:
    """A POP3 server; the arguments are those of :func:`smtp`."""
    replies = {"STLS": "+OK Begin TLS negotiation now.", "USER": "+OK", "QUIT": "+OK Bye", **(answers or {})}

    def script(client: Client) -> None:
        client.say(greeting)
        offered = clear
        while True:
            verb = client.hear().upper().partition(" ")[0]
            if verb == "CAPA" and verb not in replies:
                client.say("+OK", *offered, ".")
                continue
            reply = replies.get(verb, "-ERR Unknown command.")
            client.say(reply)
            if verb == "STLS" and reply.startswith("+OK") and tls:
                client.start_tls(tls, keep=keep)
                offered = inside
            if verb == "QUIT":
                return

    return script


def nntp(
    tls: ssl.SSLContext | None = None,
    *,
    clear: tuple[str, ...] = ("READER", "STARTTLS", "AUTHINFO"),
    inside: tuple[str, ...] = ("READER", "AUTHINFO USER SASL", "SASL PLAIN"),
    answers: Mapping[str, str] | None = None,
    greeting: str = "201 news.example.test ready",
    transit: bool = False,
    keep: bool = False,
) -> Script:
    """An NNTP server; the arguments are those of :func:`smtp`, and ``transit``.

    With that it takes every client for another server until it says MODE READER.
    """
    replies = {
        "STARTTLS": "382 Begin TLS negotiation now",
        "ARTICLE": "480 Authentication required for command",
        "AUTHINFO": "483 Encryption required",
        "DATE": "111 20260131000000",
        "MODE": "201 news.example.test ready for readers",
        "QUIT": "205 Bye!",
        **(answers or {}),
    }

    def script(client: Client) -> None:
        client.say(greeting)
        offered, reader = clear, not transit
        while True:
            verb = client.hear().upper().partition(" ")[0]
            if verb == "CAPABILITIES" and verb not in replies:
                client.say("101 Capability list:", "VERSION 2", *(offered if reader else ("MODE-READER",)), ".")
                continue
            reply = replies.get(verb, "500 What?")
            if not reader and verb in ("STARTTLS", "ARTICLE", "AUTHINFO"):
                reply = "401 MODE-READER"
            client.say(reply)
            reader = reader or (verb == "MODE" and reply.startswith("20"))
            if verb == "STARTTLS" and reply.startswith("382") and tls:
                client.start_tls(tls, keep=keep)
                offered = inside
            if verb == "QUIT":
                return

    return script


def http(status: str = "200 OK", *fields: str) -> Script:
    """A web server that gives every request the same answer."""

    def script(client: Client) -> None:
        while client.hear():
            pass
        client.say(f"HTTP/1.1 {status}", *fields, "Connection: close", "", "<html></html>")

    return script


# ---- certificates


class Material:
    """What servers need for TLS: certificates below one root, with and without faults."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._root = Authority()
        self._intermediate = Authority("Test Intermediate", self._root)
        self.intermediate_der = der(self._intermediate.certificate)
        self.ca_file = directory / "root.pem"
        self.ca_file.write_bytes(pem(self._root.certificate))

    def context(
        self,
        name: str = NAME,
        *,
        not_before: datetime = NOW - DAY,
        not_after: datetime = NOW + 90 * DAY,
        chain: bool = True,
        must_staple: bool = False,
        bits: int = 0,
    ) -> ssl.SSLContext:
        """A server's context.

        Args:
            name: the only DNS name in the certificate, whose common name is always the right one.
            not_before: start of its life.
            not_after: end of its life.
            chain: whether the intermediate is sent along.
            must_staple: whether clients must refuse it without an OCSP response, which is never sent.
            bits: size of an RSA key; 0 for an EC key.
        """
        key = new_key(bits)
        leaf = self._intermediate.certify(
            key.public_key(),
            distinguished(NAME),
            (name,),
            not_before=not_before,
            not_after=not_after,
            must_staple=must_staple,
        )
        return self._context(key, leaf, *([self._intermediate.certificate] if chain else []))

    def self_signed(self) -> ssl.SSLContext:
        """The context of a server whose certificate nobody else has signed."""
        alone = Authority(NAME)
        return self._context(alone.key, alone.certify(alone.key.public_key(), alone.subject))

    def _context(self, key: Any, *chain: Any) -> ssl.SSLContext:
        path = self._directory / "server.pem"
        path.write_bytes(key_pem(key) + pem(*chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context
