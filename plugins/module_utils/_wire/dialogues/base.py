# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a dialogue is: one protocol from the client's side.

Nothing is ever delivered, and only made-up credentials are sent.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError

# How servers say that the channel, not the credentials, is at fault.
BLAMES_THE_CHANNEL = re.compile(r"tls|ssl|encrypt|secur|clear ?text|plain ?text|confidential|under a layer", re.I)


@dataclass(frozen=True)
class Opening:
    """How a server introduces itself.

    Attributes:
        greeting: its first line; empty after STARTTLS, when it does not greet again.
        capabilities: what it offers, one entry for each extension, as the protocol writes it.
    """

    greeting: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class ClearText:
    """What a server does with a client that does not use TLS.

    Attributes:
        refused: whether use in clear text is refused; None where the answer does not say.
        auth_offered: whether a login is offered in clear text; None where that cannot be known.
        evidence: what was asked, and the server's own words.
        own_address: whether it was asked from its own address, so that it may have let in what it refuses to others.
        answered: commands beyond those that are always tried which the server has carried out, each with its words.
    """

    refused: bool | None
    auth_offered: bool | None
    evidence: str
    own_address: bool = False
    answered: tuple[str, ...] = ()

    def although(self, answered: Sequence[str], *, login: bool = False) -> ClearText:
        """The same where the server carries out commands that a client may use before TLS, or takes a login by one."""
        if not answered:
            return self
        return replace(
            self,
            refused=False,
            auth_offered=self.auth_offered or login,
            evidence=", ".join((self.evidence, *answered)),
            answered=tuple(answered),
        )


def first_mechanism(offered: Iterable[str]) -> str:
    """The SASL mechanism to begin a login with: PLAIN or LOGIN where one is offered, and PLAIN where none is."""
    # a mechanism that looks at the client's certificate has nothing to look at in clear text
    usable = [word for word in offered if re.fullmatch(r"[A-Z0-9_-]{1,20}", word) and word != "EXTERNAL"]
    return next((word for word in ("PLAIN", "LOGIN", *usable) if word in usable), "PLAIN")


@contextlib.contextmanager
def until_it_hangs_up() -> Iterator[None]:
    """Ask on as long as the server answers: one that ends the session over a command refuses it and what follows."""
    try:
        yield
    except WireError as exc:
        if exc.code != "closed":
            raise


class Dialogue(ABC):
    """One protocol, from the client's side.

    Attributes:
        starttls: the capability that offers TLS.
        opener: a harmless first command, to test a port for clear text.
        smuggled: a harmless command, sent together with the request for TLS.
        farewell: the last command.
    """

    starttls: ClassVar[str]
    opener: ClassVar[bytes]
    smuggled: ClassVar[bytes]
    farewell: ClassVar[bytes]

    @abstractmethod
    def greet(self, stream: Stream) -> str:
        """The server's greeting. Raises WireError where it is a refusal, or not a greeting."""

    @abstractmethod
    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        """What the server offers at this point. Raises WireError."""

    @abstractmethod
    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        """Ask for TLS, with more bytes in the same write. Raises WireError where the server refuses."""

    @abstractmethod
    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        """Try to use the server without TLS. Raises WireError."""

    @abstractmethod
    def answer_to_smuggled(self, stream: Stream) -> str:
        """Say goodbye inside TLS. Returns the answer to the smuggled command; empty where there is none."""

    def open(self, stream: Stream) -> Opening:
        """Greeting and capabilities."""
        return Opening(self.greet(stream), self.capabilities(stream))

    def offers_tls(self, opening: Opening) -> bool:
        """Whether TLS can be asked for."""
        return self.starttls in opening.capabilities

    def refuses_in_clear_text(self, _answer: bytes) -> bool:
        """Whether an answer in clear text on a port with TLS from the start says only that TLS is needed."""
        return False
