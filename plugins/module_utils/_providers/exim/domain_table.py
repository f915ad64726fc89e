# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Exim demands of other hosts when it sends mail: policies as entries of our tables, by recipients' domain.

Unlike Postfix' tables these are looked up by the domain itself, and our routers send its mail the way that Debian's
would. So an entry holds for its domain alone, whatever else leaves by the same host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    EVERYTHING,
    DomainPolicy,
    SaslAccount,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import lsearch as table
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    ACCOUNTS,
    DOMAINS,
    HUBBED_HOSTS,
    RECONFIGURE,
    SETTINGS,
    TEMPLATE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.smarthost import Smarthost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainOutcome

_SHARED = ("host", "port", "tls", "account", "clear")  # what an entry may have from the one for all mail
_ENCRYPTED = ("encrypt", "verify", "secure", "fingerprint", "dane-only")


def names_expression(names: Sequence[str]) -> str:
    """A regular expression for the lines of a certificate's names, one of which must be among these.

    Args:
        names: host names, of which a wildcard certificate may cover the first label; or domains with a leading full
            stop, which stand for all names below them. Without any the expression is empty.
    """
    if not names:
        return ""
    found = []
    for name in names:
        escaped = name.lower().replace(".", r"\.")
        if name.startswith("."):
            found.append(f".+{escaped}")
        else:
            found += [escaped, r"\*\." + escaped.partition(r"\.")[2]]
    return f"(?im)^(?:{'|'.join(found)})$"


def _without_shared(domain: str, fields: table.Fields) -> None:
    """Take out of an entry what it has from the one for all mail."""
    if fields.pop("shared", ""):
        own = ("account", "clear") if fields.get("account") == domain else ()
        for name in set(_SHARED) - set(own):
            fields.pop(name, None)


class DomainEntries:
    """Our two tables.

    Args:
        host: the machine.
        expand: gives what Exim makes of expressions, one each.
        smarthost: where mail goes that no entry sends elsewhere.
    """

    def __init__(self, host: Host, expand: Callable[[Sequence[str]], list[str]], smarthost: Smarthost) -> None:
        self._host = host
        self._expand = expand
        self._smarthost = smarthost
        self._hubs: dict[str, Smarthost] = {}
        self._before = {
            DOMAINS: table.parse(host.read_text(DOMAINS), DOMAINS, "level"),
            ACCOUNTS: table.parse(host.read_text(ACCOUNTS), ACCOUNTS, "user"),
        }
        self.former = self._before[DOMAINS]
        self.entries = {domain: dict(fields) for domain, fields in self.former.items()}
        self.accounts = {domain: dict(fields) for domain, fields in self._before[ACCOUNTS].items()}

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool) -> list[DomainOutcome]:
        """Enter the policies into the table.

        Raises:
            Problem: a policy could never apply, or contradicts another one.
        """
        named = {policy.domain for policy in policies}
        gone = set(self.entries) - named if purge else set()
        gone |= {policy.domain for policy in policies if not policy.present}
        for domain in gone:
            self.entries.pop(domain, None)
            self.accounts.pop(domain, None)
        present = [policy for policy in policies if policy.present]
        self._refuse_ours(present)
        for domain, fields in self.entries.items():
            _without_shared(domain, fields)
        for policy in present:
            self._put(policy)
        self._find_hubs()
        self._share()
        self._refuse_nowhere()
        everything = [*(policy.domain for policy in policies), *sorted(gone - named)]
        return [self._outcome(domain) for domain in everything]

    def _refuse_ours(self, present: Sequence[DomainPolicy]) -> None:
        """Raise Problem where mail of a domain stays on this host."""
        named = [policy for policy in present if policy.domain != EVERYTHING]
        answers = self._expand(
            [f"${{if match_domain{{{policy.domain}}}{{+local_domains}}{{here}}{{away}}}}" for policy in named]
        )
        for policy, answer in zip(named, answers):
            if answer == "here":
                raise Problem(
                    "its mail is delivered on this host and never relayed",
                    "remove this entry, or remove the domain from dc_other_hostnames",
                    subject=policy.title,
                    option="domain",
                )

    def _find_hubs(self) -> None:
        """The hosts that Debian's file of exceptions names for domains without a host of their own."""
        named = [one for one, fields in self.entries.items() if one != EVERYTHING and not fields.get("host")]
        if self._host.state(HUBBED_HOSTS) is not None:
            answers = self._expand([f"${{lookup{{{domain}}}partial-lsearch{{{HUBBED_HOSTS}}}}}" for domain in named])
            self._hubs = {name: Smarthost.from_route(answer) for name, answer in zip(named, answers) if answer}

    def _usual(self, domain: str) -> Smarthost:
        """The way of a domain's mail that no entry sends elsewhere."""
        return self._hubs.get(domain, self._smarthost)

    # ---- entries

    def _put(self, policy: DomainPolicy) -> None:
        fields = {"level": policy.tls}
        if policy.subdomains:
            fields["subdomains"] = "yes"
        if policy.relay_host:
            host = f"[{policy.relay_host}]" if ":" in policy.relay_host else policy.relay_host
            fields.update(host=host, port=str(policy.relay_port))
        if policy.implicit_tls:
            fields["tls"] = "implicit"
        names = policy.match
        if policy.tls == "secure" and not names and policy.relay_host:
            names = (policy.relay_host, "." + policy.relay_host)
        if names:
            fields.update(match=":".join(names), names=names_expression(names))
        if policy.encrypted:
            fields["strength"] = policy.strength
        if policy.require_128_bit:
            fields["bits"] = "128"
        if policy.fingerprints:
            fields["prints"] = ":".join(one.replace(":", "") for one in policy.fingerprints)
        self.accounts.pop(policy.domain, None)
        if policy.account:
            self._put_account(policy, policy.account, fields)
        self.entries[policy.domain] = fields

    def _put_account(self, policy: DomainPolicy, account: SaslAccount, fields: table.Fields) -> None:
        if not policy.relay_host and (policy.subdomains or policy.domain == EVERYTHING) and not self._smarthost.hosts:
            raise Problem(
                "an account belongs to one host, and there is no single host that receives all of this mail",
                "give relay_host",
                subject=policy.title,
                option="username",
            )
        fields["account"] = policy.domain
        if policy.auth_cleartext and not policy.encrypted:
            fields["clear"] = "yes"
        wanted = table.account_fields(account)
        before = self._before[ACCOUNTS].get(policy.domain, {})
        old = dict(self._before[DOMAINS].get(policy.domain, {}))
        _without_shared(policy.domain, old)
        same_host = all(old.get(name) == fields.get(name) for name in ("host", "port"))
        if policy.keep_password and same_host and before.get("user") == wanted["user"]:
            wanted = dict(before)
        self.accounts[policy.domain] = wanted

    def _share(self) -> None:
        """Where the entry for all mail names a host, all mail goes there but that of entries with one of their own."""
        way = self.entries.get(EVERYTHING, {})
        for domain, fields in self.entries.items():
            if fields.get("host"):
                continue
            shared = {"tls": "implicit"} if self._usual(domain).implicit_tls else {}
            if way.get("host") and domain not in self._hubs:
                shared = {name: way[name] for name in _SHARED if name in way}
            fields.update({name: value for name, value in shared.items() if name not in fields}, shared="yes")
            self._refuse_unencrypted(domain, fields)
            hosts = (fields["host"].strip("[]"),) if fields.get("host") else self._usual(domain).hosts
            if fields["level"] == "secure" and not fields.get("match"):
                fields.pop("names", "")  # behind the others, where it stands in the next run as well
                fields["names"] = names_expression([name for host in hosts for name in (host, "." + host)])
            if not fields.get("names"):
                fields.pop("names", None)

    @staticmethod
    def _refuse_unencrypted(domain: str, fields: table.Fields) -> None:
        needs = fields.get("tls") == "implicit" or ("account" in fields and "clear" not in fields)
        if needs and fields["level"] not in _ENCRYPTED:
            raise Problem(
                "the host that takes all mail is given a password, or begins with TLS;"
                f" the level {fields['level']} does not go together with that",
                "set tls to encrypt or more, or give a relay_host of its own",
                subject=f"domain {domain}",
                option="tls",
            )

    def _refuse_nowhere(self) -> None:
        """Raise Problem where this host sends no mail, and an entry does not say where to."""
        for domain, fields in self.entries.items():
            if self._usual(domain).none and not fields.get("host"):
                raise Problem(
                    "this host sends no mail to other hosts, or by routers of your own alone (dc_eximconfig_configtype"
                    f" in {SETTINGS} is neither 'internet', 'smarthost' nor 'satellite', or {TEMPLATE} lacks the line"
                    " UPEX4CmacrosUPEX4C)",
                    f"set relay_host, or have the host send mail: run '{RECONFIGURE}'",
                    subject=f"domain {domain}",
                    option="domain",
                )

    # ---- results

    def _outcome(self, domain: str) -> DomainOutcome:
        before, after = self._before[DOMAINS].get(domain, {}), self.entries.get(domain, {})
        reasons = []
        if self._way(before) != self._way(after):
            reasons.append(f"route: {self._way(before) or 'none'} -> {self._way(after) or 'none'}")
        old, new = (self._policy(domain, fields) for fields in (before, after))
        if old != new:
            reasons.append(f"TLS policy: {old or 'none'} -> {new or 'none'}")
        accounts = [self._before[ACCOUNTS].get(domain), self.accounts.get(domain)]
        if accounts[0] != accounts[1]:  # its value is never shown
            reasons.append(f"account: {'removed' if not accounts[1] else 'changed' if accounts[0] else 'set'}")
        if before != after and not reasons:
            reasons.append("entry: brought up to date")
        others = ("." + domain,) if after.get("subdomains") and domain != EVERYTHING else ()
        return DomainOutcome(domain, self._next_hop(domain, after), "; ".join(reasons), others)

    def _next_hop(self, domain: str, fields: table.Fields) -> str:
        if not fields:
            return ""
        return self._way(fields) or self._usual(domain).next_hop or domain

    @staticmethod
    def _way(fields: table.Fields) -> str:
        """The host that an entry sends mail to, as mail_domain_security writes it."""
        if not fields.get("host"):
            return ""
        return f"[{fields['host'].strip('[]')}]:{fields['port']}"

    def _policy(self, domain: str, fields: table.Fields) -> str:
        if not fields:
            return ""
        words = [f".{domain}"] if fields.get("subdomains") else []
        words += [fields["level"]]
        words += [
            f"{word}={fields[name]}"
            for name, word in (("match", "match"), ("prints", "match"), ("strength", "strength"), ("bits", "bits"))
            if name in fields
        ]
        return " ".join([self._next_hop(domain, fields), *words])

    def levels(self) -> dict[str, str]:
        """The level of each domain that has one."""
        return {domain: fields["level"] for domain, fields in self.entries.items()}

    def changes(self) -> list[FileChange]:
        """The tables as files."""
        return [
            table.change(path, rows, secret=path == ACCOUNTS)
            for path, rows in ((DOMAINS, self.entries), (ACCOUNTS, self.accounts))
            if rows or self._host.state(path) is not None
        ]
