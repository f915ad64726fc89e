# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lookup table of ours for Postfix (postmap(1)): which domain wants which key to have which value.

Postfix looks a domain up as it stands in the address, so with SMTPUTF8 (RFC 6531) not in the ASCII form that rows are
known by here. A row with such a key has a second one behind it, with the key as people write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Compiled, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import unicode_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

_FOR = "# for "
# What the compiler of each map type appends to the name. Types that are not listed are read as they are.
SUFFIXES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        key: what Postfix looks up.
        value: what it finds.
    """

    key: str
    value: str


Rows = dict[str, tuple[Row, ...]]  # the rows that each domain wants, in the order of their keys


def parse(text: str) -> Rows:
    """The rows by the domain that wants them. Several domains may want one row."""
    found: dict[str, list[Row]] = {}
    domains: list[str] = []
    for line in text.split("\n"):  # a password may hold what Python takes for the end of a line
        if line.startswith(_FOR):
            domains = line[len(_FOR) :].split()
        elif line and not line.startswith("#"):
            key, _space, value = line.partition(" ")
            row = Row(key, value)
            for domain in domains:
                found.setdefault(domain, []).append(row)
            domains = []
    return {domain: tuple(some) for domain, some in found.items()}


def render(rows: Mapping[str, Sequence[Row]]) -> str:
    """The table's text: each row once, behind a comment that names the domains which want it."""
    wanted_by: dict[Row, list[str]] = {}
    for domain, wanted in rows.items():
        for row in wanted:
            wanted_by.setdefault(row, []).append(domain)
    lines = [
        f"{_FOR}{' '.join(sorted(domains))}\n{_written(row)}"
        for row, domains in sorted(wanted_by.items(), key=lambda item: (item[0].key, item[0].value))
    ]
    return heading() + "".join(lines)


def _written(row: Row) -> str:
    """A row in each form of its key; parse() passes over the second, which nobody wants for itself."""
    keys = dict.fromkeys((row.key, unicode_name(row.key)))
    return "".join(f"{within_a_line(f'{key} {row.value}', row.key)}\n" for key in keys)


def compiled(map_type: str) -> Compiled | None:
    """How a table of this type is compiled, None where it is not."""
    suffix = SUFFIXES.get(map_type)
    return Compiled(suffix, ("postmap", f"{map_type}:{{source}}")) if suffix else None


def change(path: str, rows: Mapping[str, Sequence[Row]], map_type: str, *, secret: bool = False) -> FileChange:
    """The table as a file that only root can read, from its birth; a table without rows is removed."""
    return FileChange(
        path,
        render(rows).encode("utf-8", "surrogateescape") if rows else None,
        "root",
        "root",
        0o600,
        secret=secret,
        summary="rows for " + ", ".join(sorted(rows)) + " (content not shown)",
        compiled=compiled(map_type),
    )
