# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a provider is: the adapter for one daemon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import RESOLV_CONF
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import (
    Demand,
    DomainPolicy,
    Endpoint,
    QueuedMail,
    RelayAccount,
    SaslSocket,
    TlsLibrary,
    Vserver,
)


@dataclass(frozen=True)
class Capabilities:
    """What the installed daemon is and can do.

    Attributes:
        version: the daemon's version, such as (3, 7, 11).
        known: whether this version lies within the range that the collection was tried with.
        library: the TLS library it uses.
        reader: owner, group and mode of the key file that it needs.
        several: whether it can serve more virtual servers of a protocol than its own one.
        alternative: whether it can show two certificates with keys of different types.
        sni: whether it can show another certificate for each name that clients ask for.
        mechanisms: whether the SASL mechanisms that it offers can be chosen.
    """

    version: tuple[int, ...]
    known: bool
    library: TlsLibrary
    reader: tuple[str, str, int] = ("root", "root", 0o600)
    several: bool = False
    alternative: bool = False
    sni: bool = False
    mechanisms: bool = False


@dataclass(frozen=True)
class Plan:
    """What one provider would do.

    Attributes:
        changes: files as they shall be; those that are so already are dropped by whoever applies the plan.
        settings: settings kept elsewhere than in files, where they differ from what they shall be.
        needs: sockets that another daemon on this host must offer for this plan to work, also for virtual servers that
            the plan is not about.
        unneeded: sockets that were needed before and are not any more.
        warnings: what the administrator should know, though nothing is wrong.
    """

    changes: Sequence[FileChange] = ()
    settings: Sequence[SettingsChange] = ()
    needs: Sequence[SaslSocket] = ()
    unneeded: Sequence[SaslSocket] = ()
    warnings: Sequence[str] = field(default_factory=tuple)


class Provider(ABC):
    """One daemon. Reading and planning change nothing; the transaction calls check and activate.

    Attributes:
        name: the word for the daemon, in the store's folders and in results.
        protocols: the protocols it can serve.
        processes: names of the processes that listen for it, as ss(8) shows them.
        packages: the Debian package to install for each protocol.
        config_roots: directories, or single files, that its own configuration test reads.
    """

    name: ClassVar[str]
    protocols: ClassVar[frozenset[str]]
    processes: ClassVar[frozenset[str]]
    packages: ClassVar[Mapping[str, str]]
    config_roots: ClassVar[tuple[str, ...]]

    def __init__(self, host: Host, store: Store) -> None:
        self.host = host
        self.store = store

    @classmethod
    @abstractmethod
    def installed(cls, host: Host) -> bool:
        """Whether the daemon is on this host."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Version and abilities of the installed daemon."""

    @abstractmethod
    def read(self) -> dict[tuple[str, str], Vserver]:
        """The virtual servers as the daemon sees its own settings, by protocol and name.

        The one that the daemon has by itself is called ``default``; the others are those that plan() has made.

        Raises:
            Problem: the daemon refuses its present configuration.
        """

    @abstractmethod
    def plan(self, desired: Sequence[Vserver]) -> Plan:
        """Files and settings as they must be for the desired virtual servers; every other line stays as it is.

        A virtual server that is not to be present is taken back: what had been there before this collection first
        changed it (see Originals) is there again, and one that is not the daemon's own is gone.

        Raises:
            Problem: the daemon cannot do what is asked.
        """

    def offer(self, socket: SaslSocket) -> Sequence[FileChange] | None:
        """Files with which this daemon offers another one to check passwords; None where it cannot."""
        return None

    def withdraw(self, socket: SaslSocket) -> Sequence[FileChange]:
        """Files with which an offer of that socket is taken back, where it was made by offer()."""
        return ()

    @abstractmethod
    def endpoints(self, vserver: Vserver) -> list[Endpoint]:
        """Sockets at which a present virtual server can be proven, the clear-text one first.

        Addresses are the virtual server's own, or one of this host where it listens on every address. Names that
        clients ask for (SNI) are put in by whoever proves.
        """

    @abstractmethod
    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        """The daemon's own test of mirrored configuration. Raises Problem with its complaint."""

    @abstractmethod
    def activate(self, run: Callable[..., Completed]) -> None:
        """Have the running daemon use its files as they are now. Raises Problem where it does not come up."""

    def snapshot(self) -> dict[str, Any]:
        """Settings kept elsewhere than in files, before they are changed; goes into the journal, so no secrets."""
        return {}

    def restore(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Have the running daemon use its files, which have been put back, and the settings of a snapshot.

        The snapshot may have been made by another run, one that was killed. Raises Problem where that fails.
        """
        self.activate(run)

    @abstractmethod
    def running(self) -> bool:
        """Whether the daemon serves."""

    def remedy_where_down(self) -> str:
        """What to do where the daemon does not run, as the remedy of a Problem."""
        return f"start it ('systemctl start {self.name}') and run again"


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
class NewDemands:
    """What a plan demands of other servers that was not demanded of them before.

    Attributes:
        of: answers what is newly demanded of the servers that take the mail of some domains; nothing of those whose
            mail stays on this host, or for which nothing becomes stricter.
        of_others: whether something may be, of servers that take the mail of domains without an entry.
        ca_file: PEM file of the roots that peers will be verified against; empty for the system's.
        ca_directory: directory with more of them; empty for none.
        resolv_conf: the file that names the daemon's resolvers.
    """

    of: Callable[[Collection[str]], Sequence[Demand]]
    of_others: bool = False
    ca_file: str = ""
    ca_directory: str = ""
    resolv_conf: str = RESOLV_CONF


@dataclass(frozen=True)
class DomainPlan(Plan):
    """A plan for outgoing mail.

    Attributes:
        outcomes: what it means for each domain.
        levels: the level of each entry of ours by domain, also of those that the plan leaves alone.
        default_level: the level of all other mail; empty where the daemon uses no TLS.
        demands: what is newly demanded of other servers; None where that is not worked out.
        mta_sts: whether the MTA-STS policies of domains without an entry are followed.
    """

    outcomes: Sequence[DomainOutcome] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    default_level: str = ""
    demands: NewDemands | None = None
    mta_sts: bool = False


class DomainProvider(Provider):
    """A daemon that sends mail to other hosts.

    Attributes:
        inbound: whether it can also demand TLS of partners whose mail comes in.
    """

    inbound: ClassVar[bool] = False

    @abstractmethod
    def plan_domains(
        self, policies: Sequence[DomainPolicy], *, purge: bool, ca_file: str, mta_sts: bool | None
    ) -> DomainPlan:
        """Files as they must be for these policies.

        Args:
            policies: what is demanded of each remote domain.
            purge: whether our own entries for any other domain are removed.
            ca_file: PEM file of the roots that peers are verified against; empty to keep the daemon's own.
            mta_sts: whether the MTA-STS policies of domains without an entry are followed; None to leave that as it is.

        Raises:
            Problem: a policy could never apply, or contradicts another one.
        """

    def queue(self) -> Sequence[QueuedMail]:
        """The messages that wait to be sent, one entry for each recipient.

        Raises:
            Problem: the daemon does not tell.
        """
        return ()


@dataclass(frozen=True)
class PasswordCheck:
    """Whom a submission server asks whether a password is right.

    Attributes:
        backend: what holds the accounts, a choice of the module's option.
        place: absolute path of the socket to ask at, or of the database to look into.
        realm: the realm of logins that name none, where the backend has realms.
        user: user as whom the server runs.
        group: the group of that user.
    """

    backend: str
    place: str
    realm: str = ""
    user: str = ""
    group: str = ""


class AccountKeeper(ABC):
    """Where accounts are kept that remote hosts log in with.

    Attributes:
        daemon: name of the provider that must read the configuration again where it changes; empty for none.
    """

    daemon: str = ""

    @abstractmethod
    def check(self, account: RelayAccount) -> None:
        """Raise Problem where an account of this kind cannot be kept here."""

    @abstractmethod
    def ours(self) -> set[str]:
        """Names of the accounts that this collection has made."""

    @abstractmethod
    def exists(self, account: RelayAccount) -> bool:
        """Whether there is such an account, also one of somebody else's."""

    @abstractmethod
    def accepts(self, account: RelayAccount) -> bool:
        """Whether the account that there is has this password."""

    @abstractmethod
    def logins(self, account: RelayAccount) -> tuple[str, ...]:
        """The names by which the submission server may know whoever has logged in with the account.

        Raises:
            Problem: that cannot be told.
        """

    @abstractmethod
    def changes(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> Sequence[FileChange]:
        """Files as they must be.

        Args:
            changed: accounts that are to get their password.
            gone: names of accounts that are to go.
        """

    @abstractmethod
    def confirm(self) -> None:
        """Raise Problem where the daemon's effective settings do not show the accounts."""

    @abstractmethod
    def warnings(self, account: RelayAccount) -> Sequence[str]:
        """What the administrator should know of an account."""


class LoginProvider(Provider):
    """A daemon with a submission server, where remote hosts log in."""

    @abstractmethod
    def password_check(self) -> PasswordCheck:
        """Whom its submission servers ask.

        Raises:
            Problem: there is none that lets anybody log in, or they cannot be served.
        """

    @abstractmethod
    def sender_limits(self) -> dict[str, tuple[str, ...]]:
        """The senders that accounts of ours are limited to, sorted, by name. An unlimited account is not in it."""

    @abstractmethod
    def limit_senders(
        self, limits: Mapping[str, tuple[str, ...]], logins: Mapping[str, tuple[str, ...]]
    ) -> Sequence[FileChange]:
        """Files as they must be.

        Args:
            limits: as in sender_limits(), for all accounts.
            logins: for the same accounts the names by which the server knows them.
        """


class KeepingProvider(Provider):
    """A daemon that keeps accounts, for itself or for others."""

    @abstractmethod
    def keeper(self, check: PasswordCheck) -> AccountKeeper | None:
        """Where the accounts are, None where this daemon does not hold what the check asks for."""
