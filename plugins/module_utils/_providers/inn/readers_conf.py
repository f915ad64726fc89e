# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN's readers.conf: which clients are let in, and who of them needs an encrypted channel (readers.conf(5))."""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

REQUIREMENT = "require_encryption"
_TOKEN = re.compile(r'#[^\n]*|"[^"\n]*"|(?:\\.|[^\s#"])+')
_TRUE = ("true", "yes", "on")
_LOGINS = ("auth", "perl_auth", "python_auth")
_IDENTITIES = (*_LOGINS, "res", "default")  # a group without any of these is ignored by INN
_DEEPEST = 20  # included files within included files


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
        whole: where it stands.
        at: where its value stands.
    """

    value: str
    whole: Span
    at: Span


@dataclass(frozen=True)
class AuthGroup:
    """An auth group: whom it lets in, and how they prove who they are.

    Attributes:
        name: its name, which need not be the only one of that name.
        path: the file it stands in.
        line: number of its first line.
        whole: where it stands, from the word ``auth`` to the closing brace.
        label: where its name stands.
        inside: what is between its braces.
        own: parameters that stand in it, by name.
        inherited: parameters that it has from around it, by name.
    """

    name: str
    path: str
    line: int
    whole: Span
    label: Span
    inside: Span
    own: dict[str, list[Parameter]]
    inherited: dict[str, list[Parameter]]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.line}"

    def value(self, name: str) -> str | None:
        """A parameter's value as it holds for this group, None where there is none."""
        found = self.own.get(name) or self.inherited.get(name)
        return found[-1].value if found else None

    @property
    def encrypted(self) -> bool:
        """Whether it applies to encrypted connections only."""
        return (self.value(REQUIREMENT) or "").lower() in _TRUE

    @property
    def logins(self) -> bool:
        """Whether people can log in with a password."""
        return any(name in self.own or name in self.inherited for name in _LOGINS)

    @property
    def anonymous(self) -> bool:
        """Whether people are somebody without a login."""
        return any(name in self.own or name in self.inherited for name in ("res", "default"))

    @property
    def reachable(self) -> bool:
        """Whether a client on a network could match it."""
        hosts = {one.strip() for one in (self.value("hosts") or "*").split(",")} - {""}
        return hosts != {"stdin"} and any(name in self.own or name in self.inherited for name in _IDENTITIES)

    @property
    def local(self) -> bool:
        """Whether only programs on this host could match it."""
        hosts = {one.strip().lower() for one in (self.value("hosts") or "*").split(",")} - {""}
        return hosts <= {"localhost", "127.0.0.1", "::1", "127.0.0.0/8", "127.*", "stdin"}

    def admits(self, client: Iterable[str], server: Iterable[str]) -> bool:
        """Whether a connection could match it.

        Args:
            client: address and names of the client.
            server: address and names at which the server is spoken to.
        """
        return _matches(self.value("hosts"), client) and _matches(self.value("localaddress"), server)


@dataclass
class _Scope:
    """What is being read: tokens with their places, and what holds around them."""

    text: str
    path: str
    tokens: list[tuple[str, Span]]
    groups: list[AuthGroup] = field(default_factory=list)
    next: int = 0

    def take(self) -> tuple[str, Span]:
        """The next token. Raises Problem at the end of the file."""
        if self.next >= len(self.tokens):
            raise self.trouble("it ends within a group", len(self.text))
        self.next += 1
        return self.tokens[self.next - 1]

    def expect(self, brace: str) -> Span:
        """The next token's place, which must be a brace."""
        word, at = self.take()
        if word != brace:
            raise self.trouble(f"there is {word!r} where {brace!r} is due", at.start)
        return at

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def trouble(self, found: str, offset: int) -> Problem:
        return Problem(
            f"this is not understood: {found}",
            "mend the file until inncheck(8) is content, then run again",
            option=f"{self.path}:{self.line(offset)}",
        )


@dataclass(frozen=True)
class Files:
    """The files that may be included.

    Attributes:
        read: content of a file by its path.
        home: directory in which names without one are looked up (INN's pathetc).
    """

    read: Callable[[str], str]
    home: str


def auth_groups(text: str, path: str, files: Files, depth: int = 0) -> list[AuthGroup]:
    """The auth groups of a file and of those that it includes, in their order.

    Args:
        text: the file's content.
        path: where it lies.
        files: the files that it may include.
        depth: how many files lead here.

    Raises:
        Problem: the file is not understood.
    """
    found = ((match.group(), Span(*match.span())) for match in _TOKEN.finditer(text))
    scope = _Scope(text, path, [one for one in found if not one[0].startswith("#")])
    _read_group(scope, {}, files, depth, outermost=True)
    return scope.groups


def _read_group(
    scope: _Scope, around: dict[str, list[Parameter]], files: Files, depth: int, *, outermost: bool
) -> None:
    """Read what is within a ``group`` block, or in a whole file."""
    holds = {name: list(some) for name, some in around.items()}
    while scope.next < len(scope.tokens):
        word, at = scope.take()
        if word == "}" and not outermost:
            return
        if word == "group":
            scope.take()
            scope.expect("{")
            _read_group(scope, holds, files, depth, outermost=False)
        elif word == "auth":
            scope.groups.append(_read_auth(scope, at, holds))
        elif word == "access":
            scope.take()
            scope.expect("{")
            while scope.take()[0] != "}":
                pass
        elif word == "include":
            scope.groups += _included(scope, files, depth)
        elif word.endswith(":"):
            _add(holds, word, at, scope.take())
        else:
            raise scope.trouble(f"there is {word!r} where a group or a parameter is due", at.start)
    if not outermost:
        raise scope.trouble("it ends within a group", len(scope.text))


def _included(scope: _Scope, files: Files, depth: int) -> list[AuthGroup]:
    name, at = scope.take()
    path = os.path.join(files.home, _unquoted(name))
    if depth >= _DEEPEST:
        raise scope.trouble("files include each other", at.start)
    return auth_groups(files.read(path), path, files, depth + 1)


def _read_auth(scope: _Scope, start: Span, holds: dict[str, list[Parameter]]) -> AuthGroup:
    name, label = scope.take()
    opening = scope.expect("{")
    own: dict[str, list[Parameter]] = {}
    while True:
        word, at = scope.take()
        if word == "}":
            break
        if word in ("auth", "res"):
            scope.take()
            scope.expect("{")
            while True:
                inner, end = scope.take()
                if inner == "}":
                    break
            own.setdefault(word, []).append(Parameter("", Span(at.start, end.end), end))
        elif word.endswith(":"):
            _add(own, word, at, scope.take())
        else:
            raise scope.trouble(f"there is {word!r} where a parameter is due", at.start)
    return AuthGroup(
        name=_unquoted(name),
        path=scope.path,
        line=scope.line(start.start),
        whole=Span(start.start, at.end),
        label=label,
        inside=Span(opening.end, at.start),
        own=own,
        inherited={key: list(some) for key, some in holds.items()},
    )


def _add(holds: dict[str, list[Parameter]], word: str, at: Span, value: tuple[str, Span]) -> None:
    parameter = Parameter(_unquoted(value[0]), Span(at.start, value[1].end), value[1])
    holds.setdefault(word[:-1], []).append(parameter)


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word


def _matches(patterns: str | None, names: Iterable[str]) -> bool:
    """Whether any of the names matches a list of patterns, of which the last one that matches counts."""
    if patterns is None:
        return True
    found = False
    words = [name.lower() for name in names]
    for pattern in (one.strip().lower() for one in patterns.split(",")):
        plain = pattern.lstrip("!")
        if any(_within(word, plain) if "/" in plain else fnmatch.fnmatchcase(word, plain) for word in words):
            found = not pattern.startswith("!")
    return found


def _within(word: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(word) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
