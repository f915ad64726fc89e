# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix demands of other hosts when it sends mail: TLS policy and SASL account by effective next hop.

Source: TLS_README ("TLS policy table"), SASL_README ("client"), transport(5). smtp(8) looks both tables up by the
next hop, verbatim: where a transport table or relayhost routes a domain elsewhere, an entry for the domain itself
is silently ignored and mail leaves in clear text. So the next hop is worked out here as Postfix does it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    EVERYTHING,
    DomainPolicy,
    SaslAccount,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import lookup_table as table
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import (
    smtp_clients as clients,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.domain_ways import (
    DomainWays,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.login_services import (
    LoginServices,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Row
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.mta_sts import (
    is_ours as mta_sts_is_ours,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.named_hops import (
    NamedHop,
    NamedHops,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.next_hops import ThisHost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    LEVEL,
    OF_EVERYTHING,
    Settings,
    for_everything,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    DEFAULT_PROTOCOLS,
    PROTOCOLS,
    OutgoingStrength,
    said,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.own_hops import (
    OWNER,
    follow_main_cf,
    own_hops,
    own_rows,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MTA_STS_RESOLVER,
    SASL_ACCOUNTS,
    TLS_POLICY,
    TRANSPORT,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    Policy,
    policies_of_others,
    policy_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import Hop
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainOutcome
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several

PARAMETER_OF = {
    TRANSPORT: "transport_maps",
    TLS_POLICY: "smtp_tls_policy_maps",
    SASL_ACCOUNTS: "smtp_sasl_password_maps",
}
_WHAT = {TRANSPORT: "route", TLS_POLICY: "TLS policy", SASL_ACCOUNTS: "account"}
# Postfix' own values of parameters that are put back where nothing had stood in main.cf; others are empty.
_DEFAULTS = {"default_transport": clients.PLAIN, PROTOCOLS: DEFAULT_PROTOCOLS}


def _short(value: str) -> str:
    return said(Policy.parse(value))


class DomainTables:
    """Our three tables.

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
        settings: main.cf, in which the entry for all mail is written too.
        services: the services of master.cf that are an smtp(8), by name.
        named: the next hops that the configuration names.

    Attributes:
        before: the rows as they are, by table and domain.
        rows: the rows as they must be.
        updated: domains of earlier calls whose rows get the strength that they lack.
        named_hops: next hops beside those of domains, at which what is demanded of all outgoing mail holds as well.
        warnings: what the administrator should know.
    """

    def __init__(
        self,
        host: Host,
        expanded: Callable[[str], str],
        settings: Settings,
        services: Mapping[str, Service],
        named: NamedHops,
    ) -> None:
        self._host = host
        self._expanded = expanded
        self._settings = settings
        self._strength = OutgoingStrength(host, settings, services)
        self._logins = LoginServices(host, settings, services)
        self._this_host = ThisHost(host, expanded)
        self._affected = follow_main_cf(services)
        self._named = named
        self._map_type = settings.expanded("default_database_type")
        self._ways = DomainWays(host, expanded, settings, [*services, *clients.OURS])
        self.before = {path: table.parse(host.read_text(path)) for path in PARAMETER_OF}
        self.rows = {path: dict(rows) for path, rows in self.before.items()}
        self.named_hops: list[NamedHop] = []
        self.updated: list[str] = []
        self.warnings: list[str] = []

    @property
    def used_services(self) -> set[str]:
        """The services that mail is sent by."""
        return self._ways.used_services

    def ways(self, domains: Iterable[str]) -> dict[str, list[Hop]]:
        """The next hops by which smtp(8) will send the mail of each domain; a domain whose mail it does not is missing.

        Args:
            domains: also such as have no entry.
        """
        return self._ways.of(domains, self.rows[TRANSPORT])

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool) -> list[DomainOutcome]:
        """Enter the policies into the rows.

        Raises:
            Problem: a policy could never apply, or contradicts another one.
        """
        named = {policy.domain for policy in policies}
        gone = {domain for rows in self.rows.values() for domain in rows} - named - {OWNER} if purge else set()
        if purge and EVERYTHING not in named and set(OF_EVERYTHING) & set(self._settings.noted):
            gone.add(EVERYTHING)
        gone |= {policy.domain for policy in policies if not policy.present}
        gone |= {OWNER} if EVERYTHING in gone else set()
        for rows in self.rows.values():
            for domain in gone & set(rows):
                del rows[domain]
        present = [policy for policy in policies if policy.present]
        self._settle_everything(present, gone)
        self._ways.work_out(present)
        for policy in present:
            self._put(policy)
        self._settle_own_hops(present)
        self._update(named)
        self._refuse_contradictions()
        self.warnings += self._ways.warnings(present)
        everything = [*(policy.domain for policy in policies), *sorted(gone - named - {OWNER})]
        return [self._outcome(domain) for domain in everything]

    # ---- all outgoing mail

    def _settle_everything(self, present: Sequence[DomainPolicy], gone: set[str]) -> None:
        """Write the entry for all mail into main.cf, or take it back."""
        everything = next((policy for policy in present if policy.domain == EVERYTHING), None)
        wanted: dict[str, str] = {}
        if everything:
            named = self._settings.with_names(everything)
            service = self._logins.service_of(everything, None)
            wanted = {**for_everything(named, service), **self._strength.of_everything(named)}
        elif LEVEL in self._settings.noted and EVERYTHING not in gone and PROTOCOLS not in self._settings.noted:
            # an earlier release has written it without a strength
            kept = DomainPolicy(EVERYTHING, self._settings.kept(LEVEL))
            if self._settings.value(LEVEL) == kept.tls:
                wanted = self._strength.of_everything(kept)
                self.updated += [EVERYTHING] if wanted else []
        if everything or EVERYTHING in gone:
            for name in set(OF_EVERYTHING) & set(self._settings.noted) - set(wanted):
                self._settings.put_back(name, _DEFAULTS.get(name, ""))
        for name, value in wanted.items():
            self._settings.set(name, value, ours=True)  # so that a later call knows whose it is

    def _settle_own_hops(self, present: Sequence[DomainPolicy]) -> None:
        """What is demanded of all outgoing mail is not demanded within this host."""
        table_rows = self.rows[TLS_POLICY]
        rows = table_rows.pop(OWNER, ())
        everything = next((policy for policy in present if policy.domain == EVERYTHING), None)
        if everything:
            named = self._named.found()
            self.named_hops = list({one.hop: one for one in named if one.hop.transport in self._affected}.values())
            elsewhere = [one.hop for one in named if not self._this_host.is_at(one.hop.next_hop)]
            self._ways.used_services |= {one.transport for one in elsewhere}
            route = self._ways.usual(EVERYTHING)
            outward = {hop.next_hop for hop in (route.usual, *route.by_sender)} if route else set()
            rows = ()
            if everything.encrypted:
                self.warnings += [
                    f"{table} ({place}) cannot be listed: next hops that it names get mail only at level"
                    f" {everything.tls}, those on this host as well, which take none in clear text any more"
                    for table, place in self._named.unlisted.items()
                ]
                hops = own_hops(named, self._this_host, self._affected, outward)
                hops -= set(policies_of_others(self._host, self._expanded, hops))
                rows = own_rows(hops, self._settings, self._strength)
        claimed = {row.key for some in table_rows.values() for row in some}
        rows = tuple(row for row in rows if row.key not in claimed)
        if rows:
            table_rows[OWNER] = rows

    # ---- rows

    def _put(self, policy: DomainPolicy) -> None:
        usual, hops = self._ways.hops(policy)
        row = policy_of(self._settings.with_names(policy))
        value = self._strength.demanded(policy, row, self._ways.transports(policy)).value
        wanted: dict[str, list[Row]] = {
            TRANSPORT: [],
            TLS_POLICY: [Row(hop, value) for hop in hops],
            SASL_ACCOUNTS: [self._account_row(policy, policy.account, usual)] if policy.account else [],
        }
        routes = self._ways.routes_of(policy)
        service = self._logins.service_of(policy, routes[0] if routes else None)
        if (policy.relay_host or service) and policy.domain != EVERYTHING:
            way = f"{service or clients.PLAIN}:{usual}"
            names = [policy.domain, *(["." + policy.domain] if policy.subdomains else [])]
            wanted[TRANSPORT] = [Row(name, way) for name in names]
        for path, rows in wanted.items():
            if rows:
                self.rows[path][policy.domain] = tuple(sorted(set(rows), key=lambda row: (row.key, row.value)))
            else:
                self.rows[path].pop(policy.domain, None)

    def _account_row(self, policy: DomainPolicy, account: SaslAccount, usual: str) -> Row:
        if usual == EVERYTHING or (policy.subdomains and not policy.relay_host):
            raise Problem(
                "an account belongs to one host, and there is no single host that receives all of this mail",
                "give relay_host",
                subject=policy.title,
                option="username",
            )
        value = f"{account.username}:{account.password}"
        if policy.keep_password:
            for row in self.before[SASL_ACCOUNTS].get(policy.domain, ()):
                if row.key == usual and row.value.partition(":")[0] == account.username:
                    value = row.value
        return Row(usual, value)

    def _update(self, named: Collection[str]) -> None:
        """Give rows of earlier calls the strength that earlier releases have not written."""
        rows = self.rows[TLS_POLICY]
        for domain in sorted(set(rows) - set(named) - {OWNER}):
            found = [Row(row.key, self._strength.kept(Policy.parse(row.value), domain).value) for row in rows[domain]]
            if [Policy.parse(one.value) for one in found] != [Policy.parse(one.value) for one in rows[domain]]:
                rows[domain] = tuple(found)
                self.updated.append(domain)
        if self.updated:
            everything = ("all other mail" if one == EVERYTHING else one for one in dict.fromkeys(self.updated))
            self.warnings.append(
                f"the entries for {several(everything)}, which an earlier release has made and this call does not"
                " declare, demand TLS of strength intermediate from now on"
            )

    def _refuse_contradictions(self) -> None:
        """Two domains that leave by one next hop cannot be treated differently there."""
        for path in (TLS_POLICY, SASL_ACCOUNTS):
            users: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
            for domain, rows in self.rows[path].items():
                for row in rows:
                    users[row.key][row.value].append(domain)
            for key, by_value in users.items():
                if len(by_value) > 1:
                    first, *others = sorted(domain for domains in by_value.values() for domain in domains)
                    raise Problem(
                        f"its mail leaves by the next hop {key} as does that of {several(others)}, but each has"
                        f" another {_WHAT[path]}, and Postfix knows only one for a next hop",
                        "give them the same one, or another relay_host",
                        subject=f"domain {first}",
                        option="tls" if path == TLS_POLICY else "username",
                    )

    # ---- results

    def _outcome(self, domain: str) -> DomainOutcome:
        reasons = []
        if domain == EVERYTHING:
            for name in OF_EVERYTHING:
                if name in self._settings.changed:
                    old, new = self._settings.changed[name]
                    reasons.append(f"{name}: {old or 'empty'} -> {new or 'empty'}")
        for path, what in _WHAT.items():
            before, after = (self._rows_of(domain, rows[path]) for rows in (self.before, self.rows))
            if before == after:
                continue
            if path == SASL_ACCOUNTS:  # its value is never shown
                reasons.append(f"{what}: {'removed' if not after else 'set' if not before else 'changed'}")
            else:
                short = _short if path == TLS_POLICY else str
                reasons.append(f"{what}: {self._said(before, short)} -> {self._said(after, short)}")
        rows = self.rows[TLS_POLICY].get(domain, ())
        route = self._ways.usual(domain)
        usual = route.usual.next_hop if route else rows[0].key if rows else ""
        others = sorted({row.key for row in rows} - {usual})
        return DomainOutcome(domain, usual, "; ".join(reasons), tuple(others))

    @staticmethod
    def _rows_of(domain: str, rows: table.Rows) -> tuple[Row, ...]:
        """The rows that an entry has led to."""
        return (*rows.get(domain, ()), *(rows.get(OWNER, ()) if domain == EVERYTHING else ()))

    @staticmethod
    def _said(rows: Sequence[Row], short: Callable[[str], str]) -> str:
        return ", ".join(f"{row.key} {short(row.value)}" for row in rows) or "none"

    def levels(self) -> dict[str, str]:
        """The level of each domain that has one."""
        policies = self.rows[TLS_POLICY]
        return {
            domain: Policy.parse(rows[0].value).level for domain, rows in policies.items() if rows and domain != OWNER
        }

    def services_of_ours(self) -> set[str]:
        """The services of ours that send mail."""
        ways = [row.value for rows in self.rows[TRANSPORT].values() for row in rows]
        return {one.partition(":")[0] for one in (*ways, self._settings.expanded("default_transport"))}

    @property
    def accounts_table(self) -> str:
        """Our table of accounts, as Postfix names it."""
        return f"{self._map_type}:{SASL_ACCOUNTS}"

    def name_in_main_cf(self, mta_sts: bool) -> None:
        """Have main.cf name those of our tables that have rows, and no others of ours.

        Args:
            mta_sts: whether the resolver of MTA-STS policies is asked after all tables.
        """
        for path, name in PARAMETER_OF.items():
            self._settings.list_tables(
                name,
                first=f"{self._map_type}:{path}" if self.rows[path] else "",
                last=MTA_STS_RESOLVER if mta_sts and path == TLS_POLICY else "",
                ours=(":" + path, MTA_STS_RESOLVER) if mta_sts_is_ours(self._settings) else (":" + path,),
            )

    def changes(self) -> list[FileChange]:
        """The tables as files."""
        return [
            table.change(path, rows, self._map_type, secret=path == SASL_ACCOUNTS)
            for path, rows in self.rows.items()
            if rows or self._host.state(path) is not None
        ]
