# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the administrator's own that would override a virtual server of ours, with file and line.

Which of several blocks counts was found out on Debian's Dovecot 2.3.19 and 2.4.1:

* 2.4 keeps blocks in the order in which each was first begun, and the last one that fits the connection counts.
* 2.3 takes the one with the most conditions, and drops the connection where two that fit cannot be compared so. Of two
  for names, such as a name and a wildcard, the one that was begun first counts.
* ``ssl = no`` outside of all blocks counts in both, whatever stands in a block.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import Language
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.levels import (
    AT_MOST,
    OPTIONS,
    demands_more,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Entry, Filters
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.trusted_networks import (
    is_loopback,
)

_NOT_ASKED_FOR = frozenset({"shutdown_clients"})  # a kindness of ours that nobody has asked for
_LONG = 60  # characters of a value that are shown


@dataclass(frozen=True)
class Connection:
    """A connection as blocks tell it from others.

    Attributes:
        protocol: its protocol.
        address: the server's address; empty for one that no block names.
        name: the host name that the client asks for; empty for none.
    """

    protocol: str
    address: str
    name: str


@dataclass(frozen=True)
class Asked:
    """What is asked of one virtual server.

    Attributes:
        vserver: the virtual server.
        path: its file.
        elsewhere: addresses that other virtual servers of ours serve.
        names: answers the host names that its certificate is for.
    """

    vserver: Vserver
    path: str
    elsewhere: Collection[str]
    names: Callable[[], Sequence[str]]


class Overrides:
    """The configuration as it is planned.

    Args:
        entries: all of it, in the order of reading.
        language: what the installed version speaks.
        is_ours: whether a file is one of ours.
        addresses_of: the addresses of a host name, which a block may have in place of an address.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        language: Language,
        is_ours: Callable[[str], bool],
        addresses_of: Callable[[str], Collection[str]],
    ) -> None:
        self._entries = entries
        self._language = language
        self._is_ours = is_ours
        self._addresses_of = addresses_of
        self._begun: dict[Filters, int] = {}
        for one in entries:
            self._begun.setdefault(one.filters, one.index if one.filters else -1)

    def refuse(self, asked: Asked) -> None:
        """Raise Problem where something else than what is asked for would count."""
        switches = [one for one in self._entries if one.name == "ssl" and not one.filters]
        if switches and switches[-1].value == "no":
            raise self._problem(asked.vserver, switches[-1], "switches TLS off in all of Dovecot")
        for connection in self._connections(asked):
            wanted_here = self._wanted(asked, connection)
            self._refuse_loosening(asked.vserver, connection, wanted_here)
            self._refuse_trusted(asked.vserver, connection, wanted_here)
            for name, wanted in wanted_here.items():
                found = self._overriding(name, wanted, connection)
                if found:
                    counts = f"counts instead of '{_short(wanted.value)}'" if wanted else "counts as well"
                    raise self._problem(asked.vserver, found, counts)

    def _problem(self, vserver: Vserver, one: Entry, effect: str, remedy: str = "") -> Problem:
        """The error; without a remedy, it is to remove what is in the way."""
        if one.name:
            said = f"'{one.name}'" if one.name in self._secret else f"'{one.name} = {one.value}'"
            within = f" in the block '{one.block}'" if one.filters else ""
            found = f"settings of your own override it: {said}{within} in {one.place} {effect}"
            remedy = remedy or f"remove it from {one.path}{self._another_way(one)}"
        else:
            found = f"the block '{one.block}' of your own in {one.place} comes before ours, so that ours does not count"
            remedy = f"remove the block from {one.path}{self._another_way(one)}"
        return Problem(found, remedy, subject=vserver.title, option=one.place)

    def _another_way(self, one: Entry) -> str:
        """What helps as well: a block of ours for the same name or address, where it counts for more."""
        kinds = {kind for kind, _value in one.filters}
        before = one.index < min((ours.index for ours in self._entries if self._is_ours(ours.path)), default=0)
        if not before and (self._language.later_counts or "protocol" in kinds):
            return ""
        if "local_name" in kinds:
            return ", or add the name to the option sni"
        if "local" in kinds and not any("/" in value for kind, value in one.filters if kind == "local"):
            return ", or declare a virtual server with that address"
        return ""

    def own(self, name: str, connection: Connection) -> Entry | None:
        """The administrator's own setting that would count for a connection if ours were not there."""
        some = self._matching(connection, (one for one in self._foreign() if one.name == name))
        if self._language.later_counts:
            return max(some, key=lambda one: (self._begun[one.filters], one.index), default=None)
        return max(some, key=lambda one: (len(one.filters), one.index), default=None)

    def _refuse_loosening(self, vserver: Vserver, connection: Connection, wanted: Mapping[str, Entry | None]) -> None:
        """Raise Problem where ours would count for less than a block of the administrator's, and nobody said so."""
        for name, option in OPTIONS.items():
            own, ours = self.own(name, connection), wanted.get(name)
            if option in vserver.left_out and own and ours and demands_more(name, own.value, ours.value):
                within = f" in the block '{own.block}'" if own.filters else ""
                raise Problem(
                    f"'{name} = {own.value}'{within} in {own.place} demands more than '{ours.value}', which would count"
                    " instead",
                    f"give {option} the value {AT_MOST[name]}, or remove it from {own.path}{self._another_way(own)}",
                    subject=vserver.title,
                    option=own.place,
                )

    def _refuse_trusted(self, vserver: Vserver, connection: Connection, wanted: Mapping[str, Entry | None]) -> None:
        """Raise Problem where clients of some networks may go on in clear text, though ours refuses passwords there."""
        name = self._language.trusted
        setting, refused, _taken = self._language.clear_text
        ours = wanted.get(setting)
        if not name or not (vserver.require_secure_channel or (ours and ours.value == refused)):
            return
        some = self._matching(replace(connection, name=""), (one for one in self._entries if one.name == name))
        for one in some:
            if not is_loopback(one.value) and not any(self._always_beats(other, one) for other in some):
                effect = "has clients of these networks log in in clear text, whatever ours says"
                raise self._problem(vserver, one, effect, f"leave only loopback addresses in it, in {one.path}")

    def _always_beats(self, other: Entry, one: Entry) -> bool:
        """Whether another setting counts in place of one for every client."""
        clients, all_clients = ({each for each in some.filters if each[0] == "remote"} for some in (other, one))
        return other is not one and clients <= all_clients and not self._beats(one, other)

    @property
    def _secret(self) -> tuple[str, str]:
        """Settings whose value may be a key."""
        return self._language.key, self._language.alternative_key

    def _foreign(self) -> Iterator[Entry]:
        return (one for one in self._entries if not self._is_ours(one.path))

    # ---- what is asked for

    def _connections(self, asked: Asked) -> Iterator[Connection]:
        """Connections of all kinds that the virtual server has to serve as it is asked."""
        vserver = asked.vserver
        addresses = list(vserver.addresses) or ["", *self._addresses_named(asked.elsewhere)]
        names = ["", *(one.name.replace("*", "any", 1) for one in vserver.sni), *vserver.server_names]
        named = self._names_named()
        if named:
            names += asked.names()
        if vserver.addresses and not self._language.later_counts:
            names += named  # 2.3 drops a connection for which both an address and a name have settings
        for address in addresses:
            for name in dict.fromkeys(names):
                yield Connection(vserver.protocol, address, name)

    def _addresses_named(self, elsewhere: Collection[str]) -> list[str]:
        """One address of each block for addresses that is not ours."""
        found: list[str] = []
        for value in (value for one in self._foreign() for kind, value in one.filters if kind == "local"):
            try:
                one = ipaddress.ip_interface(value)
            except ValueError:
                found += self._addresses_of(value)
            else:
                some = (str(each) for each in chain([one.ip], one.network))
                found += islice((each for each in some if each not in elsewhere), 1)
        return [one for one in dict.fromkeys(found) if one not in elsewhere]

    def _names_named(self) -> list[str]:
        """The names of all blocks for names that are not ours."""
        found = (value for one in self._foreign() for kind, value in one.filters if kind == "local_name")
        return [one.replace("*", "any", 1) for one in dict.fromkeys(found)]

    def _wanted(self, asked: Asked, connection: Connection) -> dict[str, Entry | None]:
        """What our own file sets for a connection, by setting; None for what must not be set."""
        found: dict[str, Entry | None] = {}
        for one in self._matching(connection, (one for one in self._entries if one.path == asked.path)):
            there = found.get(one.name)
            if one.name not in _NOT_ASKED_FOR and (there is None or self._outranks(one, there)):
                found[one.name] = one
        found.setdefault(self._language.alternative_certificate, None)
        return found

    def _outranks(self, one: Entry, other: Entry) -> bool:
        """Whether of two settings of ours that fit a connection the later one counts."""
        if len(one.filters) != len(other.filters):
            return len(one.filters) > len(other.filters)
        return self._language.later_counts or one.filters == other.filters

    # ---- what counts

    def _overriding(self, name: str, wanted: Entry | None, connection: Connection) -> Entry | None:
        """The administrator's own setting that counts in place of ours, if there is one."""
        value = wanted.value if wanted else ""
        some = self._matching(connection, (one for one in self._entries if one.name == name))
        if self._language.later_counts:
            last = max(some, key=lambda one: (self._begun[one.filters], one.index), default=None)
            if last is None or last.value == value:
                return None
            return self._cause(wanted) if self._is_ours(last.path) else last
        against = [one for one in some if not self._is_ours(one.path) and one.value != value]
        beating = [one for one in against if wanted is None or self._beats(one, wanted)]
        return beating[-1] if beating else None

    def _cause(self, wanted: Entry | None) -> Entry | None:
        """Why another setting of ours counts: the same block was begun too early, in a file that is not ours."""
        same = (one for one in self._foreign() if wanted and one.filters == wanted.filters)
        return next(same, None)

    def _beats(self, one: Entry, wanted: Entry) -> bool:
        """Whether 2.3 lets a setting count in place of ours, or drops the connection for both."""
        if one.filters == wanted.filters:
            return one.index > wanted.index
        kinds, our_kinds = ({kind for kind, _value in each.filters} for each in (one, wanted))
        if kinds == our_kinds and kinds in ({"protocol"}, {"protocol", "local_name"}):
            # 'protocol !pop3' and the like, or a wildcard beside a name
            return one.index < wanted.index
        return not kinds < our_kinds

    def _matching(self, connection: Connection, entries: Iterable[Entry]) -> list[Entry]:
        return [one for one in entries if one.name and all(self._fits(*each, connection) for each in one.filters)]

    def _fits(self, kind: str, value: str, connection: Connection) -> bool:
        """Whether a block is for a connection; one for clients is for some of them."""
        if kind == "protocol":
            return (value[1:] != connection.protocol) if value.startswith("!") else value == connection.protocol
        if kind == "local":
            return bool(connection.address) and self._within(connection.address, value)
        if kind == "local_name":
            return _covers(value.lower(), connection.name.lower())
        return True

    def _within(self, address: str, value: str) -> bool:
        try:
            return ipaddress.ip_address(address) in ipaddress.ip_network(value, strict=False)
        except ValueError:
            return address in self._addresses_of(value)


def _short(value: str) -> str:
    return value if len(value) <= _LONG else value[:_LONG] + "..."


def _covers(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        return bool(name) and name.partition(".")[2] == pattern[2:]
    return name == pattern


def conflict(complaint: str, *, option: str) -> str:
    """The file and line in which 2.3 finds a setting that it cannot bring together with others; else the option."""
    found = re.search(r"Conflict in setting \S+ found from filter at (\S+:\d+)", complaint)
    return found.group(1) if found else option
