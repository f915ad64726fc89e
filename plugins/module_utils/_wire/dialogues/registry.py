# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients and servers say to each other before TLS starts: the dialogues of mail, and a table of all."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    BLAMES_THE_CHANNEL,
    ClearText,
    Dialogue,
    Opening,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.http import Http
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.ldap import Ldap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.nntp import Nntp
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted


@dataclass(frozen=True)
class _SmtpReply:
    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        return quoted(f"{self.code} {' '.join(self.lines)}".strip())

    @property
    def blames_the_channel(self) -> bool:
        """530 says so by RFC 3207 section 4; some servers use another permanent refusal and say it in words."""
        return self.code == 530 or (self.code >= 500 and bool(BLAMES_THE_CHANNEL.search(self.words)))


class Smtp(Dialogue):
    """SMTP and submission: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH)."""

    starttls = "STARTTLS"
    opener = b"EHLO [127.0.0.1]\r\n"
    smuggled = b"NOOP\r\n"
    farewell = b"QUIT\r\n"

    @staticmethod
    def _read(stream: Stream) -> _SmtpReply:
        lines = []
        while True:
            line = stream.read_line()
            match = re.match(r"([2-5]\d\d)([ -]|$)(.*)", line)
            if not match:
                raise WireError("protocol", f"the server does not speak SMTP but says {quoted(line)!r}")
            lines.append(match.group(3))
            if match.group(2) != "-":
                return _SmtpReply(int(match.group(1)), tuple(lines))

    def _ask(self, stream: Stream, command: str) -> _SmtpReply:
        stream.send(f"{command}\r\n".encode("ascii"))
        return self._read(stream)

    def greet(self, stream: Stream) -> str:
        reply = self._read(stream)
        if reply.code != 220:
            raise WireError("rejected", f"the server greets with {reply.words!r}")
        return reply.words

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        name = _address_literal(stream.source)
        reply = self._ask(stream, f"EHLO {name}")
        if reply.code == 250:
            return tuple(quoted(line.upper()) for line in reply.lines[1:])
        if self._ask(stream, f"HELO {name}").code == 250:
            return ()  # a server from before ESMTP
        raise WireError("rejected", f"EHLO was answered with {reply.words!r}")

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        stream.send(b"STARTTLS\r\n" + smuggled)
        reply = self._read(stream)
        if reply.code != 220:
            raise WireError("starttls_refused", f"STARTTLS was answered with {reply.words!r}")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        mechanisms = _mechanisms(opening.capabilities)
        mail = self._ask(stream, "MAIL FROM:<>")
        evidence = f"MAIL FROM:<> was answered with {mail.words!r}"
        if 200 <= mail.code < 300:
            self._ask(stream, "RSET")
            return ClearText(False, bool(mechanisms), evidence)
        if not mail.blames_the_channel:
            return ClearText(None, bool(mechanisms), evidence)
        if not mechanisms:
            return ClearText(True, False, evidence)
        return self._try_auth(stream, mechanisms, evidence)

    def _try_auth(self, stream: Stream, mechanisms: list[str], evidence: str) -> ClearText:
        """530 can also mean "log in first" (RFC 4954 section 6): AUTH itself shows whether clear text suffices."""
        mechanism = next((word for word in ("PLAIN", "LOGIN") if word in mechanisms), mechanisms[0])
        reply = self._ask(stream, f"AUTH {mechanism}")
        evidence = f"{evidence}, AUTH {mechanism} with {reply.words!r}"
        if reply.code == 334:  # the server waits for the credential, which it does not get
            self._ask(stream, "*")
            return ClearText(False, True, evidence)
        refused = reply.code == 538 or reply.blames_the_channel  # 538: RFC 4954 section 6
        return ClearText(True if refused else None, True, evidence)

    def answer_to_smuggled(self, stream: Stream) -> str:
        reply = self._ask(stream, "QUIT")
        return "" if reply.code == 221 else reply.words


class Imap(Dialogue):
    """IMAP: RFC 9051 and 3501, RFC 5530 (response codes), RFC 8314."""

    starttls = "STARTTLS"
    opener = b"c CAPABILITY\r\n"
    smuggled = b"n NOOP\r\n"
    farewell = b"q LOGOUT\r\n"
    # codes of RFC 5530 section 3 with which a server judges the credential, so it was willing to take it
    _JUDGED = ("AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "UNAVAILABLE")

    @staticmethod
    def _ask(stream: Stream, tag: str, command: str, also: bytes = b"") -> tuple[str, str, list[str]]:
        """Send a command; its status (OK, NO or BAD), the whole answer, and the untagged lines before it."""
        stream.send(f"{tag} {command}\r\n".encode("ascii") + also)
        untagged: list[str] = []
        while True:
            line = stream.read_line()
            if line.startswith(f"{tag} "):
                return line.upper().split(" ", 2)[1], quoted(line), untagged
            if line.upper().startswith("* BYE"):
                raise WireError("closed", f"the server hung up with {quoted(line)!r}")
            if not line.startswith("* "):
                raise WireError("protocol", f"the server does not speak IMAP but says {quoted(line)!r}")
            untagged.append(line)

    def greet(self, stream: Stream) -> str:
        line = stream.read_line()
        match = re.match(r"\* (OK|PREAUTH|BYE)\b", line, re.I)
        if not match:
            raise WireError("protocol", f"the server does not speak IMAP but says {quoted(line)!r}")
        if match.group(1).upper() == "BYE":
            raise WireError("rejected", f"the server greets with {quoted(line)!r}")
        return quoted(line)

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        status, words, untagged = self._ask(stream, "c", "CAPABILITY")
        if status != "OK":
            raise WireError("protocol", f"CAPABILITY was answered with {words!r}")
        entries = [line.upper().split() for line in untagged]
        return tuple(quoted(word) for entry in entries if entry[1:2] == ["CAPABILITY"] for word in entry[2:])

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        status, words, _untagged = self._ask(stream, "s", "STARTTLS", smuggled)
        if status != "OK":
            raise WireError("starttls_refused", f"STARTTLS was answered with {words!r}")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        if opening.greeting.upper().startswith("* PREAUTH"):
            return ClearText(False, True, f"the server greets with {opening.greeting!r}: no login is needed at all")
        disabled = "LOGINDISABLED" in opening.capabilities
        offered = not disabled or any(entry.startswith("AUTH=") for entry in opening.capabilities)
        status, words, _untagged = self._ask(stream, "l", "LOGIN x y")
        evidence = f"{'LOGINDISABLED is announced, ' if disabled else ''}LOGIN was answered with {words!r}"
        return ClearText(self._refusal(status, words, disabled=disabled), offered, evidence)

    def _refusal(self, status: str, words: str, *, disabled: bool) -> bool | None:
        """Whether an answer to LOGIN refuses clear text, rather than the made-up credential."""
        code = re.match(r"\S+ \S+ \[([^\] ]+)", words.upper())
        if status == "OK" or (code and code.group(1) in self._JUDGED):
            return False
        if (code and code.group(1) == "PRIVACYREQUIRED") or disabled or BLAMES_THE_CHANNEL.search(words):
            return True
        return False if status == "NO" else None

    def answer_to_smuggled(self, stream: Stream) -> str:
        stream.send(self.farewell)
        while True:
            line = stream.read_line()
            if line.startswith("n "):
                return quoted(line)
            if line.startswith("q "):
                return ""


class Pop3(Dialogue):
    """POP3: RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH)."""

    starttls = "STLS"
    opener = b"CAPA\r\n"
    smuggled = b"XSMUGGLED\r\n"  # unknown to every server, so its answer begins with -ERR and that to QUIT does not
    farewell = b"QUIT\r\n"

    @staticmethod
    def _status(stream: Stream) -> tuple[bool, str]:
        line = stream.read_line()
        if not line.startswith(("+OK", "-ERR")):
            raise WireError("protocol", f"the server does not speak POP3 but says {quoted(line)!r}")
        return line.startswith("+OK"), quoted(line)

    def _ask(self, stream: Stream, command: str, also: bytes = b"") -> tuple[bool, str]:
        stream.send(f"{command}\r\n".encode("ascii") + also)
        return self._status(stream)

    def greet(self, stream: Stream) -> str:
        good, words = self._status(stream)
        if not good:
            raise WireError("rejected", f"the server greets with {words!r}")
        return words

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        good, _words = self._ask(stream, "CAPA")
        entries: list[str] = []
        if good:
            line = stream.read_line()
            while line != ".":
                entries.append(quoted(line.upper()))
                line = stream.read_line()
        return tuple(entries)

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        good, words = self._ask(stream, "STLS", smuggled)
        if not good:
            raise WireError("starttls_refused", f"STLS was answered with {words!r}")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        announced = "USER" in opening.capabilities
        offered = announced or any(entry.startswith("SASL ") for entry in opening.capabilities)
        good, words = self._ask(stream, "USER x")
        evidence = f"USER was answered with {words!r}"
        if good:
            return ClearText(False, True, evidence)
        kept_back = bool(opening.capabilities) and not announced
        refused = kept_back or bool(BLAMES_THE_CHANNEL.search(words))
        return ClearText(True if refused else None, offered, evidence)

    def answer_to_smuggled(self, stream: Stream) -> str:
        good, words = self._ask(stream, "QUIT")
        return "" if good else words


def _mechanisms(capabilities: tuple[str, ...]) -> list[str]:
    """SASL mechanisms (RFC 4422 section 3.1) that an SMTP server offers; old servers write ``AUTH=``."""
    offers = [entry[5:].split() for entry in capabilities if re.match(r"AUTH[ =]", entry)]
    return [word for offer in offers for word in offer if re.fullmatch(r"[A-Z0-9_-]{1,20}", word)]


def _address_literal(address: str) -> str:
    """How a client without a name of its own introduces itself (RFC 5321 section 4.1.3)."""
    plain = address.partition("%")[0]
    return f"[IPv6:{plain}]" if ipaddress.ip_address(plain).version == 6 else f"[{plain}]"


DIALOGUES: dict[str, Dialogue] = {
    "smtp": Smtp(),
    "imap": Imap(),
    "pop3": Pop3(),
    "nntp": Nntp(),
    "ldap": Ldap(),
    "http": Http(),
}

__all__ = ("DIALOGUES", "ClearText", "Dialogue", "Opening")
