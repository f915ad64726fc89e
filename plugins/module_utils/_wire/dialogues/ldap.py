# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LDAP from the client's side: RFC 4511, with StartTLS (section 4.14) and SASL (section 4.2, RFC 4513)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.ber import (
    BOOLEAN,
    ENUMERATED,
    SEQUENCE,
    BerError,
    Element,
    element,
    integer,
    octets,
    read_element,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    BLAMES_THE_CHANNEL,
    ClearText,
    Dialogue,
    Opening,
    until_it_hangs_up,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted

_START_TLS = "1.3.6.1.4.1.1466.20037"
_WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"  # RFC 4532
# Tags of RFC 4511: requests, and answers.
_BIND, _UNBIND, _SEARCH, _COMPARE, _EXTENDED = 0x60, 0x42, 0x63, 0x6E, 0x77
_ENTRY, _REFERENCE = 0x64, 0x73
_LAST_ANSWERS = (0x61, 0x65, 0x6F, 0x78)  # to bind, search, compare and extended requests
_PRESENT, _SIMPLE, _SASL, _REQUEST_NAME = 0x87, 0x80, 0xA3, 0x80
_NAMES = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    4: "sizeLimitExceeded",
    5: "compareFalse",
    6: "compareTrue",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    13: "confidentialityRequired",
    14: "saslBindInProgress",
    32: "noSuchObject",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    52: "unavailable",
    53: "unwillingToPerform",
}
_SUCCESS, _OPERATIONS_ERROR, _STRONGER, _CONFIDENTIALITY, _GO_ON = 0, 1, 8, 13, 14
_COMPARED = (5, 6)
_JUDGED = (_SUCCESS, 32, 49)  # the answer is about the credentials, so the server was willing to take them
_NOT_AT_ALL = (7, 48, 53)  # such a login is refused on any channel
# Where a server does not say which suffixes it serves, this is the best guess: OpenLDAP has it.
_GUESSED_SUFFIX = "cn=config"
_NOBODY = "cn=nobody"
# Mechanisms that begin without credentials, so that none are needed to see whether they are accepted.
_TRIED = ("DIGEST-MD5", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "NTLM")
_MOST_TRIED = 3  # suffixes, and mechanisms
_STILL_BUSY, _MOMENT = 10, 0.1  # how often StartTLS is asked for again, and after how many seconds


@dataclass(frozen=True)
class _Answer:
    """A server's answer to one request.

    Attributes:
        code: the result code of RFC 4511 section 4.1.9.
        diagnostic: the server's explanation.
        attributes: of the last entry found, values by attribute name in lower case.
        entries: how many were found.
    """

    code: int
    diagnostic: str
    attributes: dict[str, list[str]]
    entries: int = 0

    @property
    def words(self) -> str:
        """Result and explanation on one line."""
        name = f"{_NAMES.get(self.code, 'result')} ({self.code})"
        return quoted(f"{name}: {self.diagnostic}" if self.diagnostic else name)

    @property
    def blames_the_channel(self) -> bool:
        """Whether the server objects to the lack of TLS; some say so only in words."""
        if self.code in (_STRONGER, _CONFIDENTIALITY):
            return True
        by_words = self.code not in (*_JUDGED, _GO_ON)
        return by_words and bool(BLAMES_THE_CHANNEL.search(self.diagnostic) or "SSF" in self.diagnostic)


def _message(number: int, request: bytes) -> bytes:
    return element(SEQUENCE, integer(number), request)


def _search(base: str, *attributes: str, below: bool = False) -> bytes:
    """A search for one entry, of any class: the one of that name, or any below it."""
    return element(
        _SEARCH,
        octets(base),
        integer(2 if below else 0, ENUMERATED),  # scope: the whole subtree, or the base object
        integer(0, ENUMERATED),  # aliases are not followed
        integer(1 if below else 0),  # entries at most; 0 for no limit
        integer(0),
        element(BOOLEAN, b"\0"),
        octets("objectClass", _PRESENT),
        element(SEQUENCE, *map(octets, attributes)),
    )


def _simple_bind(name: str, password: str) -> bytes:
    return element(_BIND, integer(3), octets(name), octets(password, _SIMPLE))


def _sasl_bind(mechanism: str) -> bytes:
    """The beginning of a SASL login, without credentials."""
    return element(_BIND, integer(3), octets(""), element(_SASL, octets(mechanism)))


_DESCRIPTION = _search("", "supportedExtension", "supportedSASLMechanisms")


def _read(stream: Stream) -> tuple[int, Element]:
    """The next message: its number and its content."""
    try:
        parts = read_element(stream.read_bytes, SEQUENCE)
        number, said = parts.parts[:2]
    except (BerError, ValueError) as exc:
        raise WireError("protocol", f"the server does not speak LDAP ({exc})") from exc
    return number.number, said


def _result(said: Element) -> tuple[int, str]:
    code, _matched, diagnostic = said.parts[:3]
    return code.number, diagnostic.text


def _attributes(entry: Element) -> dict[str, list[str]]:
    found = {}
    for attribute in entry.parts[1].parts:
        name, values = attribute.parts
        found[name.text.lower()] = [value.text for value in values.parts]
    return found


def _answer(stream: Stream, number: int) -> _Answer:
    """The whole answer to a request.

    Raises:
        WireError: the server hung up, or does not speak LDAP.
    """
    attributes: dict[str, list[str]] = {}
    entries = 0
    while True:
        answers, said = _read(stream)
        try:
            if answers == 0:  # a notice of disconnection, RFC 4511 section 4.4.1
                raise WireError("closed", f"the server hung up with {_Answer(*_result(said), {}).words!r}")
            if answers == number and said.tag in _LAST_ANSWERS:
                return _Answer(*_result(said), attributes, entries)
            if answers != number or said.tag not in (_ENTRY, _REFERENCE):
                raise WireError("protocol", f"the server sent an unexpected answer (tag {said.tag:#04x})")
            if said.tag == _ENTRY:
                attributes, entries = _attributes(said), entries + 1
        except (BerError, ValueError, IndexError) as exc:
            raise WireError("protocol", f"the server does not speak LDAP ({exc})") from exc


def _ask(stream: Stream, number: int, request: bytes) -> _Answer:
    stream.send(_message(number, request))
    return _answer(stream, number)


class Ldap(Dialogue):
    """LDAP. Servers do not greet; what they offer is in the rootDSE (RFC 4512 section 5.1), if it is readable."""

    starttls = "STARTTLS"
    opener = _message(1, _DESCRIPTION)
    smuggled = _message(3, _DESCRIPTION)
    farewell = _message(9, element(_UNBIND))

    def greet(self, stream: Stream) -> str:
        return ""

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        """STARTTLS, the OIDs of other extensions, and the SASL mechanisms; empty where the rootDSE is not readable."""
        found = _ask(stream, 1, _DESCRIPTION).attributes
        extensions = found.get("supportedextension", [])
        mechanisms = found.get("supportedsaslmechanisms", [])
        return (
            *(["STARTTLS"] if _START_TLS in extensions else []),
            *(quoted(number) for number in sorted(extensions) if number != _START_TLS),
            *([quoted(" ".join(("SASL", *sorted(mechanisms))).upper())] if mechanisms else []),
        )

    def offers_tls(self, opening: Opening) -> bool:
        """A server that does not say what it offers may still have it."""
        return not opening.capabilities or super().offers_tls(opening)

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        request = element(_EXTENDED, octets(_START_TLS, _REQUEST_NAME))
        stream.send(_message(2, request) + smuggled)
        answer = _answer(stream, 2)
        for _attempt in range(_STILL_BUSY):
            # RFC 4511 section 4.14.1: not while another operation is outstanding. A busy slapd has sent its answer to
            # the one before, and has not yet noted that it is done.
            if smuggled or answer.code != _OPERATIONS_ERROR:
                break
            time.sleep(_MOMENT)
            answer = _ask(stream, 2, request)
        if answer.code != _SUCCESS:
            raise WireError("starttls_refused", f"STARTTLS was answered with {answer.words!r}")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        served = _ask(stream, 4, _search("", "namingContexts"))
        suffixes = served.attributes.get("namingcontexts", [])[:_MOST_TRIED]
        searches = [_ask(stream, 5, _search(suffix, "1.1")) for suffix in suffixes] or [served]
        search = next((answer for answer in searches if answer.code == _SUCCESS), searches[0])
        bind = _ask(stream, 6, _simple_bind(f"{_NOBODY},{(suffixes or [_GUESSED_SUFFIX])[0]}", "made-up"))
        mechanism, sasl = self._try_sasl(stream, opening)
        evidence = f"an anonymous search was answered with {search.words!r}, a simple bind with {bind.words!r}"
        if sasl:
            evidence += f", a bind by {mechanism} with {sasl.words!r}"
        # a name outside all suffixes is refused like wrong credentials, on any channel
        simple = None if bind.code in _JUDGED and not suffixes else bind.code in _JUDGED
        offered = True if sasl and sasl.code == _GO_ON else simple
        if offered is False and not (bind.blames_the_channel or bind.code in _NOT_AT_ALL):
            offered = None
        if offered or (search.code == _SUCCESS and suffixes):
            return ClearText(False, offered, evidence)
        blamed = search.blames_the_channel or bind.blames_the_channel
        found = ClearText(True if blamed and offered is False else None, offered, evidence)
        return found.although(self._answered(stream, (suffixes or [_GUESSED_SUFFIX])[0]))

    @staticmethod
    def _answered(stream: Stream, suffix: str) -> list[str]:
        """Further operations that are carried out without a login, each with its answer; none changes anything."""
        found: list[str] = []
        class_of = element(SEQUENCE, octets("objectClass"), octets("top"))
        with until_it_hangs_up():
            below = _ask(stream, 10, _search(suffix, "1.1", below=True))
            if below.entries:
                found.append(f"a search below {quoted(suffix)} with {below.words!r}")
            compared = _ask(stream, 11, element(_COMPARE, octets(suffix), class_of))
            if compared.code in _COMPARED:
                found.append(f"a comparison with {compared.words!r}")
            who = _ask(stream, 12, element(_EXTENDED, octets(_WHO_AM_I, _REQUEST_NAME)))
            if who.code == _SUCCESS:
                found.append(f"Who am I? with {who.words!r}")
        return found

    @staticmethod
    def _try_sasl(stream: Stream, opening: Opening) -> tuple[str, _Answer | None]:
        """Begin a SASL login, with one mechanism after the other until one is accepted; the last one and its answer."""
        offers = (entry.split()[1:] for entry in opening.capabilities if entry.startswith("SASL "))
        offered: Sequence[str] = [word for offer in offers for word in offer]
        mechanism, answer = "", None
        for mechanism in [one for one in _TRIED if one in offered or not opening.capabilities][:_MOST_TRIED]:
            answer = _ask(stream, 7, _sasl_bind(mechanism))
            if answer.code == _GO_ON:
                break
        return mechanism, answer

    def answer_to_smuggled(self, stream: Stream) -> str:
        """The answer that nobody asked for inside TLS, if there is one."""
        stream.send(_message(8, _DESCRIPTION))
        number, said = _read(stream)
        return f"a message with tag {said.tag:#04x}" if number == 3 else ""
