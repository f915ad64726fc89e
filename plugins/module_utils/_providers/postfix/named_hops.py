# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next hops that Postfix' configuration itself names: content filters, transports, relays.

Mail that takes them is not looked at by the domain of its recipients, or not by it alone. So whatever is demanded of
all outgoing mail is demanded there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    TableRow,
    is_of_patterns,
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.main_cf import assignments
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import (
    RELAYS_BY_SENDER,
    TRANSPORTS_BY_SENDER,
    Hop,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    words,
)

_FILTER = "content_filter"
_TRANSPORTS = (
    _FILTER,
    "relay_transport",
    "local_transport",
    "virtual_transport",
    "mailbox_transport",
    "fallback_transport",
)
_TRANSPORT_TABLES = ("transport_maps", "mailbox_transport_maps", "fallback_transport_maps", TRANSPORTS_BY_SENDER)
_RELAYS = ("smtp_fallback_relay", "address_verify_relayhost")
# parameters with tables that may answer FILTER (access(5), header_checks(5))
_CHECKS = re.compile(r"\w+_(restrictions|checks)")
_CLASSES = "smtpd_restriction_classes"
_ACTION = re.compile(r"(?:^|[\s,])FILTER\s+([^\s,]+)", re.IGNORECASE)
_COPY = re.compile(r"(?:^|[\s,])(?:REDIRECT|BCC)\s+([^\s,]+@[^\s,]+)", re.IGNORECASE)
_CHECK = "check_"
# parameters with an address that gets a copy, or tables with such addresses
_COPIES = ("always_bcc", "sender_bcc_maps", "recipient_bcc_maps")
_BY_RECIPIENT = "check_recipient_access"
_SMTP = "smtp"
_NO_HOP = Hop("", "")


@dataclass(frozen=True)
class NamedHop:
    """A next hop, and where it is named.

    Attributes:
        hop: service and next hop, which is empty where it is the recipient's domain.
        place: the parameter, or file and line.
        relays: whether it takes what is on its way to others, and not only what this host handles itself.
        filters: whether mail takes it before it takes its own way.
        recipient: whose mail alone that is, a key of access(5); empty for any.
    """

    hop: Hop
    place: str
    relays: bool = False
    filters: bool = False
    recipient: str = ""


@dataclass(frozen=True)
class Copy:
    """Where mail goes besides, or instead.

    Attributes:
        address: who gets it.
        place: the parameter, or file and line.
        recipient: whose mail alone that is; empty for any.
    """

    address: str
    place: str
    recipient: str = ""


class NamedHops:
    """All next hops that the configuration names.

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
        raw: answers a parameter's value as it is written.
        names: all parameters.
        services: all services of master.cf.
        ignored: our own transport table.

    Attributes:
        unlisted: tables that may name more of them, which cannot be told, and where each is named.
        unlisted_checks: the same of tables that may answer FILTER, REDIRECT or BCC.
        copies: who gets mail besides others, or instead of them.
    """

    def __init__(
        self,
        host: Host,
        expanded: Callable[[str], str],
        raw: Callable[[str], str],
        names: Iterable[str],
        services: Iterable[Service],
        ignored: str,
    ) -> None:
        self._host = host
        self._expanded = expanded
        self._raw = raw
        self._names = list(names)
        self._services = list(services)
        self._ignored = ignored
        self._lines = assignments(host.read_text(MAIN_CF))
        self.unlisted: dict[str, str] = {}
        self.unlisted_checks: dict[str, str] = {}
        self.copies: list[Copy] = []
        self._checks_seen: set[tuple[str, str, bool]] = set()

    def found(self) -> list[NamedHop]:
        """All of them, each once. The attributes are settled by it."""
        self.copies = list(self._of_copies())
        self._checks_seen = set()
        everything = (*self._of_relays(), *self._of_main(), *self._of_services())
        return list({(one.hop, one.filters, one.recipient): one for one in everything}.values())

    # ---- where they are named

    def _of_main(self) -> Iterator[NamedHop]:
        for name in _TRANSPORTS:
            yield from self._of_way(NamedHop(_NO_HOP, self._place(name), filters=name == _FILTER), self._expanded(name))
        for name in _TRANSPORT_TABLES:
            yield from self._of_tables(self._expanded(name), name, relays=name == TRANSPORTS_BY_SENDER)
        classes = words(self._expanded(_CLASSES))
        for name in (*(one for one in self._names if _CHECKS.fullmatch(one)), *classes):
            yield from self._of_checks(self._expanded(name), self._place(name))

    def _of_copies(self) -> Iterator[Copy]:
        for name in _COPIES:
            value = self._expanded(name)
            if "@" in value and ":" not in value:
                yield Copy(value.strip(), self._place(name))
            for table in tables_in(value):
                for row in self._rows(table, name):
                    whose = row.key.lower() if name == "recipient_bcc_maps" and not is_of_patterns(table) else ""
                    yield Copy(row.value.strip(), row.place, whose)

    def _of_services(self) -> Iterator[NamedHop]:
        for service in self._services:
            effective = self._view(service)
            for name, override in service.overrides.items():
                value = expand(override.value, effective)
                if name == _FILTER:
                    there = NamedHop(_NO_HOP, f"{MASTER_CF} line {override.line}", filters=True)
                    yield from self._of_way(there, value)
                elif _CHECKS.fullmatch(name):
                    yield from self._of_checks(value, f"{MASTER_CF} line {override.line}")
                elif name in _RELAYS:
                    yield from self._of_relay(value, f"{MASTER_CF} line {override.line}")

    def _view(self, service: Service) -> Callable[[str], str]:
        """The parameters as a service has them."""
        own = {name: one.value for name, one in service.overrides.items()}
        return lambda name: own[name] if name in own else self._raw(name)

    def _of_relays(self) -> Iterator[NamedHop]:
        for name in _RELAYS:
            yield from self._of_relay(self._expanded(name), self._place(name))
        for table in tables_in(self._expanded(RELAYS_BY_SENDER)):
            for row in self._rows(table, RELAYS_BY_SENDER):
                yield from self._of_relay(row.value, row.place)

    def _place(self, name: str) -> str:
        line = self._lines.get(name)
        return f"{name} in {MAIN_CF}" + (f" line {line.line}" if line else "")

    # ---- what is named

    @staticmethod
    def _of_relay(value: str, place: str) -> Iterator[NamedHop]:
        for next_hop in words(value):
            yield NamedHop(Hop(_SMTP, next_hop.lower()), place, relays=True)

    def _of_way(self, there: NamedHop, value: str) -> Iterator[NamedHop]:
        """Of what is written as ``transport:nexthop``."""
        transport, _colon, next_hops = value.strip().partition(":")
        # a filter without a next hop gets default_filter_nexthop; what has none then takes the recipient's domain
        for next_hop in words(next_hops or self._expanded("default_filter_nexthop")) or [""]:
            if transport and "$" not in next_hop:
                yield replace(there, hop=Hop(transport, next_hop.lower()))

    def _of_tables(self, value: str, ways: str, *, relays: bool = False) -> Iterator[NamedHop]:
        for table in tables_in(value):
            if not table.endswith(":" + self._ignored):
                for row in self._rows(table, ways):
                    yield from self._of_way(NamedHop(_NO_HOP, row.place, relays), row.value)

    def _rows(self, table: str, name: str) -> list[TableRow]:
        """What a table of ways or copies says; that it cannot be listed is noted, with the parameter that names it."""
        found = table_rows(self._host, table)
        if found is None:
            noted = self.unlisted_checks if name in _COPIES else self.unlisted
            noted.setdefault(table, self._place(name))
        return found or []

    def _of_checks(self, value: str, place: str, recipient: str = "", *, answered: bool = False) -> Iterator[NamedHop]:
        """Of what restrictions and tables of checks answer; a table may answer with further restrictions."""
        for way in _ACTION.findall(value):
            yield from self._of_way(NamedHop(_NO_HOP, place, filters=True, recipient=recipient), way)
        self.copies += [Copy(address, place, recipient) for address in _COPY.findall(value)]
        before = ""
        for word in words(value):
            if not answered or before.startswith(_CHECK):
                for table in tables_in(word):
                    yield from self._of_check_table(table, place, recipient, by_key=before == _BY_RECIPIENT)
            before = word

    def _of_check_table(self, table: str, place: str, recipient: str, *, by_key: bool) -> Iterator[NamedHop]:
        if (table, recipient, by_key) in self._checks_seen:
            return
        self._checks_seen.add((table, recipient, by_key))
        rows = table_rows(self._host, table)
        if rows is None:
            self.unlisted_checks.setdefault(table, place)
        for row in rows or ():
            key = row.key.lower() if by_key and not is_of_patterns(table) else recipient
            yield from self._of_checks(row.value, row.place, key, answered=True)
