# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan for outgoing mail makes Postfix demand of other servers that it has not demanded before.

Source: TLS_README ("TLS policy table"), postconf(5) (smtp_tls_policy_maps, smtp_tls_secure_cert_match and its like).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, TlsRequirement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    smtp_clients as clients,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.login_obstacles import (
    FILTER,
    usable_mechanisms,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import place_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    MATCH,
    Settings,
    level_in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    GRADE,
    PROTOCOLS,
    in_effect,
    no_looser,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    SASL_ACCOUNTS,
    TLS_POLICY,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    Policy,
    by_key,
    keys_of,
    policies_of_others,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.prerequisites import (
    resolv_conf,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.tls_policy import (
    DomainTables,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    tls_versions,
    words,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import NewRequirements
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import weaker

_VERIFYING = frozenset({"verify", "secure"})
_SERVER_NAME = "smtp_tls_servername"
_MODERN = ("TLSv1.2", "TLSv1.3")


class _Comparison:
    """Policies before and after a plan, by next hop."""

    def __init__(
        self,
        host: Host,
        expanded: Callable[[str], str],
        settings: Settings,
        tables: DomainTables,
        services: Mapping[str, Service],
    ) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._tables = tables
        self._services = services
        self._before = by_key(tables.before[TLS_POLICY])
        self._after = by_key(tables.rows[TLS_POLICY])

    def _was(self, name: str) -> str:
        changed = self._settings.changed
        return expand(changed[name][0], self._settings.value) if name in changed else self._settings.expanded(name)

    @property
    def default_before(self) -> Policy:
        """What has held for mail without an entry."""
        return self._default(self._was)

    @property
    def default_after(self) -> Policy:
        """What will hold for it."""
        return self._default(self._settings.expanded)

    @staticmethod
    def _default(value: Callable[[str], str]) -> Policy:
        level = level_in_effect(value(LEVEL), value)
        names = tuple(words(value(MATCH[level]))) if level in MATCH else ()
        return in_effect(Policy(level, names, value(_SERVER_NAME)), value)

    def demands(self, domains: Collection[str]) -> list[TlsRequirement]:
        """What is newly demanded of the servers that take the mail of some domains."""
        ways = self._tables.ways(domains)
        hops = {hop.next_hop for several in ways.values() for hop in several}
        named = self._tables.named_hops if EVERYTHING in domains else ()
        extra = [one for one in named if one.hop.next_hop not in hops]
        others = policies_of_others(self._host, self._expanded, {*hops, *(one.hop.next_hop for one in extra)})
        tried = [(domain, hop, "") for domain, several in ways.items() for hop in dict.fromkeys(several)]
        tried += [(EVERYTHING, one.hop, one.place) for one in extra]
        before, after = self.default_before, self.default_after
        found = []
        for domain, hop, place in tried:
            keys = keys_of(hop.next_hop)
            old = next((self._before[key] for key in keys if key in self._before), None)
            new = next((self._after[key] for key in keys if key in self._after), None)
            theirs = others.get(hop.next_hop)
            demand = self._demand(domain, hop.transport, hop.next_hop, new or theirs or after)
            was, will_be = in_effect(old or theirs or before, self._was), new or theirs or after
            stricter = self._is_stricter(was, in_effect(will_be, self._settings.expanded))
            logs_in, new_account = self._account(domain, hop.next_hop)
            if demand and (stricter or (new_account and will_be.demands_tls)):
                mechanisms = self._mechanisms(hop.transport) if logs_in else ()
                found.append(replace(demand, named_in=place, mechanisms=mechanisms))
        return found

    def _account(self, domain: str, next_hop: str) -> tuple[bool, bool]:
        """Whether an entry logs in at a next hop, and whether with an account that is new there."""
        before, after = (
            [row for row in rows[SASL_ACCOUNTS].get(domain, ()) if row.key == next_hop]
            for rows in (self._tables.before, self._tables.rows)
        )
        return bool(after), bool(after) and not before

    def _mechanisms(self, transport: str) -> tuple[str, ...]:
        ours = transport in clients.OWN_ACCOUNT.values()
        return usable_mechanisms(self._host, "" if ours else self._of_service(transport, FILTER))

    def _is_stricter(self, old: Policy, new: Policy) -> bool:
        if not new.demands_tls or weaker(new.level, old.level):
            return False
        other_roots = new.level in _VERIFYING and "smtp_tls_CAfile" in self._settings.changed
        as_strong = replace(new, protocols=old.protocols, excluded=old.excluded)
        return as_strong != old or other_roots or not no_looser(old, new)

    def _demand(self, domain: str, transport: str, next_hop: str, policy: Policy) -> TlsRequirement | None:
        """What a policy demands at a next hop; None where that stands for many places."""
        place = place_of(next_hop)
        if not place or next_hop == EVERYTHING or next_hop.startswith("."):
            return None
        found = TlsRequirement(
            domain,
            next_hop,
            place.host,
            place.port,
            exchangers=not place.fixed and self._looks_up_exchangers,
            implicit_tls=self._starts_at_once(transport),
            level=policy.level,
            server_name=self._server_name(transport, place.host, policy),
        )
        strength = in_effect(policy, lambda name: self._of_service(transport, name))
        versions = tls_versions(strength.protocols)
        if policy.demands_tls and not set(versions).issuperset(_MODERN):
            whose = f"the entry's strength and {PROTOCOLS}" if policy.protocols else PROTOCOLS
            found = replace(found, versions=versions, versions_set_by=whose)
        if policy.demands_tls and strength.excluded:
            found = replace(found, ciphers=self._ciphers(transport, policy.level, strength.excluded))
        match = policy.match
        if policy.level in MATCH and not match:
            match = tuple(words(self._settings.expanded(MATCH[policy.level])))
        if policy.level == "fingerprint":
            return replace(found, fingerprints=tuple(one.upper() for one in match))
        if policy.level not in _VERIFYING:
            return found
        words_for = {"nexthop": found.host, "dot-nexthop": "." + found.host}
        names = tuple(words_for.get(one, one).lower() for one in match if one != "hostname")
        return replace(found, names=names, own_name="hostname" in match)

    @property
    def _looks_up_exchangers(self) -> bool:
        disabled = self._settings.expanded("smtp_dns_support_level") == "disabled"
        return not disabled and self._settings.expanded("disable_dns_lookups") != "yes"

    def _ciphers(self, transport: str, level: str, excluded: Sequence[str]) -> str:
        """The list of cipher suites that smtp(8) hands to OpenSSL, at the security level that it has (tls_client.c)."""
        own = self._of_service(transport, f"tls_{self._of_service(transport, GRADE)}_cipherlist")
        security = "@SECLEVEL=0" if level == "encrypt" else "@SECLEVEL=1"
        return ":".join([own, security, *(f"!{word}" for word in (*excluded, "eNULL"))])

    def _of_service(self, transport: str, name: str) -> str:
        """A parameter's value as a service has it."""
        service = self._services.get(transport)
        override = service.overrides.get(name) if service else None
        return expand(override.value, self._settings.value) if override else self._settings.expanded(name)

    def _server_name(self, transport: str, next_hop: str, policy: Policy) -> str:
        """The name that smtp(8) tells the server."""
        name = policy.server_name or self._of_service(transport, _SERVER_NAME)
        return "" if policy.level == "dane-only" else next_hop if name == "nexthop" else name

    def _starts_at_once(self, transport: str) -> bool:
        return clients.starts_tls_at_once(transport) or self._of_service(transport, "smtp_tls_wrappermode") == "yes"


def new_requirements(
    host: Host,
    expanded: Callable[[str], str],
    settings: Settings,
    tables: DomainTables,
    services: Mapping[str, Service],
) -> NewRequirements:
    """What a plan newly demands.

    Args:
        host: the machine.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        settings: main.cf as it will be.
        tables: our tables as they will be.
        services: the services of master.cf that are an smtp(8), but for ours.
    """
    comparison = _Comparison(host, expanded, settings, tables, services)
    below = any(row.key.startswith(".") for rows in tables.rows[TLS_POLICY].values() for row in rows)
    return NewRequirements(
        of=comparison.demands,
        of_others=below or comparison.default_before != comparison.default_after,
        updated=[one for one in tables.updated if one != EVERYTHING],
        ca_file=settings.expanded("smtp_tls_CAfile"),
        ca_directory=settings.expanded("smtp_tls_CApath"),
        resolv_conf=resolv_conf(host, settings),
    )
