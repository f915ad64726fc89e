# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The administrator's routers and transports beside ours: which of them send mail of our entries another way.

Ours come first and take all mail of their entries. What could still take it from them: a router before them, and one
that has the addresses it makes begin behind them (``redirect_router``). The other way round, ours take mail from
routers that come before those of the distribution.

Facts: Exim specification, chapters 3 (how an address is routed), 15 (options of all routers), 30 (smtp transport).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import FAMILY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import routers as sending
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.drivers import Driver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.lsearch import Fields
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    ROUTER_DIRECTORY,
    SECTION_FILES,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.ways import UNFIT, Ways
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several

_OURS, _EVERY_OTHER = "+local_domains", "!+local_domains"
# Whom a router is for beside domains. What it says there can be told of no domain.
_CONDITIONS = (
    "condition",
    "senders",
    "local_parts",
    "local_part_prefix",
    "local_part_suffix",
    "require_files",
    "check_local_user",
    "unseen",
    "verify_only",
)
_ANY = "any.invalid"  # stands for all domains that are not named
_BELOW = "any."  # before a domain: stands for all below it
_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

Ask = Callable[[Sequence[str]], list[str]]


class ForeignRouters:
    """All routers of a configuration.

    Args:
        routers: in the order in which Exim asks them.
        ways: where they lead to.
        macros: those of the configuration.
        place: answers file and line of a ``router`` or ``transport``, by its kind and name.
    """

    def __init__(
        self,
        routers: Sequence[Driver],
        ways: Ways,
        macros: Mapping[str, str],
        place: Callable[[str, str], str],
    ) -> None:
        self._all = routers
        self._theirs = [one for one in routers if not one.name.startswith(sending.ROUTER)]
        self._ways = ways
        self._macros = macros
        self._place = place

    @property
    def has_ours(self) -> bool:
        """Whether routers of ours are among them."""
        return len(self._theirs) < len(self._all)

    # ---- what goes before ours

    def refuse_before_ours(self) -> None:
        """Raise Problem where another router may take mail before ours do."""
        names = [one.name for one in self._all]
        first = next((at for at, name in enumerate(names) if name.startswith(sending.ROUTER)), 0)
        for router in self._all[:first]:
            pipes = router.option("pipe_transport") and _bare(router.option("domains")) != _OURS
            if pipes or self._ways.leads_away(router):
                raise Problem(
                    f"{self._place('router', router.name)}: the router {router.name} comes before those of this"
                    " collection, and may take mail from them",
                    f"give its file below {ROUTER_DIRECTORY} a name that sorts after 050, or move it in the template",
                    option=CONFIG_DIRECTORY,
                )

    def refuse_jumps(self) -> None:
        """Raise Problem where addresses that a router makes begin behind ours, and may leave this host from there."""
        names = [one.name for one in self._theirs]
        for router in self._theirs:
            begins = router.option("redirect_router")
            if begins not in names:
                continue
            away = next((one for one in self._theirs[names.index(begins) :] if self._ways.leads_away(one)), None)
            if away:
                raise Problem(
                    f"{self._place('router', router.name)}: the router {router.name} has the addresses that it makes"
                    f" begin at {begins} (redirect_router), behind those of this collection, and {away.name} sends"
                    " them elsewhere, whatever their entry demands",
                    "remove redirect_router there, so that these addresses are routed from the beginning",
                    option=CONFIG_DIRECTORY,
                )

    # ---- what ours go before

    def passed_by(self, entries: Mapping[str, Fields], former: Mapping[str, Fields], ask: Ask) -> list[str]:
        """Warnings of routers and hosts that no longer see some of the mail of our entries.

        Args:
            entries: what is to hold, by domain.
            former: what has held so far. The mail of these has taken our way already, and goes on to do so.
            ask: gives what Exim makes of expressions, one each.

        Raises:
            Problem: all mail of an entry would take another way than it does, or would leave where it stays now.
        """
        if not entries:
            return []
        hostless = _hostless(entries)
        fresh = set(hostless) - set(_hostless(former))
        lost: list[str] = []
        first: list[str] = []
        for router in self._before_all_others():
            transport = self._ways.transport_of(router)
            if transport and fresh:
                self._refuse_override(transport, min(fresh))
            place = self._place("router", router.name)
            told = f"{router.name} ({place})"
            goes_first = place.startswith(ROUTER_DIRECTORY) and place < SECTION_FILES["routers"]
            if self._is_usual(router):
                continue
            if self._ways.leads_away(router):
                sees_all = not hostless or self._refuse_rerouted(router, hostless, fresh, entries, ask)
                lost += [] if sees_all else [told]
            elif goes_first:
                continue  # it still sees all of it
            elif self._ways.hosts_of(router) and not (transport and transport.option("protocol") == "lmtp"):
                first.append(told)
            elif not self._refuse_taken_away(router, entries, set(entries) - set(former), ask):
                lost.append(told)
        warnings = []
        if lost:
            warnings.append(
                f"mail to domains that have an entry bypasses Exim's routers {several(lost)}:"
                f" it is routed as {FAMILY} does by default, unless relay_host is set"
            )
        if first:
            warnings.append(
                f"mail to domains that have an entry is not handed to programs of this host by {several(first)}: if it"
                " is to go there first, have the split form of the configuration, and give the router's file below"
                f" {ROUTER_DIRECTORY} a name that sorts before 050"
            )
        return [*warnings, *self._fallbacks()]

    def _before_all_others(self) -> list[Driver]:
        """The routers up to the one that takes what no other does; those behind it see mail for this host only."""
        found = []
        for router in self._theirs:
            found.append(router)
            conditional = any(router.option(one) for one in _CONDITIONS)
            if not conditional and not router.option("more") and _bare(router.option("domains")) == _EVERY_OTHER:
                break
        return found

    def _is_usual(self, router: Driver) -> bool:
        """Whether a router is the distribution's, as it is delivered; ours do what these do."""
        if router.name in ("dnslookup", "dnslookup_relay_to_domains"):
            return router.kind == "dnslookup"
        if router.name == "nonlocal":
            return router.kind == "redirect"
        if router.name == "hubbed_hosts":
            return "/hubbed_hosts}" in router.option("route_data")
        route = f"* {self._macros.get('DCsmarthost', '')} byname".split()
        return router.name in ("smarthost", "hub_user_smarthost") and router.option("route_list").split() == route

    def _fallbacks(self) -> Iterator[str]:
        """Warnings of hosts that were tried where the others could not be reached."""
        seen: set[str] = set()
        for router in self._before_all_others():
            for kind, one in (("router", router), ("transport", self._ways.transport_of(router))):
                hosts = one.option("fallback_hosts") if one else ""
                if one and hosts and one.name not in seen:
                    seen.add(one.name)
                    yield (
                        f"{self._place(kind, one.name)}: mail to domains that have an entry is not handed to the"
                        f" fallback_hosts of {one.name} ({hosts}), which would not have to do what the entry demands;"
                        " it waits for its own hosts"
                    )

    def _refuse_override(self, transport: Driver, domain: str) -> None:
        hosts = transport.option("hosts")
        if hosts and transport.option("hosts_override"):
            raise Problem(
                f"{self._place('transport', transport.name)}: the transport {transport.name} sends all of its mail to"
                f" {hosts} (hosts_override), and the entry would have it go to other hosts",
                f"declare {domain} with relay_host and relay_port for that host, or take hosts_override out",
                subject=f"domain {domain}",
                option="relay_host",
            )

    def _refuse_rerouted(
        self,
        router: Driver,
        hostless: Sequence[str],
        fresh: Collection[str],
        entries: Mapping[str, Fields],
        ask: Ask,
    ) -> bool:
        """Whether it is certain that a router loses no mail. Raises Problem where it loses all mail of an entry."""
        everything = EVERYTHING in hostless
        if router.kind == "ipliteral":
            return not everything  # no entry names an address
        routes = [domains for domains, _hosts in self._ways.rules_of(router)]
        lists = [router.option("domains") or "*", " : ".join(routes)]
        conditional = any(router.option(one) for one in _CONDITIONS)
        if conditional or router.kind not in ("manualroute", "accept") or UNFIT.search(" ".join(lists)):
            return False
        single = _names_in(lists)
        names = [domain for domain in hostless if domain != EVERYTHING]
        names += [_BELOW + domain for domain in names if entries[domain].get("subdomains")]
        if everything:
            names += [one for one in single if one not in entries] if single else [_ANY]
        answers = ask([_question(name, lists) for name in names])
        taken = [name for name, answer in zip(names, answers) if answer == "taken"]
        if not taken:
            return bool(single) or not everything
        owners = {name: EVERYTHING if name == _ANY else name.removeprefix(_BELOW) for name in taken}
        lost = next((name for name in taken if (owners[name] if owners[name] in entries else EVERYTHING) in fresh), "")
        if not lost:
            return False
        owner, hosts = owners[lost], several(self._ways.hosts_of(router)) or "hosts of its own"
        raise Problem(
            f"{self._place('router', router.name)}: the router {router.name} sends mail for"
            f" {'all other domains' if lost == _ANY else lost} to {hosts}, and the entry would have it go to other"
            " hosts",
            f"declare {owner} with relay_host and relay_port for that host, or remove that router",
            subject=f"domain {owner if owner in entries else EVERYTHING}",
            option="relay_host",
        )

    def _refuse_taken_away(
        self, router: Driver, entries: Mapping[str, Fields], fresh: Collection[str], ask: Ask
    ) -> bool:
        """Whether it is certain that a router on this host loses no mail. Raises Problem where an entry takes it."""
        domains = router.option("domains")
        if router.option("verify_only"):
            return True
        if router.option("unseen") or router.option("senders") or not domains:
            return False
        single = _names_in([domains])
        if EVERYTHING in fresh and not single and _bare(domains) != _OURS:
            lost = domains
        else:
            names = sorted(one for one in fresh if one != EVERYTHING)
            names += [one for one in single if EVERYTHING in fresh and one not in entries]
            if names and UNFIT.search(domains):
                return False
            answers = ask([_question(name, [domains, "! +local_domains"]) for name in names])
            lost = next((name for name, answer in zip(names, answers) if answer == "taken"), "")
        if lost:
            raise Problem(
                f"{self._place('router', router.name)}: the router {router.name} handles mail for {lost} on this host,"
                " and the entry would send it elsewhere",
                "add these domains to the list local_domains (dc_other_hostnames, or MAIN_LOCAL_DOMAINS)",
                subject=f"domain {lost if lost in entries else EVERYTHING}",
                option="domain",
            )
        return True


def _hostless(entries: Mapping[str, Fields]) -> list[str]:
    """The entries whose mail goes the way that the configuration knows for it."""
    return [one for one, fields in entries.items() if not fields.get("host") or fields.get("shared")]


def _bare(domains: str) -> str:
    return domains.replace(" ", "")


def _question(name: str, lists: Sequence[str]) -> str:
    """What Exim is asked: whether a domain is in all of these lists."""
    return f"${{if and{{{''.join(f'{{match_domain{{{name}}}{{{one}}}}}' for one in lists)}}}{{taken}}{{left}}}}"


def _names_in(lists: Sequence[str]) -> list[str]:
    """The domains of the first list that has nothing but names."""
    for one in lists:
        words = [word.strip() for word in one.split(":")]
        if all(_NAME.fullmatch(word) for word in words):
            return [word.lower() for word in words]
    return []
