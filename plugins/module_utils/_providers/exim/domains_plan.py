# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain security of an Exim: what it needs besides the tables, and what is put together to a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_names import OwnNames
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    RESOLV_CONF,
    VALIDATING_RESOLVER,
    how_to_install,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import authenticators as clients
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    command_line,
    lost_sections,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import (
    managed_sections as sections,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import routers as sending
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.domain_table import (
    DomainEntries,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.drivers import drivers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.foreign_routers import (
    ForeignRouters,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.own_hops import handed_to_itself
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    AUTH_DIRECTORY,
    CONFIG_DIRECTORY,
    PACKAGES,
    RECONFIGURE,
    ROUTER_DIRECTORY,
    TRANSPORT_DIRECTORY,
    USER,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.places import place_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.smarthost import (
    Smarthost,
    default_level,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.ways import Ways
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainPlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import WITH_DANE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire import resolver as _resolver

_PATH = re.compile(r"[A-Za-z0-9/._+-]+")


class Sending:
    """How an Exim sends mail.

    Args:
        host: the machine.
        ask: runs exim4(8) with these words, and gives what it prints.
        macros: those of the configuration in force.
        build: what ``exim4 -bV`` prints.
    """

    def __init__(self, host: Host, ask: Callable[..., str], macros: Mapping[str, str], build: str) -> None:
        self._host = host
        self._ask = ask
        self._macros = macros
        self._build = build

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, split: bool) -> DomainPlan:
        """See DomainProvider.plan_domains; ``split`` is whether the split form of the configuration is in force."""
        self._refuse_impossible(policies)
        smarthost = Smarthost.from_macros(self._macros)
        tables = DomainEntries(self._host, self._expanded, smarthost)
        outcomes = tables.plan(policies, purge=purge)
        handed = handed_to_itself(self._host, policies, smarthost, tables.entries)
        others = foreign_routers(self._host, self._ask, self._macros, split=split)
        if tables.entries:
            command_line.refuse_other_configuration(self._host)
            others.refuse_before_ours()  # also where the plan changes nothing, and nothing is tested
            others.refuse_jumps()
        passed_by = others.passed_by(tables.entries, tables.former, self._expanded)
        shown = self._ask("-bP", "authenticators")
        parts, before = {}, clients.former(shown, self._macros)
        if tables.entries:
            parts = {"routers": sending.routers(self._roots(ca_file)), "transports": sending.transports()}
        if tables.accounts:
            where = partial(place_of, self._host, directory=AUTH_DIRECTORY, split=split)
            clients.refuse_other_mechanisms(shown, before, where)
            parts["authenticators"] = clients.render(before)
        changes = tables.changes()
        replaceable = bool(tables.entries) and not split
        return DomainPlan(
            # the configuration names the tables: they come before it, and go after it
            changes=(
                *(change for change in changes if change.content is not None),
                *sections.changes(self._host, parts, before.names, split=split),
                *lost_sections.changes(self._host, needed=replaceable),
                *(change for change in changes if change.content is None),
            ),
            outcomes=outcomes,
            levels=tables.levels(),
            default_level=tables.levels().get(EVERYTHING) or self._default_level(smarthost),
            warnings=[
                *handed,
                *self._resolver_warnings(policies),
                *_circumflex(policies),
                *passed_by,
                *lost_sections.warnings(self._host, needed=replaceable),
            ],
        )

    def _expanded(self, expressions: Sequence[str]) -> list[str]:
        """What Exim makes of expressions."""
        if not expressions:
            return []
        done = self._host.query(["exim4", "-be"], stdin="".join(f"{one}\n" for one in expressions).encode(), user=USER)
        answers = [line.removeprefix("> ") for line in done.out.splitlines()]
        if done.code != 0 or len(answers) < len(expressions):
            raise Problem(
                f"Exim cannot be asked about domains ({done.complaint})",
                f"fix the files below {CONFIG_DIRECTORY} until 'exim4 -be' answers, then run again",
                option=CONFIG_DIRECTORY,
            )
        return answers[: len(expressions)]

    def _refuse_impossible(self, policies: Sequence[DomainPolicy]) -> None:
        """What this build of Exim cannot do. Raises Problem."""
        able = re.search(r"^Support for:(.*)$", self._build, re.MULTILINE)
        words = able[1].split() if able else []
        for feature, levels in (("Event", ("secure", "fingerprint")), ("DANE", WITH_DANE)):
            for policy in policies:
                asked = policy.tls in levels or (feature == "Event" and policy.match)
                if policy.present and asked and feature not in words:
                    raise Problem(
                        f"this Exim was built without support for {feature}, which the level {policy.tls}"
                        " cannot be kept",
                        f"install the distribution's {' or '.join(PACKAGES.values())}, or choose another level",
                        subject=policy.title,
                        option="tls",
                    )

    def _roots(self, ca_file: str) -> str:
        """The file of roots: the one that is asked for, or was before."""
        if not ca_file:
            return self._macros.get(sending.CA_FILE, "")
        if not _PATH.fullmatch(ca_file):
            raise Problem(
                f"Exim's configuration cannot contain the path {ca_file!r}",
                "use a path of letters, digits, hyphens, full stops and underscores",
                option="ca_file",
            )
        state = self._host.state(ca_file)
        if state and not state.mode & 0o004 and not (state.group == USER and state.mode & 0o040):
            raise Problem(
                f"{ca_file} cannot be read by {USER}, the user as which Exim sends mail",
                f"make it world-readable ('chmod a+r {ca_file}'): certificates are not secret",
                option="ca_file",
            )
        return ca_file

    # ---- DANE

    def _sees_authentic(self) -> bool:
        """Whether the C library leaves in an answer that it is authentic (resolv.conf(5), option trust-ad)."""
        lines = (line.split() for line in self._host.read_text(RESOLV_CONF).split("\n"))
        return any(line[0] == "options" and "trust-ad" in line for line in lines if line)

    def _default_level(self, smarthost: Smarthost) -> str:
        name = "remote_smtp_smarthost" if smarthost.hosts else "remote_smtp"
        done = self._host.query(["exim4", "-bP", "transport", name])
        return default_level(done.out, authentic=self._sees_authentic())

    def _resolver_warnings(self, policies: Sequence[DomainPolicy]) -> list[str]:
        """Warnings about the resolver. Raises Problem where DANE would be ineffective."""
        if not any(policy.present and policy.tls in WITH_DANE for policy in policies):
            return []
        if not self._sees_authentic():
            raise Problem(
                f"{RESOLV_CONF} does not have the option trust-ad, so Exim cannot tell that an answer is authentic and"
                " ignores DANE",
                f"install a validating resolver on this host ({how_to_install(VALIDATING_RESOLVER)}) and write"
                f" 'options trust-ad' into {RESOLV_CONF}; or choose a level without DANE",
                option="tls",
            )
        return _resolver.require_dnssec(self._host.read_text(RESOLV_CONF), RESOLV_CONF, "Exim")


def _circumflex(policies: Sequence[DomainPolicy]) -> list[str]:
    """Accounts that Exim cannot send by PLAIN."""
    found = [
        policy.domain
        for policy in policies
        if policy.present and policy.account and "^" in (policy.account.username[:1], policy.account.password[:1])
    ]
    if not found:
        return []
    warning = (
        f"the user name or password for {several(found)} begins with a circumflex, which Exim cannot send with PLAIN:"
        " mail is deferred unless the host offers LOGIN or CRAM-MD5"
    )
    return [warning]


def foreign_routers(host: Host, ask: Callable[..., str], macros: Mapping[str, str], *, split: bool) -> ForeignRouters:
    """The routers of a configuration.

    Args:
        host: the machine.
        ask: runs exim4(8) with these words on that configuration, and gives what it prints.
        macros: those of the configuration.
        split: whether the split form is in force.
    """

    def place(kind: str, name: str) -> str:
        return place_of(host, name, {"router": ROUTER_DIRECTORY, "transport": TRANSPORT_DIRECTORY}[kind], split=split)

    ways = Ways(drivers(ask("-bP", "transports")), OwnNames(host).has)
    return ForeignRouters(drivers(ask("-bP", "routers")), ways, macros, place)


def refuse_without_effect(routers: ForeignRouters, *, declared: bool) -> None:
    """Raise Problem where entries would have no effect, or another router would get to see mail before ours do.

    Args:
        routers: those of a configuration with our part in it.
        declared: whether it is to obey entries.
    """
    routers.refuse_before_ours()
    if not declared:
        return
    if not routers.has_ours:
        raise Problem(
            f"the configuration that is made of the files below {CONFIG_DIRECTORY} does not have this collection's"
            " routers",
            f"look for what is before or around 'begin routers' there (.ifdef, .include), and take it out; or run"
            f" '{RECONFIGURE}'",
            option=CONFIG_DIRECTORY,
        )
    routers.refuse_jumps()
