# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mail that Exim hands to programs of this host, which need not speak TLS."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_names import OwnNames
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, DomainPolicy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import HUBBED_HOSTS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.smarthost import Smarthost
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import several


def handed_to_itself(
    host: Host, policies: Sequence[DomainPolicy], smarthost: Smarthost, declared: Collection[str]
) -> list[str]:
    """Warnings where all outgoing mail goes to a program of this host.

    Args:
        host: the machine.
        policies: what is declared.
        smarthost: where all mail goes that no entry sends elsewhere.
        declared: the domains with an entry.

    Raises:
        Problem: what is demanded of all outgoing mail would be demanded within this host too.
    """
    everything = next((one for one in policies if one.present and one.domain == EVERYTHING), None)
    if not everything or not everything.encrypted:
        return []
    own = OwnNames(host)
    for number, line in enumerate(host.read_text(HUBBED_HOSTS).split("\n"), start=1):
        domain, colon, route = line.partition("#")[0].partition(":")
        domain = domain.strip().lower()
        here = [one for one in Smarthost.from_route(route.strip()).hosts if own.has(one)]
        if colon and here and domain.removeprefix("*.") not in declared:
            raise Problem(
                f"{HUBBED_HOSTS} line {number} hands mail for {domain} to {here[0]}, which is this host, and the level"
                f" {everything.tls} would be demanded there too",
                f"declare {domain.removeprefix('*.')} with an entry of its own, such as one with tls=may",
                subject=everything.title,
                option="tls",
            )
    local = [] if everything.relay_host else [one for one in smarthost.hosts if own.has(one)]
    if not local:
        return []
    where = several(local)
    return [f"all outgoing mail is handed to {where}, on this host, which must meet the level {everything.tls} as well"]
