# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts that remote hosts log in with on one host: parse -> read -> plan -> apply."""

from __future__ import annotations

import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    AccountKeeper,
    KeepingProvider,
    LoginProvider,
    PasswordCheck,
    Provider,
)

ANY = ("*",)
_WHEN = "update_password"
# Names that say that much more than sending mail is meant.
_ADMINISTRATORS = frozenset({"admin", "administrator", "domainadmin", "hostmaster", "postmaster", "root", "superuser"})


def parse(element: Mapping[str, Any]) -> RelayAccount:
    """One object of the module as an account.

    Raises:
        Problem: an option cannot be as it is.
    """
    name, password = element["name"], element["password"]
    subject = f"account {name}"
    if not name or re.search(r"[\s,\"\x00-\x1f\x7f]", name) or name.startswith("#"):
        raise Problem(
            "the name is empty, begins with #, or has white space, a comma, a quotation mark or a control character",
            "choose another name",
            subject=subject,
            option="name",
        )
    if password is not None and re.search(r"[\r\n\0]", password):
        raise Problem(
            "the password has a line break or a NUL in it", "choose another one", subject=subject, option="password"
        )
    realm = element["realm"] or ""
    if re.search(r"[\s@:\x00-\x1f\x7f]", realm) or realm.startswith("-"):
        raise Problem("the realm is not one word", "give a domain", subject=subject, option="realm")
    return RelayAccount(
        name=name,
        password=password,
        always=element[_WHEN] == "always",
        realm=realm,
        allowed_senders=_senders(element["allowed_senders"], subject),
        present=element["state"] == "present",
    )


def _senders(given: Sequence[str] | None, subject: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    found = set()
    for one in given:
        if one == "*":
            found.add(one)
            continue
        local, at, domain = one.rpartition("@")
        if at and (not local or re.search(r"[\s,#\"\x00-\x1f\x7f]", local)):
            raise Problem(
                f"{one!r} is neither a domain nor an address",
                "give a domain, an address, or * for any sender",
                subject=subject,
                option="allowed_senders",
            )
        try:
            found.add(local.lower() + at + ascii_name(domain, "allowed_senders"))
        except Problem as exc:
            raise exc.about(subject=subject) from exc
    if not found or ("*" in found and len(found) > 1):
        raise Problem(
            "it names nothing" if not found else "* stands beside others, of which it takes in all",
            "name domains or addresses, or give * alone for any sender",
            subject=subject,
            option="allowed_senders",
        )
    return tuple(sorted(found))


@dataclass
class Outcome:
    """What a call did, or would do in check mode.

    Attributes:
        backend: what holds the accounts; empty where nothing does.
        accounts: for each account ``name``, ``state``, ``allowed_senders``, ``changed`` and ``reason``.
        files: paths written.
        diff: entries for the module's diff.
        warnings: what the administrator should know.
    """

    backend: str = ""
    accounts: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class AccountCall:
    """One call over all accounts that it names.

    Args:
        host: the machine.
        providers: the daemons on it.
        backend: what must hold the accounts; ``auto`` for whatever the submission server asks.
    """

    def __init__(self, host: Host, providers: Mapping[str, Provider], backend: str) -> None:
        self._host = host
        self._providers = providers
        self._backend = backend

    def run(self, accounts: Sequence[RelayAccount], transaction: Transaction, *, purge: bool) -> Outcome:
        """Make the accounts as they are desired.

        Raises:
            Problem: it cannot be done; the host is as it was.
        """
        _refuse_doubles(accounts)
        server = self._server()
        check = server.password_check()
        keeper = self._keeper(check)
        for account in accounts:
            keeper.check(account)
        outcome = Outcome(backend=check.backend)
        limits = server.sender_limits()
        changed, gone = self._differences(keeper, accounts, limits, outcome, purge=purge)
        changes: list[FileChange] = [*(keeper.changes(changed, gone) if changed or gone else ())]
        kept = {one.name: one for one in accounts}
        logins = {name: keeper.logins(kept.get(name, RelayAccount(name))) for name in limits}
        changes += server.limit_senders(limits, logins)
        different = needed(changes, self._host)
        outcome.files = [change.path for change in different]
        outcome.diff = [change.diff(self._host) for change in different]
        if different:
            # the daemon that checks passwords before the one that asks it
            names = [name for name in (keeper.daemon, server.name) if name]
            disturbed = [self._providers[name] for name in dict.fromkeys(names)]
            transaction.apply(different, disturbed, probe=keeper.confirm)
        return outcome

    def _server(self) -> LoginProvider:
        for provider in self._providers.values():
            if isinstance(provider, LoginProvider):
                if not provider.running():
                    raise Problem(f"{provider.name} is installed but does not run", provider.remedy_where_down())
                return provider
        raise Problem(
            "no submission server that accounts can be made for is on this host",
            "install one (Debian: apt install postfix), then set it up with mail_vserver_tls and protocol=submission",
        )

    def _keeper(self, check: PasswordCheck) -> AccountKeeper:
        if self._backend not in ("auto", check.backend):
            raise Problem(
                f"the submission server has its passwords checked by {check.backend} ({check.place}), and would not"
                f" see accounts in {self._backend}",
                "leave the option out, or set the server up for it first",
                option="backend",
            )
        for provider in self._providers.values():
            keeper = provider.keeper(check) if isinstance(provider, KeepingProvider) else None
            if keeper:
                return keeper
        raise Problem(
            f"{check.backend}, which the submission server has passwords checked by, is not on this host",
            "install it (Debian: apt install dovecot-core)",
            option="backend",
        )

    def _differences(
        self,
        keeper: AccountKeeper,
        accounts: Sequence[RelayAccount],
        limits: dict[str, tuple[str, ...]],
        outcome: Outcome,
        *,
        purge: bool,
    ) -> tuple[list[RelayAccount], list[str]]:
        """The accounts that are to get their password, and the names of those that are to go; limits are updated."""
        changed, gone = [], []
        for account in accounts:
            there = keeper.exists(account)
            reasons = []
            if not account.present:
                if there:
                    gone.append(account.name)
                    reasons.append("account: removed")
            elif not there:
                if account.password is None:
                    raise Problem(
                        "there is no such account yet, and no password is given",
                        "give one; a blank password is given as an empty string",
                        subject=account.title,
                        option="password",
                    )
                changed.append(account)
                reasons.append("account: made")
            elif account.password is not None and account.always and not keeper.accepts(account):
                changed.append(account)
                reasons.append("password: set")
            reasons += _limit(account, limits)
            outcome.accounts.append(_result(account.name, account.present, limits.get(account.name), reasons))
            if account.present:
                outcome.warnings += [*_suspicions(account), *keeper.warnings(account)]
        for name in sorted(keeper.ours() - {one.name for one in accounts}) if purge else ():
            gone.append(name)
            limits.pop(name, None)
            outcome.accounts.append(_result(name, False, None, ["account: removed"]))
        return changed, gone


def _limit(account: RelayAccount, limits: dict[str, tuple[str, ...]]) -> list[str]:
    """Take the account's senders over; why that is a change."""
    before = limits.get(account.name, ANY)
    after = before if account.allowed_senders is None else account.allowed_senders
    if not account.present:
        limits.pop(account.name, None)
        return []
    if after == ANY:
        limits.pop(account.name, None)
    else:
        limits[account.name] = after
    return [] if before == after else [f"senders: {', '.join(before)} -> {', '.join(after)}"]


def _result(name: str, present: bool, limit: tuple[str, ...] | None, reasons: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "state": "present" if present else "absent",
        "allowed_senders": list(limit or ANY) if present else [],
        "changed": bool(reasons),
        "reason": "; ".join(reasons) or "as desired",
    }


def _suspicions(account: RelayAccount) -> list[str]:
    """What speaks against an account's name."""
    bare = re.split(r"[\\/]", account.name.partition("@")[0])[-1]
    found = []
    if bare.lower() in _ADMINISTRATORS:
        found.append(
            f"{account.title} has the name of an administrator; an account that can do nothing but send mail is safer,"
            " and its name tells nobody what to guess"
        )
    try:
        pwd.getpwnam(account.name)
    except KeyError:
        pass
    else:
        found.append(f"{account.title} has the name of a user of this host, whose own password may let it in as well")
    return found


def _refuse_doubles(accounts: Sequence[RelayAccount]) -> None:
    seen: set[str] = set()
    for account in accounts:
        if account.name.lower() in seen:
            raise Problem(
                "it is declared twice; names that differ in upper and lower case only are one to a mail server",
                "keep one of the two declarations",
                subject=account.title,
                option="name",
            )
        seen.add(account.name.lower())
