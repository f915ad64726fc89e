# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small LDAP server on loopback. Its encoding is written anew here, so that it can judge the client's."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.tests.support.wire_servers import Client, Script

START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"
SUFFIX = "dc=example,dc=test"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    return bytes([tag, 0x82, size >> 8, size & 0xFF]) + content


def split(data: bytes) -> list[tuple[int, bytes]]:
    """The elements that stand one after another in bytes."""
    found = []
    while data:
        tag, size, start = data[0], data[1], 2
        if size >= 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[2:start], "big")
        found.append((tag, data[start : start + size]))
        data = data[start + size :]
    return found


def result(number: int, tag: int, code: int, diagnostic: str = "") -> bytes:
    """A message with the result of a request."""
    said = tlv(tag, tlv(0x0A, bytes([code])), tlv(0x04), tlv(0x04, diagnostic.encode()))
    return tlv(0x30, tlv(0x02, bytes([number])), said)


def entry(number: int, name: str, attributes: Mapping[str, list[str]]) -> bytes:
    """A message with one entry that was found."""
    listed = [
        tlv(0x30, tlv(0x04, key.encode()), tlv(0x31, *(tlv(0x04, value.encode()) for value in values)))
        for key, values in attributes.items()
    ]
    return tlv(0x30, tlv(0x02, bytes([number])), tlv(0x64, tlv(0x04, name.encode()), tlv(0x30, *listed)))


@dataclass
class Answers:
    """How the server answers, by result codes.

    Attributes:
        root: to a search of the rootDSE.
        search: to a search of a suffix.
        simple: to a bind by a name and a password.
        sasl: to a bind by SASL.
        compare: to a comparison.
        who: to "Who am I?".
        start_tls: to the request for TLS.
        busy: how many requests for TLS find it still at work on what it has answered already.
        extensions: what the rootDSE says that it can do.
        mechanisms: the SASL mechanisms that it names there.
        suffixes: the suffixes that it names there.
        diagnostic: the words in a refusal.
    """

    root: int = 0
    search: int = 0
    simple: int = 49
    sasl: int = 14
    compare: int = 13
    who: int = 13
    start_tls: int = 0
    busy: int = 0
    extensions: list[str] = field(default_factory=lambda: [START_TLS, PASSWORD_MODIFY])
    mechanisms: list[str] = field(default_factory=lambda: ["DIGEST-MD5", "CRAM-MD5"])
    suffixes: list[str] = field(default_factory=lambda: [SUFFIX])
    diagnostic: str = ""

    def root_dse(self) -> dict[str, list[str]]:
        """Attributes of the rootDSE that have values."""
        found = {
            "supportedExtension": self.extensions,
            "supportedSASLMechanisms": self.mechanisms,
            "namingContexts": self.suffixes,
        }
        return {name: values for name, values in found.items() if values}


def ldap(
    tls: ssl.SSLContext | None = None,
    answers: Answers | None = None,
    inside: Answers | None = None,
    *,
    keep: bool = False,
) -> Script:
    """An LDAP server.

    Args:
        tls: what it does StartTLS with.
        answers: how it answers in clear text.
        inside: how it answers inside TLS.
        keep: whether requests sent before TLS are carried over into it.
    """

    def script(client: Client) -> None:
        present, unread = answers or Answers(), b""
        while True:
            while len(unread) < 2 or len(unread) < 2 + unread[1]:
                data = client.sock.recv(4096)
                if not data:
                    return
                unread += data
            size = 2 + unread[1]
            message, unread = unread[:size], unread[size:]
            (_integer, number), (tag, said) = split(split(message)[0][1])[:2]
            parts = split(said)
            if tag == 0x42:
                client._heard.append("unbind")
                return
            said_to = _heard(tag, parts)
            client._heard.append(said_to)
            if said_to == "starttls" and present.busy:
                present.busy -= 1
                client.sock.sendall(result(number[0], 0x78, 1, "cannot start TLS when operations are outstanding"))
                continue
            client.sock.sendall(_answer(number[0], tag, parts, present))
            if said_to == "starttls" and present.start_tls == 0 and tls:
                client.start_tls(tls)
                present = inside or Answers()
                unread = unread if keep else b""

    return script


def _heard(tag: int, parts: list[tuple[int, bytes]]) -> str:
    if tag == 0x60:
        assert parts[0] == (0x02, b"\x03")
        how, credential = parts[2]
        if how == 0x80:
            return f"bind {parts[1][1].decode()} {credential.decode()}"
        return "sasl " + " ".join(value.decode() for _tag, value in split(credential))
    if tag == 0x63:
        wanted = " ".join(value.decode() for _tag, value in split(parts[7][1]))
        return f"search {parts[0][1].decode() or 'rootDSE'} {wanted}"
    if tag == 0x6E:
        return f"compare {parts[0][1].decode()}"
    return {START_TLS: "starttls", WHO_AM_I: "whoami"}.get(parts[0][1].decode(), "strange")


def _answer(number: int, tag: int, parts: list[tuple[int, bytes]], present: Answers) -> bytes:
    if tag == 0x60:
        code = present.simple if parts[2][0] == 0x80 else present.sasl
        return result(number, 0x61, code, present.diagnostic)
    if tag == 0x63:
        base = parts[0][1].decode()
        code = present.search if base else present.root
        wanted = [value.decode() for _tag, value in split(parts[7][1])]
        shown = {name: values for name, values in present.root_dse().items() if name in wanted}
        found = entry(number, base, {} if base else shown) if code == 0 else b""
        return found + result(number, 0x65, code, present.diagnostic if code else "")
    if tag == 0x6E:
        return result(number, 0x6F, present.compare, present.diagnostic)
    code = present.start_tls if parts[0][1] == START_TLS.encode() else present.who
    return result(number, 0x78, code, present.diagnostic)
