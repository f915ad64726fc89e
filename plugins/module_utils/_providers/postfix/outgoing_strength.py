# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How strong TLS must be where it is demanded of others: a strength in the words of Postfix' client.

Source: postconf(5), smtp_tls_policy_maps (protocols, exclude) and the parameters in whose place these attributes stand,
smtp_tls_mandatory_protocols, smtp_tls_mandatory_exclude_ciphers and smtp_tls_exclude_ciphers. What the administrator
has in them is combined with the strength, so that no entry is weaker than no entry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import allowed_suites
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.demands import (
    DEFAULT_CIPHERS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.main_cf import assignments
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    Policy,
    words_of_exclusion,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    allows_no_more,
    expand,
    tls_versions,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.domain_levels import weaker
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.exclusions import (
    exclusions,
    leave_no_more,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

PROTOCOLS = "smtp_tls_mandatory_protocols"
EXCLUDED = "smtp_tls_mandatory_exclude_ciphers"
ALWAYS_EXCLUDED = "smtp_tls_exclude_ciphers"
GRADE = "smtp_tls_mandatory_ciphers"
DEFAULT_PROTOCOLS = ">=TLSv1"
_NOTHING = "eNULL"  # taken out at every level that demands TLS, so that it stands for a list without anything
_NEWEST = ("TLSv1.2", "TLSv1.3")


class OutgoingStrength:
    """The translation, for one host.

    Args:
        host: the machine.
        settings: main.cf as it will be.
        services: the services of master.cf that are an smtp(8), by name.
    """

    def __init__(self, host: Host, settings: Settings, services: Mapping[str, Service]) -> None:
        self._host = host
        self._settings = settings
        self._services = services

    def demanded(self, policy: DomainPolicy, row: Policy, transports: Collection[str]) -> Policy:
        """A row with the strength that is declared; as it is at a level that does not demand TLS.

        Args:
            policy: what is declared.
            row: its row.
            transports: the services by which its mail leaves.

        Raises:
            Problem: the administrator's own settings leave nothing of that strength.
        """
        if not row.demands_tls:
            return row
        strength = STRENGTHS[policy.strength]
        wanted = replace(row, protocols=f">=TLSv{strength.minimum}", excluded=exclusions(strength))
        found = self._combined(wanted, transports, policy.title)
        self._refuse_no_suites(policy, found)
        return found

    def kept(self, row: Policy, domain: str) -> Policy:
        """The row of an entry that is not declared in this call, with what rows of earlier releases lack."""
        return self.demanded(DomainPolicy(domain), row, ()) if not row.protocols else row

    def of_everything(self, policy: DomainPolicy) -> dict[str, str]:
        """The parameters of main.cf that have the strength of a policy for all outgoing mail."""
        row = self.demanded(policy, Policy(policy.tls), ())
        if not row.demands_tls:
            return {}
        found = {PROTOCOLS: row.protocols.replace(":", ", ")}
        return {**found, EXCLUDED: ", ".join(row.excluded)} if row.excluded else found

    def as_before(self, row: Policy) -> Policy:
        """A row with what main.cf has demanded before it was ours."""
        if not row.demands_tls:
            return row
        excluded = [word for name in (EXCLUDED, ALWAYS_EXCLUDED) for word in words_of_exclusion(self._own(name))]
        return replace(
            row,
            protocols=self._own(PROTOCOLS).replace(",", ":").replace(" ", "") or DEFAULT_PROTOCOLS,
            excluded=tuple(dict.fromkeys(excluded)) or (_NOTHING,),
        )

    # ---- the administrator's own

    def _own(self, name: str) -> str:
        """A parameter's value without us."""
        settings = self._settings
        ours = name in settings.noted and settings.value(name) == settings.kept(name)
        return expand(settings.before(name) if ours else settings.value(name), settings.value)

    def _values(self, name: str, transports: Collection[str]) -> Iterator[tuple[str, str]]:
        """A parameter's values without us, each with its place: main.cf's, and those of some services."""
        line = assignments(self._settings.text).get(name)
        yield self._own(name), f"{MAIN_CF} line {line.line}" if line else MAIN_CF
        for transport in sorted(set(transports) & set(self._services)):
            override = self._services[transport].overrides.get(name)
            if override:
                yield expand(override.value, self._settings.value), f"{MASTER_CF} line {override.line}"

    def _combined(self, row: Policy, transports: Collection[str], title: str) -> Policy:
        """A row that demands what it does and what the administrator does."""
        allowed = tls_versions(row.protocols)
        for value, place in self._values(PROTOCOLS, transports):
            common = [one for one in allowed if one in tls_versions(value)]
            if not common:
                raise Problem(
                    f"{place} sets {PROTOCOLS} to {value}, which has nothing in common with the strength of this entry"
                    f" ({', '.join(allowed)})",
                    "let that setting have more versions of TLS, or give the entry another strength",
                    subject=title,
                    option="strength",
                )
            allowed = tuple(common)
        own = [
            word
            for name in (EXCLUDED, ALWAYS_EXCLUDED)
            for value, _place in self._values(name, transports)
            for word in words_of_exclusion(value)
        ]
        excluded = tuple(dict.fromkeys((*(row.excluded or ()), *own)))
        return replace(row, protocols=_list_of(allowed), excluded=excluded or None)

    def _refuse_no_suites(self, policy: DomainPolicy, row: Policy) -> None:
        """Raise Problem where a list of the administrator's own leaves no cipher suite to send mail with."""
        name = f"tls_{self._settings.expanded(GRADE)}_cipherlist"
        own = self._settings.expanded(name)
        if not own or own.startswith(DEFAULT_CIPHERS) or not allowed_suites(self._host, own):
            return
        left = "".join(f":!{word}" for word in row.excluded or ())
        if not allowed_suites(self._host, own + left):
            raise Problem(
                f"{name} is {own}, which has nothing in common with strength {policy.strength}",
                f"remove it from {MAIN_CF}, or give the entry another strength",
                subject=policy.title,
                option="strength",
            )


def _list_of(versions: Collection[str]) -> str:
    """The newer versions of TLS as a list of Postfix'."""
    lowest = f">={min(versions)}"
    return lowest if _NEWEST[-1] in versions else f"{lowest}:<={max(versions)}"


def said(row: Policy) -> str:
    """A row in words that are short where it has just a strength."""
    bare = replace(row, protocols="", excluded=None).value
    excluded = set(row.excluded or ())
    for name, strength in STRENGTHS.items():
        if (row.protocols, excluded) == (f">=TLSv{strength.minimum}", set(exclusions(strength))):
            return f"{bare} strength={name}"
    return row.value


# ---- comparing


def demands_as_much(name: str, own: str, wanted: str) -> bool:
    """Whether a parameter's value for a service demands at least as much of TLS as the one that is wanted."""
    if name == PROTOCOLS:
        return allows_no_more(own, wanted)
    return name == EXCLUDED and leave_no_more(words_of_exclusion(own), words_of_exclusion(wanted))


def in_effect(row: Policy, value: Callable[[str], str]) -> Policy:
    """What a row demands, with what main.cf or a service says where the row is silent.

    Args:
        row: the row.
        value: answers a parameter's value.
    """
    if not row.demands_tls:
        return row
    usual = (word for name in (EXCLUDED, ALWAYS_EXCLUDED) for word in words_of_exclusion(value(name)))
    return replace(
        row,
        protocols=row.protocols or value(PROTOCOLS),
        excluded=tuple(dict.fromkeys(usual)) if row.excluded is None else row.excluded,
    )


def no_looser(row: Policy, other: Policy) -> bool:
    """Whether a row that is in effect allows no more versions of TLS and no more cipher suites than another one."""
    newest_only = allows_no_more(row.protocols, f">={_NEWEST[-1]}")
    suites = newest_only or leave_no_more(row.excluded or (), other.excluded or ())
    return suites and allows_no_more(row.protocols, other.protocols)


def least(policy: DomainPolicy) -> Policy:
    """The least that a row must have for the strength of a policy."""
    strength = STRENGTHS[policy.strength]
    return Policy(policy.tls, protocols=f">=TLSv{strength.minimum}", excluded=exclusions(strength))


def falls_short(row: Policy, policy: DomainPolicy) -> str:
    """What a row that is in effect demands, if that is less than what a policy does; empty where it is not.

    Args:
        row: a row of somebody else.
        policy: what is declared.
    """
    if weaker(row.level, policy.tls):
        return row.level or "none"
    if row.demands_tls and policy.encrypted and not no_looser(row, least(policy)):
        return f"{row.level} with less than strength {policy.strength}"
    return ""
