# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The auth groups of readers.conf: which clients they let in, and how these prove who they are (readers.conf(5))."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import like

REQUIREMENT = "require_encryption"
LOGIN_WAYS = ("auth", "perl_auth", "python_auth")
_TRUE = ("true", "yes", "on")
_IDENTITIES = (*LOGIN_WAYS, "res", "default")  # INN ignores a group without any of these


@dataclass(frozen=True)
class Span:
    """A part of the text, from one offset up to another."""

    start: int
    end: int


@dataclass(frozen=True)
class Parameter:
    """A parameter of a group.

    Attributes:
        value: its value without quotes; empty for a block such as ``auth NAME { ... }``.
        whole: where it is.
        at: where its value is.
    """

    value: str
    whole: Span
    at: Span


@dataclass(frozen=True)
class AuthGroup:
    """An auth group: whom it lets in, and how they prove who they are.

    Attributes:
        name: its name, which other groups can have too.
        path: the file it stands in.
        line: number of its first line.
        whole: where it stands, from the word ``auth`` to the closing brace.
        label: where its name stands.
        inside: what is between its braces.
        own: parameters that stand in it, by name.
        inherited: parameters that it inherits from the groups around it, by name; of two of a name the last one.
    """

    name: str
    path: str
    line: int
    whole: Span
    label: Span
    inside: Span
    own: dict[str, list[Parameter]]
    inherited: dict[str, Parameter]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.line}"

    def value(self, name: str) -> str | None:
        """A parameter's value as it holds for this group, None where there is none."""
        own = self.own.get(name)
        found = own[-1] if own else self.inherited.get(name)
        return found.value if found else None

    def _has(self, name: str) -> bool:
        return name in self.own or name in self.inherited

    @property
    def encrypted(self) -> bool:
        """Whether it applies to encrypted connections only."""
        return (self.value(REQUIREMENT) or "").lower() in _TRUE

    @property
    def logins(self) -> bool:
        """Whether clients can log in with a password."""
        return any(self._has(name) for name in LOGIN_WAYS)

    @property
    def anonymous(self) -> bool:
        """Whether clients are accepted without a login."""
        return any(self._has(name) for name in ("res", "default"))

    @property
    def _hosts(self) -> set[str]:
        return {one.strip().lower() for one in (self.value("hosts") or "*").split(",")} - {""}

    @property
    def reachable(self) -> bool:
        """Whether a client on a network could match it."""
        return self._hosts != {"stdin"} and any(self._has(name) for name in _IDENTITIES)

    @property
    def local(self) -> bool:
        """Whether only clients on this host could match it."""
        return self._hosts <= {"localhost", "127.0.0.1", "::1", "127.0.0.0/8", "127.*", "stdin"}

    def admits(self, client: Iterable[str], server: Iterable[str]) -> bool:
        """Whether a connection could match it.

        Args:
            client: address and names of the client.
            server: address and names that the client connects to.
        """
        return _matches(self.value("hosts"), client) and _matches(self.value("localaddress"), server)


def _matches(patterns: str | None, names: Iterable[str]) -> bool:
    """Whether a list of patterns matches one of the names; the last pattern that matches any of them decides."""
    if patterns is None:
        return True
    found = False
    words = [name.lower() for name in names]
    for pattern in (one.strip().lower() for one in patterns.split(",")):
        plain = pattern.lstrip("!")
        if any(_within(word, plain) if "/" in plain else like(word, plain) for word in words):
            found = not pattern.startswith("!")
    return found


def _within(word: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(word) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
