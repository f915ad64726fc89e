# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Postfix sends the mail of a domain (trivial-rewrite(8), transport(5)), worked out as Postfix does it.

Tables are asked with postmap(1), each once for all domains.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    reader_of_table,
    table_rows,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import MAIN_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

HERE = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")
RELAYS_BY_SENDER = "sender_dependent_relayhost_maps"
TRANSPORTS_BY_SENDER = "sender_dependent_default_transport_maps"
_PATTERNS = re.compile(r"(proxy:)?(regexp|pcre|cidr):")
_NO_ANSWER = "DUNNO"


@dataclass(frozen=True)
class Hop:
    """Where mail goes next.

    Attributes:
        transport: the service of master.cf that sends it.
        next_hop: what that service is told, in lower case as in Postfix' tables; it looks its own tables up by this.
    """

    transport: str
    next_hop: str


@dataclass(frozen=True)
class Route:
    """How mail of one domain leaves.

    Attributes:
        usual: the way that it takes unless its sender is treated specially.
        by_sender: the other ways that the mail of some senders takes.
        unknown: parameters with tables that cannot be listed, and so may send mail of some senders yet another way.
    """

    usual: Hop
    by_sender: tuple[Hop, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Choice:
    """What is known of a domain's way before its sender is looked at.

    Attributes:
        transport: the service; empty where the mail stays here.
        fixed: the next hop that a transport table names, whoever the sender is; empty for none.
        host: the next hop that default_transport or relay_transport names; empty for none.
        transport_by_sender: whether another service may be chosen by sender.
        relay_by_sender: whether another next hop may be chosen by sender.
    """

    transport: str
    fixed: str = ""
    host: str = ""
    transport_by_sender: bool = False
    relay_by_sender: bool = False


def parents_of(domain: str) -> list[str]:
    """The domains above one, the nearest first."""
    found = []
    while "." in domain:
        domain = domain.partition(".")[2]
        found.append(domain)
    return found


def answers(host: Host, one: str, keys: Sequence[str]) -> dict[str, str]:
    """What one table answers to some keys, by key.

    Raises:
        Problem: it cannot be asked.
    """
    asked = "".join(f"{key}\n" for key in keys).encode()
    done = host.query(["postmap", "-q", "-", one], stdin=asked, user=reader_of_table(one))
    if done.code != 0 and re.search("fatal|error", done.err):
        raise Problem(
            f"the table {one} cannot be queried ({done.complaint})",
            f"fix it, or remove it from {MAIN_CF}",
            option=MAIN_CF,
        )
    pairs = (re.split(r"\s+", line, maxsplit=1) for line in done.out.split("\n") if line)
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


class Routing:
    """The ways of domains. A name with a leading full stop stands for any name below that domain.

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
        ignored: our own transport table, whose rows are planned and not asked for.
        clients: the services of master.cf that are an smtp(8).
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], ignored: str, clients: Sequence[str]) -> None:
        self._host = host
        self._expanded = expanded
        self._ignored = ignored
        self._clients = frozenset(clients)
        self._keys: list[str] = []
        self._answers: dict[str, dict[str, str]] = {}
        self._lists_of_words: dict[str, list[str]] = {}
        self._listed: dict[str, list[str] | None] = {}

    def routes(self, domains: Sequence[str]) -> dict[str, Route]:
        """The way of each domain.

        Raises:
            Problem: mail for a domain does not leave this host by smtp(8).
        """
        self._expect(domains)
        return {domain: self._route(domain) for domain in domains}

    def routes_of_sent(self, domains: Sequence[str]) -> dict[str, Route]:
        """The way of each domain whose mail leaves this host by smtp(8)."""
        self._expect(domains)
        found = {}
        for domain in domains:
            with contextlib.suppress(Problem):
                found[domain] = self._route(domain)
        return found

    def _expect(self, domains: Sequence[str]) -> None:
        """The tables will be asked about these."""
        self._keys = list(dict.fromkeys(key for domain in domains for key in self._keys_for(domain)))
        self._answers = {}
        self._lists_of_words = {}

    # ---- tables and lists

    @staticmethod
    def _address_in(domain: str) -> str:
        """Some address, for tables of patterns that are asked for whole addresses; any of the domain will do."""
        return f"postmaster@{'any' if domain.startswith('.') else ''}{domain}"

    def _keys_for(self, domain: str) -> list[str]:
        """All that is looked up anywhere for a domain."""
        if domain == EVERYTHING:
            return [EVERYTHING]
        parents = parents_of(domain)
        return [self._address_in(domain), domain, *parents, *("." + one for one in parents), EVERYTHING]

    def _words(self, name: str) -> list[str]:
        """The words of a parameter, with those of the files that it names."""
        if name not in self._lists_of_words:
            found = []
            for one in words(self._expanded(name)):
                found += words(self._host.read_text(one)) if one.startswith("/") else [one]
            self._lists_of_words[name] = found
        return self._lists_of_words[name]

    def _look_up(self, one: str, key: str) -> str | None:
        """The answer of one table to one of the keys."""
        if one not in self._answers:
            self._answers[one] = answers(self._host, one, self._keys)
        return self._answers[one].get(key)

    def _lists(self, name: str, domain: str, *, parents: Sequence[str] = ()) -> bool:
        """Whether a list of domains in main.cf holds one. The first pattern that fits decides, also against it."""
        keys = [domain, *parents]
        for pattern in self._words(name):
            against, bare = pattern.startswith("!"), pattern.lstrip("!")
            if any(self._look_up(bare, key) is not None for key in keys) if ":" in bare else bare.lower() in keys:
                return not against
        return False

    def _values(self, name: str) -> list[str] | None:
        """What the tables of a parameter can answer, whatever the sender; None where that cannot be listed."""
        if name not in self._listed:
            found: list[str] | None = []
            for one in words(self._expanded(name)):
                rows = table_rows(self._host, one)
                if rows is None:
                    found = None
                    break
                found = [*(found or []), *(row.value for row in rows)]
            if found is not None:
                found = [one for one in dict.fromkeys(found) if one.upper() != _NO_ANSWER]
            self._listed[name] = found
        return self._listed[name]

    # ---- the way

    def _route(self, domain: str) -> Route:
        choice = self._choice(domain)
        if not choice.transport:
            raise Problem(
                "its mail is delivered on this host and never relayed",
                "remove this entry, or remove the domain from " + ", ".join(HERE),
                subject=f"domain {domain}",
                option="domain",
            )
        unless = self._expanded("relayhost") or domain
        usual = Hop(choice.transport, (choice.fixed or choice.host or unless).lower())
        if usual.transport not in self._clients:
            raise Problem(
                f"Postfix delivers its mail with the transport {usual.transport!r}, which does not use this policy",
                "remove this entry, or the transport table's",
                subject=f"domain {domain}",
                option="domain",
            )
        if len(words(usual.next_hop)) != 1:
            raise Problem(
                f"its mail may take any of several next hops ({usual.next_hop}), which is not supported",
                "set relay_host, or configure a single next hop",
                subject=f"domain {domain}",
                option="domain",
            )
        others, unknown = self._by_sender(choice, unless)
        return Route(usual, tuple(one for one in others if one != usual), unknown)

    def _by_sender(self, choice: _Choice, unless: str) -> tuple[list[Hop], tuple[str, ...]]:
        """The ways of senders that are treated specially, and parameters whose tables cannot be listed."""
        unknown = []
        relays: list[str] = []
        transports: list[str] = []
        if choice.relay_by_sender:
            listed = self._values(RELAYS_BY_SENDER)
            relays = listed or []
            unknown += [] if listed is not None else [RELAYS_BY_SENDER]
        if choice.transport_by_sender:
            listed = self._values(TRANSPORTS_BY_SENDER)
            transports = listed or []
            unknown += [] if listed is not None else [TRANSPORTS_BY_SENDER]
        found = []
        for given in (f"{choice.transport}:{choice.host}", *transports):
            transport, _colon, host = given.partition(":")
            fixed = choice.fixed or host
            ways = [fixed] if fixed else [unless, *relays]
            found += [Hop(transport or choice.transport, one.lower()) for one in ways]
        return list(dict.fromkeys(found)), tuple(unknown)

    def _choice(self, domain: str) -> _Choice:
        transport, host, relayed = self._without_table(domain)
        named, _colon, given = self._by_table(domain).partition(":")
        if named:
            return _Choice(named, fixed=given or domain)
        by_sender = not relayed and bool(self._expanded(TRANSPORTS_BY_SENDER))
        return _Choice(
            transport,
            fixed=given,
            host=host,
            transport_by_sender=by_sender,
            # sender_dependent_relayhost_maps goes before relayhost only where no transport names a next hop
            relay_by_sender=not given and (not host or by_sender),
        )

    def _by_table(self, domain: str) -> str:
        """The transport tables' answer, in the order of transport(5); empty where they have none."""
        tables = [one for one in self._words("transport_maps") if not one.endswith(":" + self._ignored)]
        # a table of patterns is asked for whole addresses
        patterns = [one for one in tables if _PATTERNS.match(one)]
        others = [one for one in tables if one not in patterns]
        bare = "transport_maps" in self._words("parent_domain_matches_subdomains")
        parents = [one if bare else "." + one for one in parents_of(domain)]
        order = [(self._address_in(domain), patterns), *((key, others) for key in (domain, *parents))]
        if domain == EVERYTHING:
            order = []
        found = (self._look_up(one, key) for key, some in [*order, (EVERYTHING, tables)] for one in some)
        return next((answer for answer in found if answer is not None), "")

    def _without_table(self, domain: str) -> tuple[str, str, bool]:
        """Transport, next hop where one is named, and whether the domain is relayed, where no table speaks of it.

        There is no transport where the mail stays here.
        """
        relayed = False
        if domain != EVERYTHING:
            if any(self._lists(name, domain) for name in HERE):
                return "", "", False
            parents = parents_of(domain)
            if "relay_domains" not in self._words("parent_domain_matches_subdomains"):
                parents = ["." + one for one in parents]
            relayed = self._lists("relay_domains", domain, parents=parents)
        transport, _colon, host = self._expanded("relay_transport" if relayed else "default_transport").partition(":")
        return transport, host, relayed


def overlaid(expanded: Callable[[str], str], planned: Mapping[str, str]) -> Callable[[str], str]:
    """Parameters as they will be: the planned ones, and the others as they are."""
    return lambda name: planned[name] if name in planned else expanded(name)
