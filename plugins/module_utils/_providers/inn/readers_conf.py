# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN's readers.conf, read as INN reads it (readers.conf(5)): groups within groups, and files that it includes."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import (
    AuthGroup,
    Parameter,
    Span,
)

_TOKEN = re.compile(r'#[^\n]*|"[^"\n]*"|(?:\\.|[^\s#"])+')
_DEEPEST = 20  # included files within included files
_MOST_PARAMETERS = 200  # kinds of them; INN knows some forty
_MOST_FILES = 1000  # read in all, each as often as it is included


@dataclass
class _Source:
    """The file that is being read: its tokens with their places."""

    text: str
    path: str
    tokens: list[tuple[str, Span]]
    next: int = 0

    @cached_property
    def _line_ends(self) -> list[int]:
        return [match.start() for match in re.finditer("\n", self.text)]

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
            raise self.trouble(f"there is {word!r} where {brace!r} is expected", at.start)
        return at

    def skip_block(self) -> Span:
        """The place of the brace that closes a block which begins here with its name."""
        self.take()
        self.expect("{")
        while True:
            word, at = self.take()
            if word == "}":
                return at

    def line(self, offset: int) -> int:
        return bisect_left(self._line_ends, offset) + 1

    def trouble(self, found: str, offset: int) -> Problem:
        return Problem(
            f"this is not understood: {found}",
            "fix the file until inncheck(8) accepts it, then run again",
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
    _opened: list[str] = field(default_factory=list, repr=False, compare=False)

    def begin(self) -> None:
        """Count the files anew."""
        self._opened.clear()

    def included(self, path: str) -> str | None:
        """Content of a file that another one includes; None where too many have been."""
        self._opened.append(path)
        return self.read(path) if len(self._opened) <= _MOST_FILES else None


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
    if depth == 0:
        files.begin()
    found = ((match.group(), Span(*match.span())) for match in _TOKEN.finditer(text))
    source = _Source(text, path, [one for one in found if not one[0].startswith("#")])
    groups: list[AuthGroup] = []
    holding: list[dict[str, Parameter]] = [{}]  # the parameters of the file, and of each group that is open
    while source.next < len(source.tokens):
        word, at = source.take()
        if word == "}" and len(holding) > 1:
            holding.pop()
        elif word == "group":
            source.take()
            source.expect("{")
            holding.append(dict(holding[-1]))
        elif word == "auth":
            groups.append(_read_auth(source, at, holding[-1]))
        elif word == "access":
            source.skip_block()
        elif word == "include":
            groups += _included(source, files, depth)
        elif word.endswith(":"):
            if len(holding[-1]) > _MOST_PARAMETERS:
                raise source.trouble("there are too many kinds of parameters", at.start)
            holding[-1][word[:-1]] = _parameter(at, source.take())
        else:
            raise source.trouble(f"there is {word!r} where a group or a parameter is expected", at.start)
    if len(holding) > 1:
        raise source.trouble("it ends within a group", len(source.text))
    return groups


def _included(source: _Source, files: Files, depth: int) -> list[AuthGroup]:
    name, at = source.take()
    path = os.path.join(files.home, _unquoted(name))
    text = files.included(path) if depth < _DEEPEST else None
    if text is None:
        raise source.trouble("files include each other", at.start)
    return auth_groups(text, path, files, depth + 1)


def _read_auth(source: _Source, start: Span, holds: dict[str, Parameter]) -> AuthGroup:
    name, label = source.take()
    opening = source.expect("{")
    own: dict[str, list[Parameter]] = {}
    while True:
        word, at = source.take()
        if word == "}":
            break
        if word in ("auth", "res"):
            end = source.skip_block()
            own.setdefault(word, []).append(Parameter("", Span(at.start, end.end), end))
        elif word.endswith(":"):
            own.setdefault(word[:-1], []).append(_parameter(at, source.take()))
        else:
            raise source.trouble(f"there is {word!r} where a parameter is expected", at.start)
    return AuthGroup(
        name=_unquoted(name),
        path=source.path,
        line=source.line(start.start),
        whole=Span(start.start, at.end),
        label=label,
        inside=Span(opening.end, at.start),
        own=own,
        inherited=dict(holds),
    )


def _parameter(at: Span, value: tuple[str, Span]) -> Parameter:
    return Parameter(_unquoted(value[0]), Span(at.start, value[1].end), value[1])


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
