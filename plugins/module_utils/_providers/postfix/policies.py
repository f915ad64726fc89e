# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS policies by next hop, as smtp(8) looks them up (TLS_README, "TLS policy table")."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lookup_table import Rows
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import TLS_POLICY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.routing import (
    answers,
    parents_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import words

TABLES = "smtp_tls_policy_maps"


@dataclass(frozen=True)
class Policy:
    """A level, what it matches (names, words that stand for names, or digests), and the name that is told (SNI)."""

    level: str
    match: tuple[str, ...]
    server_name: str = ""

    @classmethod
    def parse(cls, value: str) -> Policy:
        """From a row of the TLS policy table."""
        level, *attributes = value.split() or [""]
        between = r"\|" if level == "fingerprint" else r"[:|]"  # a fingerprint has colons in it
        given = (one[len("match=") :] for one in attributes if one.startswith("match="))
        told = [one[len("servername=") :] for one in attributes if one.startswith("servername=")]
        return cls(level, tuple(name for one in given for name in re.split(between, one)), "".join(told[-1:]))


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
