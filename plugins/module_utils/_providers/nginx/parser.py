# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's configuration files, read by the rules of ngx_conf_file.c.

Nothing here writes a file: each directive knows where it stands in the text, for whoever wants to change it.
However deep blocks and includes are nested, nothing here calls itself.
"""

from __future__ import annotations

import bisect
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import like

_FOREIGN = ("_by_lua_block",)  # blocks in a language of their own
_FIX = "fix nginx's configuration until 'nginx -t' accepts it, then run again"
_DEEPEST = 5000  # files that include one another
_MOST_INCLUDED = 500_000  # directives of included files, each as often as it is included
_BETWEEN_WORDS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_QUOTED = {quote: re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "\"'"}
_PLAIN = re.compile(r"(?:\$\{|\\.|[^ \t\r\n;{])+", re.DOTALL)  # a brace after a dollar sign belongs to a variable
_BRACE = re.compile(r"[{}]")


@dataclass(frozen=True)
class Directive:
    """One directive.

    Attributes:
        name: its first word.
        args: its other words, without quotation marks.
        path: the file it stands in.
        line: number of the line that it begins on, from 1.
        start: where it begins in the file's text.
        end: where it ends, after the semicolon or the closing brace.
        opened: where its block begins, after the opening brace; None where it has no block.
        block: what is in its block, with the contents of included files in their place; None where it has no block.
    """

    name: str
    args: tuple[str, ...]
    path: str
    line: int
    start: int
    end: int
    opened: int | None = None
    block: tuple[Directive, ...] | None = None

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}:{self.line}"

    @property
    def shown(self) -> str:
        """The directive as a line, for messages."""
        return f"{' '.join((self.name, *self.args))};"

    def all(self, *names: str) -> list[Directive]:
        """Directives of these names directly in the block."""
        return [one for one in self.block or () if one.name in names]

    def below(self) -> Iterator[Directive]:
        """Everything in the block, at any depth, in the order of the file."""
        waiting = list(reversed(self.block or ()))
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.block or ()))


@dataclass(frozen=True)
class _Level:
    """A file or a block whose includes are being followed.

    Attributes:
        rest: the directives that have not been looked at yet.
        into: where they go.
        files: the file, and those that include it.
        opened: the directive whose block this is; None for a file.
    """

    rest: Iterator[Directive]
    into: list[Directive]
    files: tuple[str, ...]
    opened: Directive | None = None


def configuration(texts: Mapping[str, str], main: str) -> Directive:
    """The whole configuration as the block of one directive without a name.

    Args:
        texts: texts of the files, by path, in the order in which nginx reads them.
        main: path of the first file.

    Raises:
        Problem: a file is not understood, or includes itself.
    """
    found: list[Directive] = []
    parsed = {main: Parser(main, texts[main]).directives()}
    named: dict[str, list[str]] = {}
    levels = [_Level(iter(parsed[main]), found, (main,))]
    most = _MOST_INCLUDED
    while levels:
        level = levels[-1]
        one = next(level.rest, None)
        if one is None:
            levels.pop()
            if level.opened is not None:
                levels[-1].into.append(replace(level.opened, block=tuple(level.into)))
        elif one.name == "include" and len(one.args) == 1:
            level.into.append(one)
            pattern = one.args[0]
            if pattern not in named:
                named[pattern] = included(texts, main, pattern)
            for path in reversed(named[pattern]):
                if path in level.files:
                    raise Problem(f"{path} includes itself, in {one.place}", _FIX, option=one.place)
                if path not in parsed:
                    parsed[path] = Parser(path, texts[path]).directives()
                most -= 1 + len(parsed[path])
                if most < 0 or len(level.files) > _DEEPEST:
                    raise Problem(f"files include each other over and over, in {one.place}", _FIX, option=one.place)
                levels.append(_Level(iter(parsed[path]), level.into, (*level.files, path)))
        elif one.block is not None:
            levels.append(_Level(iter(one.block), [], level.files, one))
        else:
            level.into.append(one)
    return Directive("", (), main, 1, 0, 0, 0, tuple(found))


def included(texts: Mapping[str, str], main: str, pattern: str) -> list[str]:
    """The files that an include names; a relative one starts from the first file's directory."""
    pattern = posixpath.normpath(posixpath.join(posixpath.dirname(main), pattern))
    if not re.search(r"[*?\[]", pattern):
        return [pattern] if pattern in texts else []
    depth = pattern.count("/")
    return sorted(path for path in texts if path.count("/") == depth and like(path, pattern))


class Parser:
    """Reads one file.

    Args:
        path: the file's path.
        text: its content.
    """

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._at = 0
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    def directives(self) -> list[Directive]:
        """The directives of the file; includes are not followed.

        Raises:
            Problem: it is not understood.
        """
        found: list[Directive] = []
        open_blocks: list[tuple[Directive, list[Directive]]] = []  # each with the list that it will go into
        here = found
        while True:
            self._skip()
            if self._at >= len(self._text):
                if open_blocks:
                    self._at = open_blocks[-1][0].start
                    raise self._problem(f"the block '{open_blocks[-1][0].name}' is not closed")
                return found
            if self._text[self._at] == "}":
                if not open_blocks:
                    raise self._problem("there is a closing brace too many")
                self._at += 1
                opening, around = open_blocks.pop()
                around.append(replace(opening, end=self._at, block=tuple(here)))
                here = around
                continue
            one = self._directive()
            if one.opened is None or one.block is not None:
                here.append(one)
            else:
                open_blocks.append((one, here))
                here = []

    def _problem(self, what: str) -> Problem:
        place = f"{self._path}:{self._line(self._at)}"
        return Problem(f"{what}, in {place}", _FIX, option=place)

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._line_ends, at) + 1

    def _skip(self) -> None:
        """Go on to the next word."""
        match = _BETWEEN_WORDS.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _directive(self) -> Directive:
        """The next directive; of one with a block only what comes before the block, unless it is a foreign one."""
        start, words = self._at, []
        while True:
            self._skip()
            char = self._text[self._at : self._at + 1]
            if char in ("", "}"):
                raise self._problem("a directive does not end with ';'")
            if char in ";{":
                self._at += 1
                break
            words.append(self._word())
        name, args = (words or [""])[0], tuple(words[1:])
        line = self._line(start)
        if char == ";":
            return Directive(name, args, self._path, line, start, self._at)
        opened = self._at
        if not name.endswith(_FOREIGN):
            return Directive(name, args, self._path, line, start, opened, opened)
        self._leave_foreign()
        return Directive(name, args, self._path, line, start, self._at, opened, ())

    def _word(self) -> str:
        quote = self._text[self._at]
        match = _QUOTED.get(quote, _PLAIN).match(self._text, self._at)
        if not match:
            raise self._problem("a quotation is not closed" if quote in _QUOTED else "this is not a word")
        self._at = match.end()
        return re.sub(r"\\(.)", _unescaped, match.group(1 if quote in _QUOTED else 0), flags=re.DOTALL)

    def _leave_foreign(self) -> None:
        depth = 1
        while depth:
            match = _BRACE.search(self._text, self._at)
            if not match:
                raise self._problem("a block is not closed")
            depth += 1 if match.group() == "{" else -1
            self._at = match.end()


def _unescaped(match: re.Match[str]) -> str:
    """What a backslash and a character stand for; nginx keeps the backslash before any other character."""
    char = match.group(1)
    if char in "\"'\\":
        return char
    return {"t": "\t", "r": "\r", "n": "\n"}.get(char, match.group(0))


__all__ = ("Directive", "Parser", "configuration", "included")
