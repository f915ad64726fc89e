# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of others that keep smtp(8) from logging in with an account of ours (SASL_README, postconf(5)).

For each server smtp(8) asks the tables of accounts for the sender, if told to, then for the name of the server, and
only then for the next hop, which is the key of our accounts. So what others have there goes before ours, wherever our
table stands. And it leaves out mechanisms that it is told to leave out.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.foreign_tables import (
    table_rows,
    tables_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import place_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.no_starttls import (
    BY_SERVER,
    KEYWORDS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import SASL_ACCOUNTS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import answers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import expand, words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import PLUGIN

_TABLES = "smtp_sasl_password_maps"
_BY_SENDER = "smtp_sender_dependent_authentication"
FILTER = "smtp_sasl_mechanism_filter"
# A password is all that we have; mechanisms that need nothing else, the usual ones first.
_PLUG_INS = {
    "plain": "plain",
    "login": "login",
    "cram-md5": "crammd5",
    "digest-md5": "digestmd5",
    "scram-sha-1": "scram",
    "scram-sha-256": "scram",
    "ntlm": "ntlm",
}
_COMMON = ("plain", "login")
INSIDE_TLS = "smtp_sasl_tls_security_options"
VERIFIED = "smtp_sasl_tls_verified_security_options"
# what of the SASL library's demands PLAIN and LOGIN can meet
HARMLESS = frozenset({"noanonymous"})


@dataclass(frozen=True)
class Obstacle:
    """A setting that keeps an account of ours from being used.

    Attributes:
        name: the parameter.
        what: what it does, a clause that begins with the parameter's name.
    """

    name: str
    what: str


def passes_filter(host: Host, patterns: str, mechanism: str) -> bool:
    """Whether a list of mechanisms holds one; an empty list holds all. The first pattern that fits decides."""
    listed = words(patterns)
    for pattern in listed:
        against, bare = pattern.startswith("!"), pattern.lstrip("!")
        if bare.startswith("/"):
            fits = mechanism in (one.lower() for one in words(host.read_text(bare)))
        elif list(tables_in(bare)):
            fits = mechanism in answers(host, bare, [mechanism])
        else:
            fits = bare.lower() == mechanism
        if fits:
            return not against
    return not listed


def usable_mechanisms(host: Host, patterns: str) -> tuple[str, ...]:
    """The mechanisms for passwords that smtp(8) can use, as far as it may.

    Args:
        host: the machine.
        patterns: the list of mechanisms that it may use; empty for all.
    """
    installed = [name for name, plug_in in _PLUG_INS.items() if glob.glob(PLUGIN.format(plug_in) + "*")]
    return tuple(name for name in installed if passes_filter(host, patterns, name))


class LoginObstacles:
    """Whether accounts of ours are used.

    Args:
        host: the machine.
        settings: main.cf as it will be.
    """

    def __init__(self, host: Host, settings: Settings) -> None:
        self._host = host
        self._settings = settings

    def obstacles(
        self, service: Callable[[str], str | None], next_hop: str, *, sent_here: Callable[[str], bool]
    ) -> list[Obstacle]:
        """What would keep the account for a next hop from being used.

        Args:
            service: what the service that sends the mail sets for itself; None where it has main.cf's value.
            next_hop: the next hop.
            sent_here: whether mail of an address takes this next hop, as far as the address decides it.
        """

        def effective(name: str) -> str:
            own = service(name)
            return self._settings.expanded(name) if own is None else expand(own, self._settings.value)

        found = []
        if (service("smtp_sasl_auth_enable") or "yes") != "yes":
            found.append(Obstacle("smtp_sasl_auth_enable", "smtp_sasl_auth_enable is no for the service"))
        if effective("smtp_sasl_type") not in ("", "cyrus"):
            found.append(Obstacle("smtp_sasl_type", f"smtp_sasl_type is {effective('smtp_sasl_type')}"))
        if "auth" in words(effective(KEYWORDS).lower()):
            found.append(Obstacle(KEYWORDS, f"{KEYWORDS} has auth"))
        found += self._of_servers(effective(BY_SERVER))
        if not any(passes_filter(self._host, effective(FILTER), one) for one in _COMMON):
            found.append(Obstacle(FILTER, f"{FILTER} leaves out PLAIN and LOGIN"))
        # that main.cf forbids PLAIN inside TLS is undone for all accounts
        undone = {"noplaintext"} if service(INSIDE_TLS) is None else set()
        for name in (INSIDE_TLS, VERIFIED):
            by_default = name == VERIFIED and service(name) is None and self._settings.value(name).startswith("$")
            forbidden = set(words(effective(name))) - HARMLESS - (undone if name == INSIDE_TLS or by_default else set())
            if forbidden:
                found.append(Obstacle(name, f"{name} is {effective(name)}"))
        return [*found, *self._of_tables(effective, next_hop, sent_here)]

    def _of_servers(self, value: str) -> list[Obstacle]:
        """Servers at which logins are not seen."""
        for table in words(value):
            rows = table_rows(self._host, table)
            if rows is None or any("auth" in words(row.value.lower()) for row in rows):
                place = next((row.place for row in rows or () if "auth" in words(row.value.lower())), table)
                return [Obstacle(BY_SERVER, f"{BY_SERVER} ({place}) may have auth for its server")]
        return []

    def _of_tables(
        self, effective: Callable[[str], str], next_hop: str, sent_here: Callable[[str], bool]
    ) -> list[Obstacle]:
        """Accounts of others that go before ours."""
        by_sender = effective(_BY_SENDER) == "yes"
        found = []
        for table in words(effective(_TABLES)):
            if table.endswith(":" + SASL_ACCOUNTS):
                continue
            rows = table_rows(self._host, table)
            if rows is None and by_sender:
                found.append(Obstacle(_BY_SENDER, f"{_BY_SENDER} is yes, and {table} may have accounts of senders"))
            for row in rows or ():
                key = row.key.lower()
                if by_sender and ("@" in key or not re.search(r"[].:[]", key)) and sent_here(key):
                    found.append(Obstacle(_BY_SENDER, f"{row.place} has an account for the sender {key}"))
                elif _may_be_server(key, next_hop):
                    found.append(Obstacle(_TABLES, f"{row.place} has an account for the server {key}"))
        return found


def _may_be_server(key: str, next_hop: str) -> bool:
    """Whether a key of a foreign table may be the name of a server of a next hop."""
    place = place_of(next_hop)
    if place and place.fixed:
        return key == place.host.lower()
    return key != next_hop and re.fullmatch(r"[^][:@]+\.[^][:@]+", key) is not None
