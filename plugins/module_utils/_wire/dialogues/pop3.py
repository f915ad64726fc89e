# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POP3 from the client's side: RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH)."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    BLAMES_THE_CHANNEL,
    ClearText,
    Dialogue,
    Opening,
    first_mechanism,
    until_it_hangs_up,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted

_TIMESTAMP = re.compile(r"<[^<>@\s]+@[^<>\s]+>")  # the greeting has one where there is APOP (RFC 1939 section 7)
_NO_SUCH_COMMAND = re.compile(r"unknown|unrecogni[sz]ed|invalid command|not (?:supported|implemented|available)", re.I)


class Pop3(Dialogue):
    """POP3, whose STARTTLS is called STLS."""

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
        found = ClearText(True if refused else None, offered, evidence)
        login, others = self._answered(stream, opening)
        return found.although([*login, *others], login=bool(login))

    def _answered(self, stream: Stream, opening: Opening) -> tuple[list[str], list[str]]:
        """Other logins that are taken, also where none is announced, and commands that are carried out without one."""
        login: list[str] = []
        others: list[str] = []
        offers = (entry.split()[1:] for entry in opening.capabilities if entry.startswith("SASL "))
        mechanism = first_mechanism(word for offer in offers for word in offer)
        with until_it_hangs_up():
            stream.send(f"AUTH {mechanism}\r\n".encode("ascii"))
            answer = quoted(stream.read_line())
            if answer.startswith("+"):  # the server waits for the credentials, which it does not get
                login.append(f"AUTH {mechanism} with {answer!r}")
                stream.send(b"*\r\n")
                stream.read_line()
            if _TIMESTAMP.search(opening.greeting):
                good, words = self._ask(stream, f"APOP x {'0' * 32}")
                if good or not (BLAMES_THE_CHANNEL.search(words) or _NO_SUCH_COMMAND.search(words)):
                    login.append(f"APOP with {words!r}")
            good, words = self._ask(stream, "STAT")
            if good:
                others.append(f"STAT with {words!r}")
        return login, others

    def answer_to_smuggled(self, stream: Stream) -> str:
        good, words = self._ask(stream, "QUIT")
        return "" if good else words
