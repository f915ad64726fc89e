# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that tests/system/mail shares, and runs of the site playbook on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Run
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site

HOSTS = ("mx1:bookworm", "mx2:trixie", "old1:bookworm", "old2:trixie", "out1:bookworm", "out2:trixie", "peers:trixie")
RELEASES = ("bookworm", "trixie")
# Pairs of hosts, one of each release.
MX = ("mx1", "mx2")  # as Debian sets them up; they serve each other
OLD = ("old1", "old2")  # configured by hand before
OUT = ("out1", "out2")  # these only send, and take mail from partners
PEER_OF = {"mx1": "mx2", "mx2": "mx1"}

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Phase:
    """One run of the site playbook: what was on each host before and after it, and what its journal says."""

    run: Run
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    journal: Mapping[str, str]
    masters_before: Mapping[str, list[str]]
    masters_after: Mapping[str, list[str]]


def on_each(lab: Lab, names: Sequence[str], look: Callable[[Host], Seen]) -> dict[str, Seen]:
    """Do something on some hosts side by side; what came of it, by host."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(look, (lab.hosts[name] for name in names))))


def run_site(lab: Lab, site: Site, label: str, names: Sequence[str], *options: str) -> Phase:
    """Run the site playbook on some hosts, and look at them before and after."""
    before = on_each(lab, names, lambda host: snapshots.take(lab, host, f"before-{label}"))
    masters = on_each(lab, names, lambda host: mail_daemons.masters(lab, host))
    starts = on_each(lab, names, lambda host: mail_daemons.cursor(lab, host))
    run = site.run(",".join(names), *options)
    return Phase(
        run,
        before,
        on_each(lab, names, lambda host: snapshots.take(lab, host, f"after-{label}")),
        on_each(lab, names, lambda host: mail_daemons.journal_since(lab, host, starts[host.name])),
        masters,
        on_each(lab, names, lambda host: mail_daemons.masters(lab, host)),
    )
