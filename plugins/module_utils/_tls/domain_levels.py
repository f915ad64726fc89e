# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the levels of domain security compare, and what to warn of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several

LEVELS = ("none", "may", "encrypt", "verify", "secure", "fingerprint", "dane", "dane-only")
# dane is may where the peer publishes nothing; verify trusts a name from DNS; the last three authenticate the peer
_RANK = {"none": 0, "may": 1, "dane": 2, "encrypt": 3, "verify": 4, "secure": 5, "fingerprint": 5, "dane-only": 5}
WITH_DANE = ("dane", "dane-only")
_WHY = {
    "dane": "where its servers publish no TLSA records, any server is accepted and mail may leave in clear text",
}
_ANYONE = "whoever can redirect it can read it"


def weaker(level: str, default: str) -> bool:
    """Whether a level protects less than another."""
    return _RANK.get(level, 0) < _RANK.get(default, 0)


def shadows_dane(level: str, default: str) -> bool:
    """Whether this level keeps a peer's TLSA records from being used."""
    return default in WITH_DANE and level not in WITH_DANE


def unauthenticated(policies: Sequence[DomainPolicy]) -> list[str]:
    """One warning for each level that does not authenticate the peer."""
    by_level: dict[str, list[str]] = defaultdict(list)
    for policy in policies:
        if policy.present and not policy.authenticated:
            by_level[policy.tls].append("all other domains" if policy.domain == EVERYTHING else policy.domain)
    return [
        f"mail to {several(domains)} is unauthenticated at the level {level}: {_WHY.get(level, _ANYONE)}"
        for level, domains in by_level.items()
    ]


def exceptions(levels: Mapping[str, str], default: str) -> list[str]:
    """Warnings of entries that are weaker than the level of all other mail.

    Args:
        levels: the level of each entry, by domain.
        default: the level of all other mail.
    """
    named = {domain: level for domain, level in levels.items() if domain != EVERYTHING}
    less = [domain for domain, level in named.items() if weaker(level, default)]
    hidden = [domain for domain, level in named.items() if shadows_dane(level, default)]
    found = []
    if less:
        found.append(f"mail to {several(less)} is protected less than other mail, which has the level {default}")
    if hidden:
        found.append(
            f"the entries for {several(hidden)} override the level {default} of other mail: TLSA records of these"
            " domains are not used"
        )
    return found
