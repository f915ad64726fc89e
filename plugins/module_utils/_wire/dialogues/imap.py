# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IMAP from the client's side: RFC 9051 and 3501, RFC 5530 (response codes), RFC 8314."""

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


class Imap(Dialogue):
    """IMAP4rev1 and IMAP4rev2."""

    starttls = "STARTTLS"
    opener = b"c CAPABILITY\r\n"
    smuggled = b"n NOOP\r\n"
    farewell = b"q LOGOUT\r\n"
    # codes of RFC 5530 section 3 about the credentials, so the server was willing to take them
    _JUDGED = ("AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "UNAVAILABLE")

    @staticmethod
    def _ask(stream: Stream, tag: str, command: str, also: bytes = b"") -> tuple[str, str, list[str]]:
        """Send a command. Returns its status (OK, NO or BAD), the whole answer, and the untagged lines before it."""
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
        found = ClearText(self._refusal(status, words, disabled=disabled), offered, evidence)
        if found.refused is False:
            return found
        login, others = self._answered(stream, opening)
        return found.although([*login, *others], login=bool(login))

    def _answered(self, stream: Stream, opening: Opening) -> tuple[list[str], list[str]]:
        """Logins that are taken, also where none is announced, and commands that are carried out without one."""
        login: list[str] = []
        others: list[str] = []
        mechanism = first_mechanism(entry[5:] for entry in opening.capabilities if entry.startswith("AUTH="))
        with until_it_hangs_up():
            stream.send(f"a AUTHENTICATE {mechanism}\r\n".encode("ascii"))
            answer = self._last_line(stream, "a")
            if answer.startswith("+"):  # the server waits for the credentials, which it does not get
                login.append(f"AUTHENTICATE {mechanism} with {quoted(answer)!r}")
                stream.send(b"*\r\n")
                self._last_line(stream, "a")
            # no more than two: some servers hang up at the third command that is out of place
            stream.send(b'e EXAMINE INBOX\r\nf LIST "" ""\r\n')
            for tag, command in (("e", "EXAMINE"), ("f", "LIST")):
                answer = self._last_line(stream, tag)
                if answer.upper().startswith(f"{tag.upper()} OK"):
                    others.append(f"{command} with {quoted(answer)!r}")
        return login, others

    @staticmethod
    def _last_line(stream: Stream, tag: str) -> str:
        """The line that ends an answer, or asks for more."""
        while True:
            line = stream.read_line()
            if line.upper().startswith("* BYE"):
                raise WireError("closed", f"the server hung up with {quoted(line)!r}")
            if line.startswith((f"{tag} ", "+")):
                return line
            if not line.startswith("* "):
                raise WireError("protocol", f"the server does not speak IMAP but says {quoted(line)!r}")

    def _refusal(self, status: str, words: str, *, disabled: bool) -> bool | None:
        """Whether an answer to LOGIN refuses clear text rather than the made-up credentials."""
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
