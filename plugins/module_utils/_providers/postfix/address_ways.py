# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways that the mail for single addresses of a domain takes (transport(5): a whole address goes before its domain).

smtp(8) looks up a TLS policy by the next hop of that way, so that what is demanded for the domain would not be demanded
there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    TableRow,
    is_of_patterns,
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.patterns import may_end_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import Hop, answers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

_TABLES = "transport_maps"
_SOME = ("postmaster", "0.x-y_z=q")  # a pattern that fits both is taken for one that fits all of a domain


@dataclass(frozen=True)
class AddressWay:
    """A way, and where it is written.

    Attributes:
        hop: transport, empty for the domain's own, and next hop.
        place: file and line.
        key: what the way is for, as it is written.
    """

    hop: Hop
    place: str
    key: str


class AddressWays:
    """The transport tables of others, as far as they are about single addresses.

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
        ignored: our own transport table.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], ignored: str) -> None:
        self._host = host
        self._tables = [
            table
            for word in words(expanded(_TABLES))
            for table in list(tables_in(word)) or [word]
            if not table.endswith(":" + ignored)
        ]
        self._rows: dict[str, list[TableRow] | None] = {}

    def _of(self, table: str) -> list[TableRow] | None:
        if table not in self._rows:
            self._rows[table] = table_rows(self._host, table)
        return self._rows[table]

    @property
    def unlisted(self) -> list[str]:
        """Tables that may be about addresses, which cannot be told."""
        return [table for table in self._tables if self._of(table) is None]

    def of(self, domain: str, *, subdomains: bool) -> list[AddressWay]:
        """The ways of single addresses.

        Args:
            domain: a domain.
            subdomains: whether those of all domains below count as well.
        """
        endings = (f"@{domain}", *([f".{domain}"] if subdomains else []))
        found: list[AddressWay] = []
        for table in self._tables:
            rows, last = self._of(table) or [], None
            if is_of_patterns(table) and rows:
                told = answers(self._host, table, [f"{one}@{domain}" for one in _SOME])
                last = next(iter(told.values())) if len(told) == len(_SOME) and len(set(told.values())) == 1 else None
            for row in rows:
                if row.value == last and not subdomains:
                    return found  # it decides for the whole domain; that is its usual way
                key = row.key.lower()
                if is_of_patterns(table):
                    fits = any(may_end_in(key, one) for one in endings) and row.value != last
                else:
                    fits = key.partition("@")[0] != "" and "@" in key and key.endswith(endings)
                transport, _colon, next_hop = row.value.partition(":")
                if fits and (transport or next_hop):
                    found.append(AddressWay(Hop(transport, (next_hop or domain).lower()), row.place, row.key))
        return found
