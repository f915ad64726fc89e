# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot's configuration files line by line, as they are read, with the files that they include.

doveconf(1) shows what counts in the end, and neither where it was written nor, in 2.4, what counts at each address.
Facts: doc.dovecot.org, "Dovecot Config File Syntax".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import like

FILTERS = frozenset({"protocol", "local", "remote", "local_name"})
# Blocks around a setting that say where it counts, the outermost first: kind and what stands behind it.
Filters = tuple[tuple[str, str], ...]
Overlay = Mapping[str, Optional[str]]
_INCLUDE = re.compile(r"!include(_try)?\s+(.+)")
_COMMENT = re.compile(r"\s#.*$")
_MAGIC = re.compile(r"[*?\[]")
_DEEPEST = 16  # files that include one another; Dovecot gives up on them as well
_DEEPEST_BLOCK = 100  # blocks within blocks of a file; Dovecot has some five
_MOST_FILES = 2000  # read in all, each as often as it is included
_MOST_LINES = 100_000  # in files that are read again


@dataclass(frozen=True)
class Entry:
    """A setting, or the beginning of a block.

    Attributes:
        filters: the blocks that say where it counts.
        name: the setting, with the names of other blocks around it before it and slashes between, such as
            ``service imap-login/inet_listener imaps/port``; empty for the beginning of a block of the filters.
        value: its value, without quotes.
        path: the file that it is in.
        line: its line there, the first one being 1.
        index: its place in the order of reading.
    """

    filters: Filters
    name: str
    value: str
    path: str
    line: int
    index: int

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}"

    @property
    def block(self) -> str:
        """The blocks around it, as they are written; empty where there is none."""
        return " ".join(f"{kind} {value} {{" for kind, value in self.filters)


class Files:
    """The files of a host.

    Args:
        host: the machine.
        overlay: files as they are planned: content by path, None for one that goes.

    Attributes:
        outside_of_blocks: the files that the last call of entries() has read outside of all blocks.
        within_blocks: those that it has read within one, with the place of the line that includes them.
    """

    def __init__(self, host: Host, overlay: Overlay) -> None:
        self._host = host
        self._overlay = overlay
        self._files = self._lines = 0
        self._seen: set[str] = set()
        self.outside_of_blocks: set[str] = set()
        self.within_blocks: dict[str, str] = {}

    def entries(self, path: str) -> list[Entry]:
        """Everything that is read, in order; empty where the file is not there.

        Raises:
            Problem: files include each other too often.
        """
        found: list[Entry] = []
        self._files = self._lines = 0
        for one in (self._seen, self.outside_of_blocks, self.within_blocks):
            one.clear()
        self.outside_of_blocks.add(path)
        for line_filters, name, value, file, line in self._read(path, (), (), 0):
            found.append(Entry(line_filters, name, value, file, line, len(found)))
        return found

    def _text(self, path: str) -> str:
        if path in self._overlay:
            return self._overlay[path] or ""
        return self._host.read_text(path)

    def _read(
        self, path: str, filters: Filters, sections: tuple[str, ...], depth: int
    ) -> Iterator[tuple[Filters, str, str, str, int]]:
        stack = [(filters, sections)]
        text = self._text(path)
        self._files += 1
        self._lines += text.count("\n") if path in self._seen else 0
        self._seen.add(path)
        if self._files > _MOST_FILES or self._lines > _MOST_LINES:
            raise Problem(
                f"Dovecot's files include each other over and over, until {path}",
                f"have each file included once: no more than {_MOST_FILES} files are read",
                option=path,
            )
        for number, line in _logical_lines(text):
            filters, sections = stack[-1]
            include = _INCLUDE.fullmatch(line)
            if include:
                pattern = os.path.join(os.path.dirname(path), _unquoted(include[2]))
                for file in self._matching(os.path.normpath(pattern)) if depth < _DEEPEST else ():
                    if filters or sections:
                        self.within_blocks.setdefault(file, f"{path}:{number}")
                    else:
                        self.outside_of_blocks.add(file)
                    yield from self._read(file, filters, sections, depth + 1)
            elif line == "}":
                if len(stack) > 1:
                    stack.pop()
            elif line.endswith("{"):
                if len(stack) > _DEEPEST_BLOCK:
                    raise Problem(
                        f"blocks are nested too deep in {path}:{number}",
                        "fix the file until 'doveconf -n' accepts it, then run again",
                        option=f"{path}:{number}",
                    )
                kind, _blank, argument = line[:-1].strip().partition(" ")
                argument = _unquoted(argument.strip())
                if kind in FILTERS:
                    filters = (*filters, (kind, argument))
                    yield filters, "", "", path, number
                else:
                    sections = (*sections, f"{kind} {argument}".strip())
                stack.append((filters, sections))
            else:
                name, equals, value = line.partition("=")
                if equals:
                    yield filters, _full_name(sections, name.strip()), _unquoted(value.strip()), path, number

    def _matching(self, pattern: str) -> list[str]:
        """Paths of the files that a pattern stands for, in the order in which they are read."""
        directory, last = os.path.split(pattern)
        directories = self._matching(directory) if _MAGIC.search(directory) else [directory]
        if not _MAGIC.search(last):
            return [os.path.join(one, last) for one in directories]
        return [
            os.path.join(one, name)
            for one in directories
            for name in self._names_in(one)
            if not name.startswith(".") and like(name, last)
        ]

    def _names_in(self, directory: str) -> list[str]:
        names = set(self._host.names_in(directory))
        for path, content in self._overlay.items():
            if os.path.dirname(path) == directory:
                (names.discard if content is None else names.add)(os.path.basename(path))
        return sorted(names)


def included(text: str) -> Iterator[tuple[int, str]]:
    """What a file includes: line, and path or pattern, which may be relative to the file's directory."""
    for number, line in _logical_lines(text):
        include = _INCLUDE.fullmatch(line)
        if include:
            yield number, _unquoted(include[2])


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, without comments, each with the number of its first physical line."""
    begun: list[str] = []
    first = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not begun:
            first = number
            if not line or line.startswith("#"):
                continue
        if '"' not in line and "'" not in line:
            line = _COMMENT.sub("", line).rstrip()
        if line.endswith("\\"):
            begun.append(line[:-1].rstrip() + " ")
            continue
        yield first, "".join((*begun, line))
        begun = []


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return word[1:-1]
    return word


def _full_name(sections: tuple[str, ...], name: str) -> str:
    """A setting's name; within ``ssl_server {`` of 2.4 it may leave that beginning out."""
    if not sections:
        return name
    kind, _blank, argument = sections[-1].partition(" ")
    if argument:
        prefix = f"{kind}_"
        return "/".join((*sections, name[len(prefix) :] if name.startswith(prefix) else name))
    if len(sections) > 1:
        return "/".join((*sections, name))
    return name if name.startswith("ssl_") else f"{kind}_{name}"
