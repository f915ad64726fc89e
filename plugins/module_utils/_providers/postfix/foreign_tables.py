# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lookup tables of others can answer (DATABASE_README), row by row, whatever they will be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import reader_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    SPACE,
    continues,
    is_comment,
    split_lines,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import SUFFIXES
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

_PROXY = "proxy:"
_COMPILED = frozenset({*SUFFIXES, "dbm", "sdbm", "texthash", "sqlite", "mysql", "pgsql", "ldap", "memcache"})
_PATTERNS = frozenset({"regexp", "pcre"})
_TOGETHER = frozenset({"unionmap", "pipemap"})
_ASKED = frozenset({"socketmap", "tcp", "nis", "nisplus", "mongodb"})  # these answer, and have no list of what
_IN_PLACE = frozenset({"cidr", "inline", "static", "randmap"})
_FILES = re.compile(r"(?<!proxy:)\b(\w+):(/[^\s,}]+)")  # also in pipemap:{...}; proxymap(8) has a user of its own


@dataclass(frozen=True)
class TableRow:
    """One row.

    Attributes:
        key: what is looked up, or the pattern that it must fit.
        value: what is found.
        place: the table, and the line where it is known.
    """

    key: str
    value: str
    place: str


def reader_of_table(table: str) -> str | Identity:
    """As whom a table is read, of several in one the first that others may write: they are data."""
    for kind, path in _FILES.findall(table):
        reader = reader_of(path + SUFFIXES.get(kind, ""))
        if reader:
            return reader
    return ""


def is_of_patterns(table: str) -> bool:
    """Whether the keys of a table are patterns, of which the first that fits decides."""
    return table.removeprefix(_PROXY).partition(":")[0] in _PATTERNS


def tables_in(value: str) -> Iterator[str]:
    """The lookup tables that a parameter's value names, among other words."""
    for word in words(value):
        kind, colon, rest = word.removeprefix(_PROXY).partition(":")
        if word.startswith("{") and word.endswith("}"):
            yield from tables_in(word[1:-1])
        elif colon and kind in _TOGETHER:
            yield from tables_in(rest)
        elif colon and kind in _COMPILED | _PATTERNS | _ASKED | _IN_PLACE and rest:
            yield word


def table_rows(host: Host, table: str) -> list[TableRow] | None:
    """What one table holds; None where it cannot be listed."""
    kind, _colon, rest = table.removeprefix(_PROXY).partition(":")
    if kind == "static":
        return [TableRow("*", rest.strip("{}" + SPACE), table)]
    if kind == "randmap":
        return [TableRow("*", one, table) for one in words(rest[1:-1])]
    if kind in _ASKED:
        return None
    if kind == "inline":
        return [
            TableRow(key.strip(SPACE), value.strip(SPACE), table)
            for key, equals, value in (one.strip("{}" + SPACE).partition("=") for one in words(rest[1:-1]))
            if equals
        ]
    bare = f"{kind}:{rest}"
    if kind in _PATTERNS or kind == "cidr":
        content = host.read(rest) if rest.startswith("/") else None
        return None if content is None else list(_of_patterns(content.decode("utf-8", "replace"), rest, kind))
    done = host.query(["postmap", "-s", bare], user=reader_of_table(bare))
    if done.code != 0:
        return None
    found = (re.split(r"\s+", line, maxsplit=1) for line in done.out.split("\n") if line)
    source = host.read_text(rest) if rest.startswith("/") and kind in SUFFIXES else ""
    lines = _lines_of(source)
    return [
        TableRow(
            pair[0], pair[1].strip(), f"{rest} line {lines[pair[0].lower()]}" if pair[0].lower() in lines else bare
        )
        for pair in found
        if len(pair) > 1
    ]


def _lines_of(source: str) -> dict[str, int]:
    """By key, the line of its row in the text that a table was made of."""
    found: dict[str, int] = {}
    for number, line in enumerate(source.split("\n"), start=1):
        for key in line.split(maxsplit=1)[:1]:
            found.setdefault(key.lower(), number)
    return found


def _of_patterns(text: str, path: str, kind: str) -> Iterator[TableRow]:
    """The rows of a table of patterns (regexp_table(5), cidr_table(5))."""
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(split_lines(text), start=1):
        if is_comment(line):
            continue
        if continues(line) and rows:
            rows[-1] = (rows[-1][0], rows[-1][1] + line)
        else:
            rows.append((number, line.rstrip(SPACE)))
    for number, row in rows:
        key, value = _split_pattern(row) if kind in _PATTERNS else _split_row(row)
        if value:
            yield TableRow(key, " ".join(value.split()), f"{path} line {number}")


def _split_row(row: str) -> tuple[str, str]:
    key, *value = row.split(maxsplit=1)
    return key, value[0] if value else ""


def _split_pattern(row: str) -> tuple[str, str]:
    """Pattern and value; both empty for a line such as ``endif``."""
    bare = row.lstrip("!")
    if not bare or bare[0].isalnum():
        return "", ""
    end = 1
    while end < len(bare) and bare[end] != bare[0]:
        end += 2 if bare[end] == "\\" else 1
    match = re.match(r"\S*\s+(.*)", bare[end + 1 :], re.DOTALL)
    against = row[: len(row) - len(bare)]
    return against + bare[: end + 1], match.group(1) if match else ""
