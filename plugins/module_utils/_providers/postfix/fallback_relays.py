# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that get the mail of a domain whose own hosts cannot be reached (postconf(5), smtp_fallback_relay).

smtp(8) looks up a TLS policy by the name of the fallback host then, not by that of the domain, so that what is demanded
for the domain would not be demanded of the host that gets its mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.main_cf import assignments
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.master_cf import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_settings import (
    Settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.outgoing_strength import (
    falls_short,
    in_effect,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.policies import (
    Policy,
    keys_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import (
    expand,
    words,
)

FALLBACK = "smtp_fallback_relay"


def refuse_weak_fallback(
    policies: Sequence[DomainPolicy],
    services: Iterable[Service],
    settings: Settings,
    ours: Mapping[str, Policy],
    others: Callable[[Sequence[str]], Mapping[str, Policy]],
) -> None:
    """Raise Problem where mail may leave by a fallback host with less TLS than one of the policies demands.

    Args:
        policies: all that are declared.
        services: those of master.cf by which mail of these domains leaves.
        settings: main.cf as it will be.
        ours: the rows of our TLS policy table.
        others: answers the policies that tables of others have for next hops.
    """
    demanding = [one for one in policies if one.encrypted and one.domain != EVERYTHING]
    if not demanding:
        return
    line = assignments(settings.text).get(FALLBACK)
    place = f"{MAIN_CF} line {line.line}" if line else MAIN_CF
    found = [(place, settings.expanded(FALLBACK))]  # our own services heed it, too
    for service in services:
        own = service.overrides.get(FALLBACK)
        if own:
            found.append((f"{MASTER_CF} line {own.line}", expand(own.value, settings.value)))
    default = Policy(settings.expanded("smtp_tls_security_level"))
    for place, value in found:
        hops = words(value)
        foreign = others(hops)
        for hop in hops:
            row = foreign.get(hop) or next((ours[key] for key in keys_of(hop) if key in ours), default)
            policy = in_effect(row, settings.expanded)
            over = next((one for one in demanding if falls_short(policy, one)), None)
            if over:
                raise Problem(
                    f"{place} sends mail by {hop} ({FALLBACK}) while no host of the domain can be reached, and demands"
                    f" only {falls_short(policy, over)} of that host",
                    f"remove {FALLBACK}, or declare '{EVERYTHING}' with tls {over.tls} as well",
                    subject=over.title,
                    option="tls",
                )
