# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SMTP and submission from the client's side: RFC 5321, RFC 3207 (STARTTLS), RFC 4954 (AUTH)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    BLAMES_THE_CHANNEL,
    ClearText,
    Dialogue,
    Opening,
    until_it_hangs_up,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import (
    Stream,
    TurnedAway,
    WireError,
    quoted,
)

# What is asked where mail is refused, about an address and a domain that cannot exist.
_QUESTIONS = ("VRFY none@none.invalid", "EXPN none@none.invalid", "ETRN none.invalid")
_ABOUT_THE_ADDRESS = (550, 551, 553)  # it does not exist, or is elsewhere
# 550 is also how servers bar the command itself. 252 says nothing of an address: Exim answers so where VRFY is barred.
_BARRED = re.compile(r"prohibit|denied|disabled|refused|polic|authent|log ?in|not (?:allowed|permitted)", re.I)
_CANNOT_VERIFY = 252
_IN_TROUBLE = (421,)  # it is about to close, whoever asks (RFC 5321 section 3.8)


@dataclass(frozen=True)
class _Reply:
    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        return quoted(f"{self.code} {' '.join(self.lines)}".strip())

    @property
    def blames_the_channel(self) -> bool:
        """530 means TLS (RFC 3207 section 4); some servers use another permanent refusal and say it in words."""
        return self.code == 530 or (self.code >= 500 and bool(BLAMES_THE_CHANNEL.search(self.words)))


class Smtp(Dialogue):
    """SMTP. Submission is the same conversation on another port (RFC 6409)."""

    starttls = "STARTTLS"
    opener = b"EHLO [127.0.0.1]\r\n"
    smuggled = b"NOOP\r\n"
    farewell = b"QUIT\r\n"

    @staticmethod
    def _read(stream: Stream) -> _Reply:
        lines = []
        while True:
            line = stream.read_line()
            match = re.match(r"([2-5]\d\d)([ -]|$)(.*)", line)
            if not match:
                raise WireError("protocol", f"the server does not speak SMTP but says {quoted(line)!r}")
            lines.append(match.group(3))
            if match.group(2) != "-":
                return _Reply(int(match.group(1)), tuple(lines))

    def _ask(self, stream: Stream, command: str) -> _Reply:
        stream.send(f"{command}\r\n".encode("ascii"))
        return self._read(stream)

    def greet(self, stream: Stream) -> str:
        reply = self._read(stream)
        if reply.code != 220:
            words = f"the server greets with {reply.words!r}"
            raise WireError("rejected", words) if reply.code in _IN_TROUBLE else TurnedAway(words)
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
        mechanisms = offered_mechanisms(opening.capabilities)
        mail = self._ask(stream, "MAIL FROM:<>")
        evidence = f"MAIL FROM:<> was answered with {mail.words!r}"
        if 200 <= mail.code < 300:
            self._ask(stream, "RSET")
            return ClearText(False, bool(mechanisms), evidence)
        if not mail.blames_the_channel:
            found = ClearText(None, bool(mechanisms), evidence)
        elif not mechanisms:
            found = ClearText(True, False, evidence)
        else:
            found = self._try_auth(stream, mechanisms, evidence)
        return found if found.refused is False else found.although(self._answered(stream))

    def _answered(self, stream: Stream) -> list[str]:
        """The commands that the server carries out, each with its answer; one by one, for few may be sent together."""
        found: list[str] = []
        with until_it_hangs_up():
            for command in _QUESTIONS:
                reply = self._ask(stream, command)
                good = 200 <= reply.code < 300 and reply.code != _CANNOT_VERIFY
                about = reply.code in _ABOUT_THE_ADDRESS and not _BARRED.search(reply.words)
                if good or (about and not reply.blames_the_channel):
                    found.append(f"{command.partition(' ')[0]} with {reply.words!r}")
        return found

    def _try_auth(self, stream: Stream, mechanisms: list[str], evidence: str) -> ClearText:
        """530 can also mean "log in first" (RFC 4954 section 6); AUTH itself shows whether clear text is enough."""
        mechanism = next((word for word in ("PLAIN", "LOGIN") if word in mechanisms), mechanisms[0])
        reply = self._ask(stream, f"AUTH {mechanism}")
        evidence = f"{evidence}, AUTH {mechanism} with {reply.words!r}"
        if reply.code == 334:  # the server waits for the credentials, which it does not get
            self._ask(stream, "*")
            return ClearText(False, True, evidence)
        refused = reply.code == 538 or reply.blames_the_channel  # 538: RFC 4954 section 6
        return ClearText(True if refused else None, True, evidence)

    def answer_to_smuggled(self, stream: Stream) -> str:
        reply = self._ask(stream, "QUIT")
        return "" if reply.code == 221 else reply.words


def offered_mechanisms(capabilities: tuple[str, ...]) -> list[str]:
    """SASL mechanisms (RFC 4422 section 3.1) that an SMTP server offers; old servers write ``AUTH=``."""
    offers = [entry[5:].split() for entry in capabilities if re.match(r"AUTH[ =]", entry)]
    return [word for offer in offers for word in offer if re.fullmatch(r"[A-Z0-9_-]{1,20}", word)]


def _address_literal(address: str) -> str:
    """How a client without a name of its own introduces itself (RFC 5321 section 4.1.3)."""
    plain = address.partition("%")[0]
    return f"[IPv6:{plain}]" if ipaddress.ip_address(plain).version == 6 else f"[{plain}]"
