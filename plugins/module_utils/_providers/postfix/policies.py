# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS policies by next hop, as smtp(8) looks them up (TLS_README, "TLS policy table")."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Rows
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import (
    answers,
    parents_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

TABLES = "smtp_tls_policy_maps"


DEMANDING = frozenset({"encrypt", "verify", "secure", "fingerprint", "dane-only"})
_PROTOCOLS, _EXCLUDED, _MATCH, _SERVER_NAME = "protocols=", "exclude=", "match=", "servername="


@dataclass(frozen=True)
class Policy:
    """What a row says of a next hop.

    Attributes:
        level: the level.
        match: names, words that stand for names, or digests.
        server_name: the name that is told (SNI); empty for main.cf's.
        protocols: the versions of TLS, as a list of Postfix'; empty for main.cf's.
        excluded: what is taken out of the cipher suites, in OpenSSL's words; None for main.cf's.
    """

    level: str
    match: tuple[str, ...] = ()
    server_name: str = ""
    protocols: str = ""
    excluded: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, value: str) -> Policy:
        """From a row of the TLS policy table."""
        level, *attributes = words(value) or [""]
        between = r"\|" if level == "fingerprint" else r"[:|]"  # a fingerprint has colons in it

        def given(name: str) -> list[str]:
            return [one[len(name) :] for one in attributes if one.lower().startswith(name)]

        excluded = given(_EXCLUDED)
        return cls(
            level,
            tuple(name for one in given(_MATCH) for name in re.split(between, one)),
            "".join(given(_SERVER_NAME)[-1:]),
            "".join(given(_PROTOCOLS)[-1:]),
            words_of_exclusion(excluded[-1]) if excluded else None,
        )

    @property
    def demands_tls(self) -> bool:
        """Whether mail never leaves in clear text."""
        return self.level in DEMANDING

    @property
    def value(self) -> str:
        """The row."""
        # a fingerprint has colons in it
        match = ("|" if self.level == "fingerprint" else ":").join(self.match)
        attributes = (
            (_MATCH, match),
            (_SERVER_NAME, self.server_name),
            (_PROTOCOLS, ":".join(words(self.protocols))),
            (_EXCLUDED, ":".join(self.excluded or ())),
        )
        return " ".join([self.level, *(f"{name}{text}" for name, text in attributes if text)])


def words_of_exclusion(value: str) -> tuple[str, ...]:
    """The words of a list of what is taken out of the cipher suites (smtp_tls_mandatory_exclude_ciphers)."""
    return tuple(words(value.replace(":", " ")))


def policy_of(policy: DomainPolicy) -> Policy:
    """A declared policy as the TLS policy table has it, but for its strength."""
    return Policy(policy.tls, policy.fingerprints or policy.match, policy.servername)


def by_key(rows: Rows) -> dict[str, Policy]:
    """The policies in a table of ours."""
    values = {row.key: row.value for several in rows.values() for row in several}
    return {key: Policy.parse(value) for key, value in values.items()}


def keys_of(next_hop: str) -> list[str]:
    """What smtp(8) looks a next hop's policy up by: parents count only where it is a bare domain."""
    bare = not next_hop.startswith("[") and ":" not in next_hop
    return [next_hop, *("." + one for one in parents_of(next_hop) if bare)]


def policies_of_others(host: Host, expanded: Callable[[str], str], next_hops: Collection[str]) -> dict[str, Policy]:
    """What foreign tables say of next hops."""
    found: dict[str, Policy] = {}
    keys = sorted({key for one in next_hops for key in keys_of(one)})
    for one in words(expanded(TABLES)) if keys else ():
        if one.endswith(":" + TLS_POLICY) or one.startswith("socketmap:"):  # these would ask all the world
            continue
        told = answers(host, one, keys)
        for next_hop in next_hops:
            value = next((told[key] for key in keys_of(next_hop) if key in told), None)
            if value:
                found.setdefault(next_hop, Policy.parse(value))
    return found
