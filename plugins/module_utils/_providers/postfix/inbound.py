# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Postfix demands of sessions that claim to be a partner's (access(5), postconf(5), RESTRICTION_CLASS_README).

Clear text is refused by ``reject_plaintext_session``, first in smtpd_sender_restrictions: what comes behind it still
counts. A certificate can only be demanded with a ``permit`` for the right one and a refusal behind that. A permit ends
its list; so this comes last, in smtpd_data_restrictions, where nothing is skipped by it.

Domains and host names are matched by regular expressions: an indexed table would take names below a domain for the
domain itself wherever parent_domain_matches_subdomains says so, as it does by default.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy, InboundRequirement
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import unicode_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import lookup_table as table
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.inbound_services import (
    refuse_dangling,
    refuse_unreached,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Row
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import INBOUND, MAIN_CF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainOutcome
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

SENDER_LIST, DATA_LIST = "smtpd_sender_restrictions", "smtpd_data_restrictions"
CLASSES = "smtpd_restriction_classes"
_CLASS = "postmaster_inbound_"
_TLS_CLASS = f"{_CLASS}tls"
_NO_CERTIFICATE = "check_client_access static:{450 4.7.1 The certificate of this partner is required}"
# kind of key: type of the table, and what asks it
_KINDS = {
    "senders": ("regexp", "check_sender_access"),
    "clients": ("cidr", "check_client_access"),
    "client_names": ("regexp", "check_client_access"),
}
_CERTIFIED = "_certified"
# Mail that this host hands in to itself crosses no wire: so content filters give it back, in clear text.
_HERE = ("127.0.0.0/8", "::1")
_FROM_ELSEWHERE, _FROM_HERE = f"{INBOUND}from_elsewhere", f"{INBOUND}from_here"
_FIXED: Mapping[str, str] = {  # tables in which the first row that fits decides
    _FROM_ELSEWHERE: "".join(f"{one} DUNNO\n" for one in _HERE)
    + "".join(f"{one} reject_plaintext_session\n" for one in ("0.0.0.0/0", "::/0")),
    _FROM_HERE: "".join(f"{one} permit\n" for one in _HERE),
}
TABLES: Mapping[str, tuple[str, str, str]] = {  # by path: type, what asks it, and in which list
    f"{INBOUND}{kind}{suffix}": (*how, where)
    for suffix, where in (("", SENDER_LIST), (_CERTIFIED, DATA_LIST))
    for kind, how in _KINDS.items()
}


def _keys(policy: DomainPolicy, demand: InboundRequirement) -> Iterator[tuple[str, str]]:
    """Kind and key of all that stands for a partner."""
    before = "[@.]" if policy.subdomains else "@"
    for name in dict.fromkeys((policy.domain, unicode_name(policy.domain))):
        # Postfix takes a final full stop for part of the domain
        yield "senders", rf"/{before}{_escaped(name)}\.?$/"
    for network in demand.networks:
        yield "clients", network
    for host in demand.hosts:
        yield "client_names", f"/{'' if host.startswith('.') else '^'}{_escaped(host)}$/"


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")


def _class_of(domain: str) -> str:
    """The name of the restriction class for a partner's certificate."""
    return f"{_CLASS}{re.sub('[^a-z0-9]', '_', domain)}_{hashlib.sha256(domain.encode()).hexdigest()[:8]}"


def without_ours(value: Sequence[str]) -> list[str]:
    """A list of restrictions without those that ask our tables."""
    found: list[str] = []
    for one in value:
        if one.partition(":")[2] in TABLES:
            del found[-1:]
        else:
            found.append(one)
    return found


def with_reasons(outcomes: Sequence[DomainOutcome], reasons: Mapping[str, str]) -> list[DomainOutcome]:
    """Outcomes with more reasons why something changes, by domain."""
    named = {one.domain for one in outcomes}
    joined = [
        replace(one, reason="; ".join(filter(None, (one.reason, reasons.get(one.domain, ""))))) for one in outcomes
    ]
    return [*joined, *(DomainOutcome(domain, "", reason) for domain, reason in reasons.items() if domain not in named)]


class Inbound:
    """Our tables, and the lists of restrictions that name them.

    Args:
        host: the machine.
        settings: main.cf.
        expanded: answers a parameter's value as it is, with the parameters it names put in.
        master: content of master.cf.
    """

    def __init__(self, host: Host, settings: Settings, expanded: Callable[[str], str], master: str) -> None:
        self._host = host
        self._settings = settings
        self._expanded = expanded
        self._services = master_cf.services(master)
        self._before = {path: table.parse(host.read_text(path)) for path in TABLES}
        self.rows = {path: dict(rows) for path, rows in self._before.items()}

    def plan(self, policies: Sequence[DomainPolicy], *, purge: bool) -> dict[str, str]:
        """Enter the requirements into tables and main.cf; returns why something changes, by domain.

        Raises:
            Problem: a demand would have no effect, or let nobody in.
        """
        named = {policy.domain for policy in policies}
        classes = {
            name: self._settings.value(name) for name in words(self._settings.value(CLASSES)) if name.startswith(_CLASS)
        }
        before = dict(classes)
        for rows in self.rows.values():
            for domain in [one for one in rows if one in named or purge]:
                del rows[domain]
                classes.pop(_class_of(domain), None)
        for policy in policies:
            if policy.present and policy.inbound:
                self._put(policy, policy.inbound, classes)
        self._refuse_contradictions()
        classes.pop(_TLS_CLASS, None)
        if any(self.rows.values()):
            classes[_TLS_CLASS] = f"check_client_access cidr:{_FROM_ELSEWHERE}"
        self._name_in_main_cf(classes)
        domains = {domain for tables in (self._before, self.rows) for rows in tables.values() for domain in rows}
        return {
            domain: reason
            for domain in sorted(domains)
            for reason in (self._reason(domain, before, classes),)
            if reason
        }

    def _put(self, policy: DomainPolicy, demand: InboundRequirement, classes: dict[str, str]) -> None:
        suffixes = {"": _TLS_CLASS}
        if demand.fingerprints:
            name = _class_of(policy.domain)
            good = ", ".join(f"{{{one} = permit}}" for one in demand.fingerprints)
            ours = f"check_client_access cidr:{_FROM_HERE}, check_ccert_access inline:{{ {good} }}"
            classes[name] = f"{ours}, {_NO_CERTIFICATE}"
            suffixes[_CERTIFIED] = name
        for suffix, result in suffixes.items():
            rows: dict[str, list[Row]] = {}
            for kind, key in _keys(policy, demand):
                rows.setdefault(f"{INBOUND}{kind}{suffix}", []).append(Row(key, result))
            for path, wanted in rows.items():
                self.rows[path][policy.domain] = tuple(sorted(set(wanted), key=lambda row: (row.key, row.value)))

    def _refuse_contradictions(self) -> None:
        """Of two rows that fit a session only the first one counts."""
        path = f"{INBOUND}clients{_CERTIFIED}"
        found = [(ipaddress.ip_network(row.key), domain) for domain, rows in self.rows[path].items() for row in rows]
        found.sort(key=lambda one: (one[0].version, one[0]))
        outer: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]] = []
        for network, domain in found:
            while outer and not (
                outer[-1][0].version == network.version and network.subnet_of(outer[-1][0])  # type: ignore[arg-type]
            ):
                outer.pop()
            other = next((whose for _one, whose in outer if whose != domain), "")
            if other:
                raise Problem(
                    f"the address {network} is {other}'s too, and each of them must show a certificate of its own",
                    "give partners that must show certificates addresses of their own",
                    subject=f"domain {domain}",
                    option="inbound",
                )
            outer.append((network, domain))

    # ---- main.cf

    def _name_in_main_cf(self, classes: Mapping[str, str]) -> None:
        used = {path for path, rows in self.rows.items() if rows}
        asking = {
            where: [
                one
                for path, (kind, asks, its_list) in TABLES.items()
                if its_list == where and path in used
                for one in (asks, f"{kind}:{path}")
            ]
            for where in (SENDER_LIST, DATA_LIST)
        }
        refuse_dangling(self._services, set(TABLES) - used)
        if used:
            wanted = {where: ours for where, ours in asking.items() if ours}
            refuse_unreached(self._services, self._expanded, wanted, certificates=self._certified)
        theirs = without_ours(words(self._settings.value(SENDER_LIST)))
        self._become(SENDER_LIST, [*asking[SENDER_LIST], *theirs], theirs, ours=bool(asking[SENDER_LIST]))
        theirs = without_ours(words(self._settings.value(DATA_LIST)))
        if asking[DATA_LIST]:
            self._refuse_permits(theirs)
        self._become(DATA_LIST, [*theirs, *asking[DATA_LIST]], theirs, ours=bool(asking[DATA_LIST]))
        theirs = [one for one in words(self._settings.value(CLASSES)) if not one.startswith(_CLASS)]
        self._become(CLASSES, [*theirs, *sorted(classes)], theirs, ours=bool(classes))
        for name in [one for one in self._settings.noted if one.startswith(_CLASS) and one not in classes]:
            self._settings.put_back(name)
        for name, value in sorted(classes.items()):
            self._settings.set(name, value)
        self._ask_for_certificates(wanted=self._certified)

    @property
    def _certified(self) -> bool:
        """Whether any partner must show a certificate."""
        return any(rows for path, rows in self.rows.items() if path.endswith(_CERTIFIED))

    def _become(self, name: str, wanted: Sequence[str], theirs: Sequence[str], *, ours: bool) -> None:
        if ours:
            self._settings.set(name, ", ".join(wanted))
        else:
            self._settings.leave(name, theirs)

    def _refuse_permits(self, theirs: Sequence[str]) -> None:
        risky = [one for one in theirs if re.match("permit|check_", one)]
        if risky:
            raise Problem(
                f"{DATA_LIST} has {risky[0]}, which may accept mail before the client's certificate has been checked",
                f"move that to another list, such as smtpd_recipient_restrictions, in {MAIN_CF}",
                option=MAIN_CF,
            )

    def _ask_for_certificates(self, *, wanted: bool) -> None:
        settings, digest, ask = self._settings, "smtpd_tls_fingerprint_digest", "smtpd_tls_ask_ccert"
        if not wanted:
            for name in {digest, ask}.intersection(settings.noted):
                settings.put_back(name, "no" if name == ask else "")
            return
        if self._expanded(digest) != "sha256":
            if settings.written(digest):
                raise Problem(
                    f"{digest} is {self._expanded(digest)}, while fingerprints are given as SHA-256",
                    f"remove {digest} from {MAIN_CF}, and recompute the fingerprints in other tables",
                    option=MAIN_CF,
                )
            settings.set(digest, "sha256")
        settings.set(ask, "yes")

    # ---- results

    def _reason(self, domain: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
        was, is_now = ([tables[path].get(domain, ()) for path in TABLES] for tables in (self._before, self.rows))
        name = _class_of(domain)
        if was == is_now and before.get(name) == after.get(name):
            return ""
        return f"inbound: {'removed' if not any(is_now) else 'set' if not any(was) else 'changed'}"

    def changes(self) -> list[FileChange]:
        """The tables as files."""
        used = {_FROM_ELSEWHERE: any(self.rows.values()), _FROM_HERE: self._certified}
        fixed = [
            FileChange(path, f"{heading()}{text}".encode() if used[path] else None, "root", "root", 0o600)
            for path, text in _FIXED.items()
            if used[path] or self._host.state(path) is not None
        ]
        return fixed + [
            table.change(path, rows, TABLES[path][0])
            for path, rows in self.rows.items()
            if rows or self._host.state(path) is not None
        ]
