# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The accounts with which remote hosts log in at this host's submission server."""

from __future__ import annotations

import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts import options
from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts.backend import (
    account_database,
    submission_server,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts.options import ANY_SENDER
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import make_daemons_reload, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import AccountDatabase
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import Service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site

Limits = dict[str, tuple[str, ...]]  # for each account that may not send as anybody, its senders

# Names that suggest more rights than sending mail.
_ADMINISTRATORS = frozenset({"admin", "administrator", "domainadmin", "hostmaster", "postmaster", "root", "superuser"})


@dataclass
class _Differences:
    """What differs from the host.

    Attributes:
        changed: accounts that get their password.
        gone: names of accounts to remove.
        rows: the entries of the result.
        warnings: what the administrator should know.
    """

    changed: list[RelayAccount] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Accounts(Service[RelayAccount]):
    """Accounts for remote hosts.

    Args:
        site: the host.
        backend: where the accounts must be stored; ``auto`` for where the submission server looks.
        purge: whether our accounts that the call does not name are removed.
    """

    key = "accounts"
    noun = "accounts"

    def __init__(self, site: Site, backend: str, *, purge: bool) -> None:
        super().__init__(site)
        self._backend = backend
        self._purge = purge

    def parse(self, element: Mapping[str, Any]) -> RelayAccount:
        """One object of the module as an account."""
        return options.parse(element)

    def plan(self, things: Sequence[RelayAccount]) -> ServicePlan:
        """The files that hold accounts and their senders, where they differ."""
        _refuse_duplicates(things)
        server = submission_server(self.site)
        check = server.password_check()
        database = account_database(self.site, check, self._backend)
        for account in things:
            database.check(account)
        limits = server.sender_limits()
        found = _differences(database, things, limits)
        if self._purge:
            _purge(database, things, limits, found)
        host = self.site.host
        accounts = needed(database.changes(found.changed, found.gone), host) if found.changed or found.gone else []
        declared = {one.name: one for one in things}
        logins = {name: database.logins(declared.get(name, RelayAccount(name))) for name in limits}
        senders = needed(server.limit_senders(limits, logins), host)
        # the daemon that checks passwords is reloaded before the one that asks it
        asked = make_daemons_reload(accounts, host)
        daemons = [database.daemon] if asked and database.daemon else []
        daemons += [server.name] if asked or make_daemons_reload(senders, host) else []
        return ServicePlan(
            rows=found.rows,
            changes=[*accounts, *senders],
            participants=[self.site.providers[name] for name in dict.fromkeys(daemons)],
            proofs=[database.confirm],
            facts={"backend": check.backend},
            warnings=found.warnings,
        )


def _refuse_duplicates(accounts: Sequence[RelayAccount]) -> None:
    seen: set[str] = set()
    for account in accounts:
        if account.name.lower() in seen:
            raise Problem(
                "it is declared twice; mail servers do not tell upper from lower case in names",
                "keep one of the two declarations",
                subject=account.title,
                option="name",
            )
        seen.add(account.name.lower())


def _differences(database: AccountDatabase, accounts: Sequence[RelayAccount], limits: Limits) -> _Differences:
    """Compare the accounts with what is stored; limits are updated."""
    found = _Differences()
    for account in accounts:
        reason = _reason(database, account)
        if reason:
            if account.present:
                found.changed.append(account)
            else:
                found.gone.append(account.name)
        reasons = [one for one in (reason, _limit(account, limits)) if one]
        found.rows.append(_row(account.name, account.present, limits.get(account.name), reasons))
        if account.present:
            found.warnings += [*_suspicions(account), *database.warnings(account)]
    return found


def _reason(database: AccountDatabase, account: RelayAccount) -> str:
    """Why the account itself is to change; empty where it is as desired."""
    exists = database.exists(account)
    if not account.present:
        return "account: removed" if exists else ""
    if not exists:
        if account.password is None:
            raise Problem(
                "the account does not exist yet, and no password is given",
                "give one; a blank password is given as an empty string",
                subject=account.title,
                option="password",
            )
        return "account: made"
    if account.password is not None and account.always and not database.accepts(account):
        return "password: set"
    return ""


def _limit(account: RelayAccount, limits: Limits) -> str:
    """Take the account's senders into the limits; why they change, empty where they do not."""
    before = limits.get(account.name, ANY_SENDER)
    after = before if account.allowed_senders is None else account.allowed_senders
    if not account.present:
        limits.pop(account.name, None)
        return ""
    if after == ANY_SENDER:
        limits.pop(account.name, None)
    else:
        limits[account.name] = after
    return "" if before == after else f"senders: {', '.join(before)} -> {', '.join(after)}"


def _purge(database: AccountDatabase, accounts: Sequence[RelayAccount], limits: Limits, found: _Differences) -> None:
    """Add the removal of our accounts that are not declared."""
    for name in sorted(database.ours() - {one.name for one in accounts}):
        found.gone.append(name)
        limits.pop(name, None)
        found.rows.append(_row(name, False, None, ["account: removed"]))


def _row(name: str, present: bool, limit: tuple[str, ...] | None, reasons: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "state": "present" if present else "absent",
        "allowed_senders": list(limit or ANY_SENDER) if present else [],
        "changed": bool(reasons),
        "reason": "; ".join(reasons) or "as desired",
    }


def _suspicions(account: RelayAccount) -> list[str]:
    """Warnings of a name that invites trouble."""
    bare = re.split(r"[\\/]", account.name.partition("@")[0])[-1]
    found = []
    if bare.lower() in _ADMINISTRATORS:
        found.append(
            f"{account.title} has an administrator's name; use an account that can only send mail, under a name that"
            " cannot be guessed"
        )
    try:
        pwd.getpwnam(account.name)
    except KeyError:
        pass
    else:
        found.append(f"{account.title} has the name of a user of this host, whose own password may work for it as well")
    return found
