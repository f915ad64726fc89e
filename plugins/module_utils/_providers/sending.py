# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A provider that sends mail to other hosts: what it plans, and what that means for each remote domain."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import RESOLV_CONF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    DomainPolicy,
    QueuedMail,
    TlsRequirement,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Plan, Provider


@dataclass(frozen=True)
class DomainOutcome:
    """What a plan means for one remote domain.

    Attributes:
        domain: the domain.
        next_hop: what the daemon looks the policy up by; empty where the domain was removed.
        reason: why something changes; empty where nothing does.
        other_next_hops: what else it is looked up by: for subdomains, and for senders that are treated specially.
    """

    domain: str
    next_hop: str
    reason: str
    other_next_hops: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewRequirements:
    """What a plan demands of other servers that was not demanded of them before.

    Attributes:
        of: returns what is newly demanded of the servers for some domains; nothing where the mail stays on this
            host, or where nothing becomes stricter.
        of_others: whether something may be newly demanded of the servers for domains without an entry.
        updated: domains of earlier calls whose entries demand more from now on.
        ca_file: PEM file of the roots that peers will be verified against; empty for the system's.
        ca_directory: directory with more of them; empty for none.
        resolv_conf: the file that names the daemon's resolvers.
    """

    of: Callable[[Collection[str]], Sequence[TlsRequirement]]
    of_others: bool = False
    updated: Sequence[str] = ()
    ca_file: str = ""
    ca_directory: str = ""
    resolv_conf: str = RESOLV_CONF


@dataclass(frozen=True)
class DomainPlan(Plan):
    """A plan for outgoing mail.

    Attributes:
        outcomes: what it means for each domain.
        levels: the TLS level of each entry that this collection made, by domain, also where the plan leaves it alone.
        default_level: the level of all other mail; empty where the daemon uses no TLS.
        demands: what is newly demanded of other servers; None where that is not worked out.
        mta_sts: whether the MTA-STS policies of domains without an entry are followed.
    """

    outcomes: Sequence[DomainOutcome] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    default_level: str = ""
    demands: NewRequirements | None = None
    mta_sts: bool = False


class DomainProvider(Provider):
    """A daemon that sends mail to other hosts."""

    @abstractmethod
    def plan_domains(
        self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, mta_sts: bool | None
    ) -> DomainPlan:
        """Files as they must be for these policies.

        Args:
            policies: what is demanded of each remote domain.
            purge: whether this collection's entries for any other domain are removed.
            ca_file: PEM file of the roots that peers are verified against; empty to keep the daemon's own.
            mta_sts: whether the MTA-STS policies of domains without an entry are followed; None to leave that as it is.

        Raises:
            Problem: a policy could never apply, or contradicts another one.
        """

    def queue(self) -> Sequence[QueuedMail]:
        """The deferred and queued messages, one entry for each recipient.

        Raises:
            Problem: the queue cannot be listed.
        """
        return ()
