# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's configuration files, as nginx itself takes them apart.

A file's text is looked at and never written anew: whoever wants to change it knows where each directive stands.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

_DEEPEST_INCLUDE = 30  # nginx has no limit of its own, and refuses a file that includes itself only when files run out
_FOREIGN = ("_by_lua_block",)  # blocks in a language of their own


@dataclass(frozen=True)
class Directive:
    """One directive.

    Attributes:
        name: its first word.
        args: its other words, without quotation marks.
        path: the file it stands in.
        line: number of the line that it begins on, from 1.
        start: where it begins in the file's text.
        end: where it ends, behind the semicolon or the closing brace.
        opened: where its block begins, behind the opening brace; None where it has no block.
        block: what is in its block, with that of included files in its place; None where it has no block.
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

    def all(self, *names: str) -> list[Directive]:
        """Directives of these names right in the block."""
        return [one for one in self.block or () if one.name in names]

    def below(self) -> Iterator[Directive]:
        """Everything in the block, at any depth."""
        for one in self.block or ():
            yield one
            yield from one.below()


def configuration(texts: Mapping[str, str], main: str) -> Directive:
    """The whole configuration as the block of one directive without a name.

    Args:
        texts: texts of the files, by path, in the order in which nginx reads them.
        main: path of the first file.

    Raises:
        Problem: it cannot be taken apart.
    """
    return Directive("", (), main, 1, 0, 0, 0, tuple(_expanded(texts, main, main, ())))


def _expanded(texts: Mapping[str, str], main: str, path: str, above: Sequence[str]) -> Iterator[Directive]:
    """The directives of a file, with those of the files it includes."""
    if len(above) > _DEEPEST_INCLUDE:
        raise Problem(f"{path} is included by itself", "mend nginx's configuration until 'nginx -t' is content")
    yield from _spread(texts, main, Parser(path, texts[path]).directives(), (*above, path))


def _spread(
    texts: Mapping[str, str], main: str, directives: Sequence[Directive], above: Sequence[str]
) -> Iterator[Directive]:
    for one in directives:
        if one.name == "include" and len(one.args) == 1:
            yield one
            for path in included(texts, main, one.args[0]):
                yield from _expanded(texts, main, path, above)
        elif one.block is not None:
            block = tuple(_spread(texts, main, one.block, above))
            yield Directive(one.name, one.args, one.path, one.line, one.start, one.end, one.opened, block)
        else:
            yield one


def included(texts: Mapping[str, str], main: str, pattern: str) -> list[str]:
    """The files that an include takes in; a relative one starts from the first file's directory."""
    pattern = posixpath.normpath(posixpath.join(posixpath.dirname(main), pattern))
    if not re.search(r"[*?\[]", pattern):
        return [pattern] if pattern in texts else []
    depth = pattern.count("/")
    return sorted(path for path in texts if path.count("/") == depth and fnmatch.fnmatchcase(path, pattern))


class Parser:
    """Takes one file apart, by the rules of ngx_conf_file.c.

    Args:
        path: the file's path.
        text: its content.
    """

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._at = 0

    def directives(self) -> list[Directive]:
        """The directives of the file; includes are not followed.

        Raises:
            Problem: it cannot be taken apart.
        """
        found = self._block(top=True)
        if self._at < len(self._text):
            raise self._problem("a closing brace too many")
        return found

    def _problem(self, what: str) -> Problem:
        place = f"{self._path}:{self._line(self._at)}"
        return Problem(f"{what} in {place}", "mend nginx's configuration until 'nginx -t' is content", option=place)

    def _line(self, at: int) -> int:
        return self._text.count("\n", 0, at) + 1

    def _skip(self) -> None:
        """Go on to the next word."""
        match = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*").match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _block(self, *, top: bool = False) -> list[Directive]:
        found: list[Directive] = []
        while True:
            self._skip()
            if self._at >= len(self._text):
                if top:
                    return found
                raise self._problem("a closing brace is missing")
            if self._text[self._at] == "}":
                if not top:
                    self._at += 1
                return found
            found.append(self._directive())

    def _directive(self) -> Directive:
        start, words = self._at, []
        while True:
            self._skip()
            char = self._text[self._at : self._at + 1]
            if char == "" or char == "}":
                raise self._problem("a directive without an end")
            if char in ";{":
                self._at += 1
                break
            words.append(self._word())
        name, args = (words or [""])[0], tuple(words[1:])
        line, opened, block = self._line(start), None, None
        if char == "{":
            opened = self._at
            block = () if name.endswith(_FOREIGN) else tuple(self._block())
            if name.endswith(_FOREIGN):
                self._leave_foreign()
        return Directive(name, args, self._path, line, start, self._at, opened, block)

    def _word(self) -> str:
        quote = self._text[self._at]
        if quote in "\"'":
            match = re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL).match(self._text, self._at)
            if not match:
                raise self._problem("a quotation without an end")
            self._at = match.end()
            return re.sub(r"\\(.)", _unescaped, match.group(1), flags=re.DOTALL)
        # a brace behind a dollar sign belongs to a variable
        match = re.compile(r"(?:\$\{|\\.|[^ \t\r\n;{])+", re.DOTALL).match(self._text, self._at)
        if not match:
            raise self._problem("something that is no word")
        self._at = match.end()
        return re.sub(r"\\(.)", _unescaped, match.group(0), flags=re.DOTALL)

    def _leave_foreign(self) -> None:
        depth = 1
        while depth:
            match = re.compile(r"[{}]").search(self._text, self._at)
            if not match:
                raise self._problem("a closing brace is missing")
            depth += 1 if match.group() == "{" else -1
            self._at = match.end()


def _unescaped(match: re.Match[str]) -> str:
    """What a backslash and a character stand for; nginx keeps the backslash before any other character."""
    char = match.group(1)
    if char in "\"'\\":
        return char
    return {"t": "\t", "r": "\r", "n": "\n"}.get(char, match.group(0))


__all__ = ("Directive", "Parser", "configuration", "included")
