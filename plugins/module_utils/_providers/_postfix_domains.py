# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix demands of other hosts when it sends mail: TLS policy and SASL account by effective next hop.

Source: TLS_README ("TLS policy table"), SASL_README ("client"), transport(5). smtp(8) looks both tables up by the
next hop, verbatim: where a transport table or relayhost routes a domain elsewhere, an entry for the domain itself
is silently ignored and mail leaves in clear text. So the next hop is worked out here as Postfix does it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import (
    _postfix_table as table,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import DomainOutcome
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_main_cf import MAIN_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_meaning import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_table import Row

TRANSPORT = "/etc/postfix/postmaster_transport"
TLS_POLICY = "/etc/postfix/postmaster_tls_policy"
SASL_ACCOUNTS = "/etc/postfix/postmaster_sasl_password"
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"

_PARAMETER_OF = {
    TRANSPORT: "transport_maps",
    TLS_POLICY: "smtp_tls_policy_maps",
    SASL_ACCOUNTS: "smtp_sasl_password_maps",
}
# Deliveries that the tables above have a say in: smtp(8) under its two stock names.
_OUTGOING = ("smtp", "relay")
_HERE = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")
_BY_SENDER = ("sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps")
_PATTERNS = re.compile(r"(proxy:)?(regexp|pcre|cidr):")


class Routing:
    """Where Postfix sends the mail of a domain (trivial-rewrite(8), transport(5)).

    Args:
        host: the machine.
        expanded: answers a parameter's value with the parameters it names put in.
        ignored: our own transport table, whose rows are planned and not asked for.
    """

    def __init__(self, host: Host, expanded: Callable[[str], str], ignored: str) -> None:
        self._host = host
        self._expanded = expanded
        self._ignored = ignored
        self._keys: list[str] = []
        self._answers: dict[str, dict[str, str]] = {}

    def next_hops(self, domains: Sequence[str]) -> dict[str, str]:
        """The next hop of each domain, in lower case as in Postfix' tables. Each table is asked once for all domains.

        Raises:
            Problem: mail for a domain does not leave this host by smtp(8).
        """
        self._keys = sorted({key for domain in domains for key in self._keys_for(domain)})
        self._answers = {}
        return {domain: self._next_hop(domain).lower() for domain in domains}

    def depends_on_sender(self) -> list[str]:
        """Parameters that send the mail of some senders another way."""
        return [name for name in _BY_SENDER if self._expanded(name)]

    # ---- tables and lists

    @staticmethod
    def _parents(domain: str) -> list[str]:
        labels = domain.split(".")
        return [".".join(labels[start:]) for start in range(1, len(labels))]

    def _keys_for(self, domain: str) -> list[str]:
        """All that is looked up anywhere for a domain."""
        parents = self._parents(domain)
        return [f"postmaster@{domain}", domain, *parents, *("." + one for one in parents), "*"]

    def _look_up(self, one: str, key: str) -> str | None:
        """The answer of one table to one of the keys."""
        if one not in self._answers:
            self._answers[one] = self._ask(one)
        return self._answers[one].get(key)

    def _ask(self, one: str) -> dict[str, str]:
        """The answers of one table to all keys, by key."""
        done = self._host.query(["postmap", "-q", "-", one], stdin="".join(f"{key}\n" for key in self._keys).encode())
        if done.code != 0 and re.search("fatal|error", done.err):
            raise Problem(
                f"the table {one} cannot be asked ({done.complaint})",
                f"mend it, or take it out of {MAIN_CF}",
                option=MAIN_CF,
            )
        pairs = (re.split(r"\s+", line, maxsplit=1) for line in done.out.split("\n") if line)
        return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}

    def _lists(self, name: str, domain: str, *, parents: Sequence[str] = ()) -> bool:
        """Whether a list of domains in main.cf holds one. The first pattern that fits decides, also against it."""
        for pattern in self._patterns(words(self._expanded(name))):
            against, bare = pattern.startswith("!"), pattern.lstrip("!")
            keys = [domain, *parents]
            if any(self._look_up(bare, key) is not None for key in keys) if ":" in bare else bare.lower() in keys:
                return not against
        return False

    def _patterns(self, listed: Sequence[str]) -> list[str]:
        """The patterns of a list, with those of the files that it names."""
        found = []
        for one in listed:
            found += words(self._host.read_text(one)) if one.startswith("/") else [one]
        return found

    # ---- the next hop

    def _next_hop(self, domain: str) -> str:
        transport, next_hop = self._without_table(domain)
        named, _colon, host = self._by_table(domain).partition(":")
        if named:
            transport, next_hop = named, host or domain
        elif host:
            next_hop = host
        if not transport:
            raise Problem(
                "its mail is delivered on this host and never sent to another one",
                "remove this entry, or take the domain out of " + ", ".join(_HERE),
                subject=f"domain {domain}",
                option="domain",
            )
        if transport not in _OUTGOING:
            raise Problem(
                f"Postfix hands its mail to {transport!r}, on which this policy has no effect",
                "remove this entry or the transport",
                subject=f"domain {domain}",
                option="domain",
            )
        if len(words(next_hop)) != 1:
            raise Problem(
                f"its mail leaves by one of several next hops ({next_hop}), which is not supported",
                "give relay_host, or name one next hop only",
                subject=f"domain {domain}",
                option="domain",
            )
        return next_hop

    def _by_table(self, domain: str) -> str:
        """The transport tables' answer, in the order of transport(5); empty where they have none."""
        tables = [one for one in words(self._expanded("transport_maps")) if not one.endswith(":" + self._ignored)]
        # a table of patterns is asked for whole addresses; any of the domain will do
        patterns = [one for one in tables if _PATTERNS.match(one)]
        others = [one for one in tables if one not in patterns]
        parents = ["." + one for one in self._parents(domain)]
        order = [(f"postmaster@{domain}", patterns), *((key, others) for key in (domain, *parents)), ("*", tables)]
        found = (self._look_up(one, key) for key, some in order for one in some)
        return next((answer for answer in found if answer is not None), "")

    def _without_table(self, domain: str) -> tuple[str, str]:
        """Transport and next hop where no transport table speaks of the domain; no transport where it stays here."""
        if any(self._lists(name, domain) for name in _HERE):
            return "", domain
        parents = self._parents(domain)
        if "relay_domains" not in words(self._expanded("parent_domain_matches_subdomains")):
            parents = ["." + one for one in parents]
        relayed = self._lists("relay_domains", domain, parents=parents)
        transport, _colon, host = self._expanded("relay_transport" if relayed else "default_transport").partition(":")
        return transport, host or self._expanded("relayhost") or domain


class DomainTables:
    """Our three tables, and the parameters of main.cf that name them.

    Args:
        host: the machine.
        parameters: Postfix' effective parameters.
        expanded: answers a parameter's value with the parameters it names put in.
    """

    def __init__(self, host: Host, parameters: Mapping[str, str], expanded: Callable[[str], str]) -> None:
        self._host = host
        self._parameters = parameters
        self._routing = Routing(host, expanded, ignored=TRANSPORT)
        self._map_type = parameters["default_database_type"]
        self._before = {path: table.parse(host.read_text(path)) for path in _PARAMETER_OF}
        self._rows = {path: dict(rows) for path, rows in self._before.items()}
        self.warnings: list[str] = []

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool) -> list[DomainOutcome]:
        """Work the policies into the rows.

        Raises:
            Problem: a policy could never apply, or contradicts another one.
        """
        named = {policy.domain for policy in policies}
        gone = {domain for rows in self._rows.values() for domain in rows} - named if purge else set()
        gone |= {policy.domain for policy in policies if not policy.present}
        for rows in self._rows.values():
            for domain in gone & set(rows):
                del rows[domain]
        present = [policy for policy in policies if policy.present]
        routed = self._routing.next_hops([policy.domain for policy in present if not policy.relay_host])
        for policy in present:
            self._put(policy, routed.get(policy.domain, ""))
        self.warnings += [
            f"the policy for {domain} holds for all mail that leaves by {next_hop}"
            for domain, next_hop in routed.items()
            if next_hop != domain
        ]
        if routed and self._routing.depends_on_sender():
            self.warnings.append(
                f"mail of senders that {' or '.join(self._routing.depends_on_sender())} sends another way does not obey"
                f" the policies for {', '.join(routed)}; a relay_host of their own would bring it back"
            )
        self._refuse_contradictions()
        everything = [*(policy.domain for policy in policies), *sorted(gone - named)]
        return [self._outcome(domain) for domain in everything]

    def _put(self, policy: DomainPolicy, routed: str) -> None:
        next_hop = f"[{policy.relay_host}]:{policy.relay_port}" if policy.relay_host else routed
        match = f" match={':'.join(policy.match)}" if policy.match else ""
        wanted: dict[str, Row | None] = {
            TRANSPORT: Row(policy.domain, f"smtp:{next_hop}") if policy.relay_host else None,
            TLS_POLICY: Row(next_hop, policy.tls + match),
            SASL_ACCOUNTS: (
                Row(next_hop, f"{policy.account.username}:{policy.account.password}") if policy.account else None
            ),
        }
        for path, row in wanted.items():
            if row is None:
                self._rows[path].pop(policy.domain, None)
            else:
                self._rows[path][policy.domain] = row

    def _refuse_contradictions(self) -> None:
        """Two domains that leave by one next hop cannot be treated differently there."""
        for path, what in ((TLS_POLICY, "TLS policy"), (SASL_ACCOUNTS, "account")):
            users: dict[str, list[str]] = defaultdict(list)
            for domain, row in self._rows[path].items():
                users[row.key].append(domain)
            for key, domains in users.items():
                if len({self._rows[path][domain].value for domain in domains}) > 1:
                    first, *others = sorted(domains)
                    raise Problem(
                        f"its mail leaves by the next hop {key} as does that of {', '.join(others)}, but each has"
                        f" another {what}, and Postfix knows only one for a next hop",
                        "give them the same one, or another relay_host",
                        subject=f"domain {first}",
                        option="tls" if path == TLS_POLICY else "username",
                    )

    def _outcome(self, domain: str) -> DomainOutcome:
        words_for = {TRANSPORT: "route", TLS_POLICY: "TLS policy", SASL_ACCOUNTS: "account"}
        reasons = []
        for path, what in words_for.items():
            old, new = self._before[path].get(domain), self._rows[path].get(domain)
            if old == new:
                continue
            if path == SASL_ACCOUNTS:  # its value is never shown
                reasons.append(f"{what}: {'removed' if new is None else 'set' if old is None else 'changed'}")
            else:
                reasons.append(f"{what}: {self._said(old)} -> {self._said(new)}")
        policy = self._rows[TLS_POLICY].get(domain)
        return DomainOutcome(domain, policy.key if policy else "", "; ".join(reasons))

    @staticmethod
    def _said(row: Row | None) -> str:
        return f"{row.key} {row.value}" if row else "none"

    def parameters(self, ca_file: str) -> dict[str, str]:
        """Values that main.cf must have for the tables to be used; only those that differ.

        Args:
            ca_file: the roots to verify peers against; empty to keep Postfix' own.
        """
        wanted: dict[str, str] = {}
        for path, name in _PARAMETER_OF.items():
            if not self._rows[path] and not self._before[path]:
                continue
            ours = f"{self._map_type}:{path}"
            listed = words(self._parameters[name])
            # first, since the first table that knows a key decides
            ordered = [ours, *(one for one in listed if not one.endswith(":" + path))]
            if listed != ordered:
                wanted[name] = ", ".join(ordered)
        if self._rows[SASL_ACCOUNTS]:
            if self._parameters["smtp_sasl_auth_enable"] != "yes":
                wanted["smtp_sasl_auth_enable"] = "yes"
            # the default forbids PLAIN and LOGIN inside TLS too; in clear text they stay forbidden
            if "noplaintext" in self._inside_tls():
                wanted["smtp_sasl_tls_security_options"] = "noanonymous"
        verifies = any(row.value.split()[0] in ("verify", "secure") for row in self._rows[TLS_POLICY].values())
        roots = ca_file or (SYSTEM_ROOTS if verifies and not self._parameters["smtp_tls_CAfile"] else "")
        if roots and self._parameters["smtp_tls_CAfile"] != roots:
            wanted["smtp_tls_CAfile"] = roots
        return wanted

    def _inside_tls(self) -> list[str]:
        value = self._parameters["smtp_sasl_tls_security_options"]
        return words(self._parameters["smtp_sasl_security_options"] if value.startswith("$") else value)

    def changes(self) -> list[FileChange]:
        """The tables as files."""
        return [
            table.change(path, rows, self._map_type, secret=path == SASL_ACCOUNTS)
            for path, rows in self._rows.items()
            if rows or self._before[path]
        ]
