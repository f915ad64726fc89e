# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NNTP from the client's side: RFC 3977, RFC 4642 and 8143 (STARTTLS), RFC 4643 (AUTHINFO)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
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

_READY = (200, 201)
_CAPABILITIES_FOLLOW = 101
_GO_ON_WITH_TLS = 382
_PASSWORD_WANTED = 381
_LOGIN_NEEDED = 480
_TLS_NEEDED = 483
_TEMPORARILY_UNAVAILABLE = 400
_CLOSING = 205
_NOT_FOR_YOU = 502  # in place of a greeting (RFC 3977 section 5.1.1)
# what a reader with access is told: here is the article, or there is none (RFC 3977 section 6.2.1)
_USED = (220, 430)
# What readers and other servers may use before they log in, for groups and articles that cannot exist.
_ARTICLE = "<none@none.invalid>"
_QUESTIONS = (
    "LIST ACTIVE none.invalid",
    "NEWGROUPS 20990101 000000 GMT",
    "NEWNEWS none.invalid 20990101 000000 GMT",
    "GROUP none.invalid",
    f"HEAD {_ARTICLE}",
    f"BODY {_ARTICLE}",
    f"STAT {_ARTICLE}",
    f"OVER {_ARTICLE}",
    "XOVER 1",
    f"HDR Subject {_ARTICLE}",
    f"XHDR Subject {_ARTICLE}",
    f"CHECK {_ARTICLE}",
)
# A server that takes one of these waits for the article, and gets none.
_OFFERS = (f"IHAVE {_ARTICLE}", "POST")
_SEND_IT = (335, 340)
_WITH_LINES = (215, 220, 221, 222, 224, 225, 230, 231)  # the answer goes on up to a full stop
# Answers about a group or an article: the command was not barred (RFC 3977 section 3.2, RFC 4644).
_ABOUT_THE_MATTER = (*_SEND_IT, 411, 412, 420, 421, 422, 423, 430, 431, 435, 436, 437, 438)


@dataclass(frozen=True)
class _Reply:
    code: int
    words: str


class Nntp(Dialogue):
    """NNTP as a reader speaks it. A server for readers and feeds is switched to reader mode if it asks for that."""

    starttls = "STARTTLS"
    opener = b"CAPABILITIES\r\n"
    smuggled = b"DATE\r\n"
    farewell = b"QUIT\r\n"

    @staticmethod
    def _read(stream: Stream) -> _Reply:
        line = stream.read_line()
        match = re.match(r"([1-5]\d\d)( |$)", line)
        if not match:
            raise WireError("protocol", f"the server does not speak NNTP but says {quoted(line)!r}")
        return _Reply(int(match.group(1)), quoted(line.strip()))

    def _ask(self, stream: Stream, command: str, also: bytes = b"") -> _Reply:
        stream.send(f"{command}\r\n".encode("ascii") + also)
        return self._read(stream)

    def greet(self, stream: Stream) -> str:
        reply = self._read(stream)
        if reply.code not in _READY:
            words = f"the server greets with {reply.words!r}"
            raise TurnedAway(words) if reply.code == _NOT_FOR_YOU else WireError("rejected", words)
        return reply.words

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        offered = self._capabilities(stream)
        if "MODE-READER" not in offered:
            return offered
        # it treats us as another server, and would refuse everything that readers do, TLS included
        reply = self._ask(stream, "MODE READER")
        if reply.code not in _READY:
            raise WireError("rejected", f"MODE READER was answered with {reply.words!r}")
        return self._capabilities(stream)

    def _capabilities(self, stream: Stream) -> tuple[str, ...]:
        if self._ask(stream, "CAPABILITIES").code != _CAPABILITIES_FOLLOW:
            return ()  # a server from before RFC 3977
        entries: list[str] = []
        line = stream.read_line()
        while line != ".":
            entries.append(quoted(line.strip().upper()))
            line = stream.read_line()
        return tuple(entries)

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        reply = self._ask(stream, "STARTTLS", smuggled)
        if reply.code != _GO_ON_WITH_TLS:
            raise WireError("starttls_refused", f"STARTTLS was answered with {reply.words!r}")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        """Ask for an article that cannot exist, and then try to log in.

        Where these are refused, what else a client may use is asked for.
        """
        use = self._ask(stream, f"ARTICLE {_ARTICLE}")
        login = self._ask(stream, "AUTHINFO USER x")
        offered = login.code == _PASSWORD_WANTED or _offers_login(opening.capabilities)
        evidence = f"ARTICLE was answered with {use.words!r}, AUTHINFO USER with {login.words!r}"
        found = ClearText(self._refusal(use.code, login.code), offered, evidence)
        return found if found.refused is False else found.although(self._answered(stream))

    def _answered(self, stream: Stream) -> list[str]:
        """The commands that the server carries out, each with its answer."""
        found: list[str] = []
        with until_it_hangs_up():
            stream.send("".join(f"{command}\r\n" for command in _QUESTIONS).encode("ascii"))
            for command in _QUESTIONS:
                reply = self._read(stream)
                if reply.code in _WITH_LINES:
                    while stream.read_line() != ".":
                        pass
                found += _shown(command, reply)
            for command in _OFFERS:
                reply = self._ask(stream, command)
                found += _shown(command, reply)
                if reply.code in _SEND_IT:
                    stream.close()  # it throws away what is not complete
                    break
        return found

    @staticmethod
    def _refusal(use: int, login: int) -> bool | None:
        """Whether clear text is refused, by the codes of the answers to use and login."""
        if use == _TLS_NEEDED:
            return True
        if use in _USED:
            return False
        if use != _LOGIN_NEEDED:
            return None
        return {_TLS_NEEDED: True, _PASSWORD_WANTED: False}.get(login)

    def answer_to_smuggled(self, stream: Stream) -> str:
        reply = self._ask(stream, "QUIT")
        return "" if reply.code == _CLOSING else reply.words

    def refuses_in_clear_text(self, answer: bytes) -> bool:
        # INN says "400 Encrypted TLS connection failed" and hangs up
        return answer.startswith(str(_TEMPORARILY_UNAVAILABLE).encode("ascii"))


def _shown(command: str, reply: _Reply) -> list[str]:
    """A command with its answer, unless that is a refusal."""
    good = 200 <= reply.code < 300 or reply.code in _ABOUT_THE_MATTER
    return [f"{command.partition(' ')[0]} with {reply.words!r}"] if good else []


def _offers_login(capabilities: tuple[str, ...]) -> bool:
    """Whether a login is offered at this point: AUTHINFO without a method means none (RFC 4643 section 2.1)."""
    words = {word for entry in capabilities if entry.startswith("AUTHINFO ") for word in entry.split()[1:]}
    mechanisms = any(entry.startswith("SASL ") for entry in capabilities)
    return "USER" in words or ("SASL" in words and mechanisms)
