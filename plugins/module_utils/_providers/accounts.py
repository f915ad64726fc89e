# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Providers for accounts that remote hosts log in with: the submission server, and whatever holds its passwords."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider


@dataclass(frozen=True)
class PasswordCheck:
    """Where a submission server has passwords checked.

    Attributes:
        backend: what holds the accounts, a choice of the module's option ``backend``.
        place: absolute path of the socket, or of the database.
        realm: the realm of logins that name none, where the backend has realms.
        user: the user that the server runs as.
        group: the group of that user.
    """

    backend: str
    place: str
    realm: str = ""
    user: str = ""
    group: str = ""


class AccountDatabase(ABC):
    """Where the accounts that remote hosts log in with are kept.

    Attributes:
        daemon: name of the provider to reload after a change; empty for none.
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
        """Whether there is such an account, whoever made it."""

    @abstractmethod
    def accepts(self, account: RelayAccount) -> bool:
        """Whether an existing account has this password."""

    @abstractmethod
    def logins(self, account: RelayAccount) -> tuple[str, ...]:
        """The names under which the submission server may see a login with the account.

        Raises:
            Problem: that cannot be determined.
        """

    @abstractmethod
    def changes(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> Sequence[FileChange]:
        """Files as they must be.

        Args:
            changed: accounts whose password is to be set.
            gone: names of accounts to be removed.
        """

    @abstractmethod
    def confirm(self) -> None:
        """Raise Problem where the daemon's effective settings do not show the accounts."""

    @abstractmethod
    def warnings(self, account: RelayAccount) -> Sequence[str]:
        """What the administrator should know of an account."""


class SubmissionProvider(Provider):
    """A daemon with a submission server, where remote hosts log in."""

    @abstractmethod
    def password_check(self) -> PasswordCheck:
        """Where its submission servers have passwords checked.

        Raises:
            Problem: none of them accepts logins, or their way of checking passwords is not supported.
        """

    @abstractmethod
    def sender_limits(self) -> dict[str, tuple[str, ...]]:
        """The senders that each account may use, sorted, by name of account; those without a limit are left out."""

    @abstractmethod
    def limit_senders(
        self, limits: Mapping[str, tuple[str, ...]], logins: Mapping[str, tuple[str, ...]]
    ) -> Sequence[FileChange]:
        """Files as they must be.

        Args:
            limits: as in sender_limits(), for all accounts.
            logins: for the same accounts the names by which the server knows them.
        """


class AccountBackend(Provider):
    """A daemon that holds accounts, for itself or for others, in one of its ``backends``."""

    @abstractmethod
    def account_database(self, check: PasswordCheck) -> AccountDatabase | None:
        """Where the accounts are kept; None where this daemon does not hold those that the check uses."""
