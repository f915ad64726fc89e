# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain security of one host: parse -> read -> plan -> apply, for the daemon that sends its mail."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._coverage import uncovered
from ansible_collections.postmaster.secure_channel.plugins.module_utils._dnsnames import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy, SaslAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import (
    DomainProvider,
    Provider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._transaction import Transaction

_SUBMISSIONS_PORT = 465


def parse(element: Mapping[str, Any]) -> DomainPolicy:
    """One object of the module as a policy.

    Raises:
        Problem: the options contradict each other.
    """
    try:
        domain = ascii_name(element["domain"], "domain")
    except Problem as exc:
        raise exc.about(subject=f"domain {element['domain']}") from exc
    policy = DomainPolicy(
        domain=domain,
        tls=element["tls"],
        match=tuple(element["match"] or ()),
        relay_host=(element["relay_host"] or "").lower(),
        relay_port=element["relay_port"],
        account=_account(element, f"domain {domain}"),
        present=element["state"] == "present",
    )
    _check(policy)
    return policy


def _account(element: Mapping[str, Any], subject: str) -> SaslAccount | None:
    username, password = element["username"], element["password"]
    if username is None and password is None:
        return None
    if username is None or password is None:
        missing = "username" if username is None else "password"
        raise Problem(
            f"the account has no {missing}",
            "give both; a blank password is given as an empty string",
            subject=subject,
            option=missing,
        )
    if not username or ":" in username or re.search(r"[\r\n\0]", username) or username != username.strip():
        raise Problem(
            "the user name is empty, has a colon, a line break, or white space around it",
            "give the name as the other server knows it",
            subject=subject,
            option="username",
        )
    if re.search(r"[\r\n\0]", password) or password != password.strip():
        raise Problem(
            "the password has a line break, or white space around it, which the lookup table cannot hold",
            "choose another password",
            subject=subject,
            option="password",
        )
    return SaslAccount(username, password)


def _is_host(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return re.fullmatch(r"[a-z0-9._-]+", name) is not None
    return True


def _check(policy: DomainPolicy) -> None:
    """Refuse what contradicts itself."""
    if policy.domain.startswith("*"):
        raise Problem(
            f"{policy.domain} is a pattern, not a domain",
            "name each domain; a certificate's names go into match",
            subject=policy.title,
            option="domain",
        )
    if policy.match and not policy.authenticated:
        raise Problem(
            f"names are given to match, but the level {policy.tls} does not look at the peer's name",
            "set tls to secure or verify, or leave match out",
            subject=policy.title,
            option="match",
        )
    if any(not re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in policy.match):
        raise Problem(
            f"{', '.join(policy.match)} are not all host names",
            "give host names, or a domain with a leading full stop for all names below it",
            subject=policy.title,
            option="match",
        )
    if policy.account and not policy.encrypted:
        raise Problem(
            f"the account's password could cross the wire in clear text at the level {policy.tls}",
            "set tls to encrypt, verify or secure",
            subject=policy.title,
            option="tls",
        )
    if not policy.relay_host and policy.relay_port != 25:
        raise Problem(
            "a port is given without a host", "give relay_host too", subject=policy.title, option="relay_port"
        )
    if policy.relay_host and not _is_host(policy.relay_host):
        raise Problem(
            f"{policy.relay_host!r} is not a host name or an address",
            "give it without brackets and without a port",
            subject=policy.title,
            option="relay_host",
        )
    if not 1 <= policy.relay_port <= 65535 or policy.relay_port == _SUBMISSIONS_PORT:
        raise Problem(
            f"mail cannot be sent to port {policy.relay_port}: only ports with STARTTLS can be used",
            "use port 587 or 25",
            subject=policy.title,
            option="relay_port",
        )


@dataclass
class Outcome:
    """What a call did, or would do in check mode.

    Attributes:
        domains: for each domain ``domain``, ``next_hop``, ``tls``, ``authenticated``, ``changed`` and ``reason``.
        files: paths written.
        diff: entries for the module's diff.
        provider: the daemon.
        uncovered: virtual servers that let this host's own users in in clear text, while mail to others must be
            encrypted.
        warnings: what the administrator should know.
    """

    provider: str
    domains: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def _sender(providers: Mapping[str, Provider]) -> DomainProvider:
    """The daemon that sends this host's mail."""
    for provider in providers.values():
        if isinstance(provider, DomainProvider):
            if not provider.running():
                raise Problem(
                    f"{provider.name} is installed but does not run",
                    f"start it ('systemctl start {provider.name}') and run again",
                )
            return provider
    raise Problem("no daemon that sends mail is installed on this host", "install one (Debian: apt install postfix)")


def _refuse_doubles(policies: Sequence[DomainPolicy]) -> None:
    seen = set()
    for policy in policies:
        if policy.domain in seen:
            raise Problem(
                "it is declared twice", "keep one of the two declarations", subject=policy.title, option="domain"
            )
        seen.add(policy.domain)


def secure_domains(
    host: Host,
    providers: Mapping[str, Provider],
    transaction: Transaction,
    policies: Sequence[DomainPolicy],
    *,
    purge: bool,
    ca_file: str,
) -> Outcome:
    """Make the host treat each remote domain as its policy says.

    Raises:
        Problem: it cannot be done; the host is as it was.
    """
    _refuse_doubles(policies)
    provider = _sender(providers)
    if ca_file and host.state(ca_file) is None and not transaction.check_mode:
        raise Problem(f"{ca_file} is not there", "name a file of CA certificates on the host", option="ca_file")
    plan = provider.plan_domains(policies, purge=purge, ca_file=ca_file)
    changes = needed(plan.changes, host)
    outcome = Outcome(
        provider=provider.name,
        files=[change.path for change in changes],
        diff=[change.diff(host) for change in changes],
        warnings=list(plan.warnings),
    )
    by_domain = {policy.domain: policy for policy in policies}
    for one in plan.outcomes:
        policy = by_domain.get(one.domain)
        present = policy is not None and policy.present
        outcome.domains.append(
            {
                "domain": one.domain,
                "next_hop": one.next_hop,
                "tls": policy.tls if policy and present else "",
                "authenticated": bool(policy and present and policy.authenticated),
                "changed": bool(one.reason),
                "reason": one.reason or "as desired",
            }
        )
        if policy and present and not policy.authenticated:
            outcome.warnings.append(
                f"mail to {policy.domain} is unauthenticated at the level {policy.tls}:"
                " whoever can redirect it can read it"
            )
    if any(policy.present and policy.encrypted for policy in policies):
        outcome.uncovered, silent = uncovered(providers.values())
        if outcome.uncovered:
            outcome.warnings.append(
                "mail to others must be encrypted, but users of this host use it in clear text:"
                f" {', '.join(outcome.uncovered)}; require the secure channel with mail_vserver_tls"
            )
        outcome.warnings += [f"whether users use this host in clear text is not known ({one})" for one in silent]
    if changes:
        transaction.apply(changes, [provider])
    return outcome
