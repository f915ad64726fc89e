# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POP3 from the client's side: RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH)."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    BLAMES_THE_CHANNEL,
    ClearText,
    Dialogue,
    Opening,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted


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
        return ClearText(True if refused else None, offered, evidence)

    def answer_to_smuggled(self, stream: Stream) -> str:
        good, words = self._ask(stream, "QUIT")
        return "" if good else words
