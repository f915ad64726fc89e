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
from typing import Callable, Mapping, Optional, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers import (
    _postfix_table as table,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import DomainOutcome
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_meaning import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._postfix_table import Row

TRANSPORT = "/etc/postfix/postmaster_transport"
TLS_POLICY = "/etc/postfix/postmaster_tls_policy"
SASL_PASSWORD = "/etc/postfix/postmaster_sasl_password"  # a path, not a password
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"

_PARAMETER_OF = {
    TRANSPORT: "transport_maps",
    TLS_POLICY: "smtp_tls_policy_maps",
    SASL_PASSWORD: "smtp_sasl_password_maps",
}
# Deliveries that the tables above have a say in: smtp(8) under its two stock names.
_OUTGOING = ("smtp", "relay")
_HERE = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")


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

    def next_hops(self, domains: Sequence[str]) -> dict[str, str]:
        """The next hop of each domain. Each table is asked once for all domains.

        Raises:
            Problem: mail for a domain does not leave this host by smtp(8).
        """
        tables = [one for one in words(self._expanded("transport_maps")) if not one.endswith(":" + self._ignored)]
        keys = sorted({key for domain in domains for key in self._keys(domain)})
        answers = [self._ask(one, keys) for one in tables] if domains else []
        here = {word.lower() for name in _HERE for word in words(self._expanded(name))}
        return {domain: self._next_hop(domain, answers, here) for domain in domains}

    @staticmethod
    def _keys(domain: str) -> list[str]:
        """What transport(5) looks up for a domain, in its order."""
        labels = domain.split(".")
        return [domain, *("." + ".".join(labels[start:]) for start in range(1, len(labels))), "*"]

    def _ask(self, one: str, keys: Sequence[str]) -> dict[str, str]:
        """The answers of one table to many keys, by key."""
        done = self._host.query(["postmap", "-q", "-", one], stdin="".join(f"{key}\n" for key in keys).encode())
        if done.err and done.code != 0 and not done.out:
            complaint = done.complaint
            if "fatal" in complaint or "error" in complaint:
                raise Problem(
                    f"the table {one} cannot be asked ({complaint})",
                    "mend it, or take it out of transport_maps",
                    option="transport_maps",
                )
        pairs = (re.split(r"\s+", line, maxsplit=1) for line in done.out.splitlines() if line)
        return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}

    def _next_hop(self, domain: str, answers: Sequence[Mapping[str, str]], here: set[str]) -> str:
        answer = next((found[key] for key in self._keys(domain) for found in answers if key in found), None)
        if answer is None:
            if domain in here:
                raise Problem(
                    "its mail is delivered on this host and never sent to another one",
                    "remove this entry, or take the domain out of " + ", ".join(_HERE),
                    option="domain",
                )
            return self._default(domain)
        transport, _colon, next_hop = answer.partition(":")
        transport = transport or self._expanded("default_transport").partition(":")[0]
        if transport not in _OUTGOING:
            raise Problem(
                f"the transport table hands its mail to {transport!r}, on which this policy has no effect",
                "remove this entry or the transport",
                option="domain",
            )
        return next_hop or domain

    def _default(self, domain: str) -> str:
        relayhost = self._expanded("relayhost")
        if relayhost:
            return relayhost
        return self._expanded("default_transport").partition(":")[2] or domain


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
        self._refuse_contradictions()
        everything = [*(policy.domain for policy in policies), *sorted(gone - named)]
        return [self._outcome(domain) for domain in everything]

    def _put(self, policy: DomainPolicy, routed: str) -> None:
        next_hop = f"[{policy.relay_host}]:{policy.relay_port}" if policy.relay_host else routed
        wanted: dict[str, Optional[Row]] = {
            TRANSPORT: Row(policy.domain, f"smtp:{next_hop}") if policy.relay_host else None,
            TLS_POLICY: Row(next_hop, " ".join([policy.tls, *([f"match={':'.join(policy.match)}"] if policy.match else [])])),
            SASL_PASSWORD: (
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
        for path, what in ((TLS_POLICY, "TLS policy"), (SASL_PASSWORD, "account")):
            users: dict[str, list[str]] = defaultdict(list)
            for domain, row in self._rows[path].items():
                users[row.key].append(domain)
            for key, domains in users.items():
                if len({self._rows[path][domain].value for domain in domains}) > 1:
                    raise Problem(
                        f"its mail leaves by the next hop {key} as does that of {', '.join(sorted(domains)[1:])}, but each has"
                        f" another {what}, and Postfix knows only one for a next hop",
                        "give them the same one, or another relay_host",
                        subject=f"domain {sorted(domains)[0]}",
                        option="tls" if path == TLS_POLICY else "username",
                    )

    def _outcome(self, domain: str) -> DomainOutcome:
        words_for = {TRANSPORT: "route", TLS_POLICY: "TLS policy", SASL_PASSWORD: "account"}
        reasons = []
        for path, what in words_for.items():
            old, new = self._before[path].get(domain), self._rows[path].get(domain)
            if old == new:
                continue
            if path == SASL_PASSWORD:  # its value is never shown
                reasons.append(f"{what}: {'removed' if new is None else 'set' if old is None else 'changed'}")
            else:
                reasons.append(f"{what}: {self._said(old)} -> {self._said(new)}")
        policy = self._rows[TLS_POLICY].get(domain)
        return DomainOutcome(domain, policy.key if policy else "", "; ".join(reasons))

    @staticmethod
    def _said(row: Optional[Row]) -> str:
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
            if ours not in listed:
                # first, since the first table that knows a key decides
                wanted[name] = ", ".join([ours, *listed])
        if self._rows[SASL_PASSWORD]:
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
            table.change(path, rows, self._map_type, secret=path == SASL_PASSWORD)
            for path, rows in self._rows.items()
            if rows or self._before[path]
        ]
