# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts in a database of the Cyrus SASL library (saslpasswd2(8), sasldblistusers2(8)).

It may hold accounts of others, which stay. Those that this collection has made are in its notes. Passwords in it are
not hashed, since some mechanisms need them as they are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Edit, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountDatabase,
    PasswordCheck,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.library import SaslLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl.paths import DATABASE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.saved_settings import SavedSettings

_LONGEST = 1000  # bytes of a password; saslpasswd2 reads no more than 1024
_OPEN_TO_ALL = 0o007


class SaslDatabase(AccountDatabase):
    """The accounts.

    Args:
        host: the machine.
        store: where the notes are kept.
        check: the database, its realm, and who must be able to read it.
    """

    def __init__(self, host: Host, store: Store, check: PasswordCheck) -> None:
        self._host = host
        self._check = check
        self._path = check.place
        self._notes = SavedSettings(host, store, "sasldb")
        self._listed: frozenset[str] | None = None

    def check(self, account: RelayAccount) -> None:
        if account.present and account.password == "":
            raise Problem(
                "a Cyrus SASL database cannot hold an empty password",
                "give the account a password, or have Dovecot check the passwords",
                subject=account.title,
                option="password",
            )
        if len((account.password or "").encode("utf-8", "surrogateescape")) > _LONGEST:
            raise Problem(
                f"the password is longer than {_LONGEST} bytes",
                "choose a shorter one",
                subject=account.title,
                option="password",
            )
        if account.realm and "@" in account.name and account.name.partition("@")[2] != account.realm:
            raise Problem(
                f"the name contains another realm than {account.realm}",
                "give the realm only once",
                subject=account.title,
                option="realm",
            )

    def _full(self, account: RelayAccount) -> str:
        """Name and realm of an account as the database knows it."""
        return account.name if "@" in account.name else f"{account.name}@{account.realm or self._check.realm}"

    def _key(self, full: str) -> str:
        return f"{self._path} {full}"

    def ours(self) -> set[str]:
        return {self._notes.text(key) or "" for key in self._notes.keys(self._key(""))}

    @property
    def _reader(self) -> str:
        """As whom programs and the library read it: many a server's user can write it. Empty for root."""
        state = self._host.state(self._path)
        if state is None:
            return f":{self._check.group}" if self._check.group else ""
        if state.mode & stat.S_IRGRP and state.group != "root":
            return f":{state.group}"
        return "" if state.owner == "root" else state.owner

    @property
    def _there(self) -> frozenset[str]:
        """All accounts in the database."""
        if self._listed is None:
            self._listed = frozenset()
            if self._host.state(self._path):
                done = self._host.query(["sasldblistusers2", "-f", self._path], user=self._reader)
                if done.code != 0:
                    raise Problem(
                        f"{self._path} cannot be read ({done.complaint})",
                        "restore it from a backup, or remove it and run again with all accounts",
                        option=self._path,
                    )
                lines = (line.rpartition(": ") for line in done.out.splitlines())
                self._listed = frozenset(full for full, _colon, what in lines if what == "userPassword")
        return self._listed

    def exists(self, account: RelayAccount) -> bool:
        return self._full(account) in self._there

    def accepts(self, account: RelayAccount) -> bool:
        library = SaslLibrary(self._path, self._reader)
        return library.accepts(self._full(account), self._check.realm, account.password or "")

    def logins(self, account: RelayAccount) -> tuple[str, ...]:
        full = [self._full(account)] if account.realm else self._full_names(account.name)
        return tuple(dict.fromkeys((account.name, *full)))

    def confirm(self) -> None:
        # a server looks into the database at each login
        self._listed = None

    def warnings(self, account: RelayAccount) -> Sequence[str]:
        if account.realm and account.realm != self._check.realm:
            realm = f"the server's own realm is {self._check.realm}"
            return [f"{account.title}: {realm}, so it must log in as {self._full(account)}"]
        return ()

    def changes(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> Sequence[FileChange]:
        edits = []
        for name in gone:
            for full in self._full_names(name):
                self._notes.forget([self._key(full)])
                if full in self._there:
                    edits.append(Edit(("saslpasswd2", "-d", "-f", "{file}", *_user(full))))
        for account in changed:
            full = self._full(account)
            if full not in self._there:
                self._notes.note(self._key(full), account.name)
            given = (account.password or "").encode("utf-8", "surrogateescape")
            edits.append(Edit(("saslpasswd2", "-p", "-c", "-f", "{file}", *_user(full)), given))
        if not edits:
            return ()
        state = self._host.state(self._path)
        change = FileChange(
            self._path,
            self._host.read(self._path) or b"",
            state.owner if state else "root",
            state.group if state else self._check.group,
            stat.S_IMODE(state.mode & ~_OPEN_TO_ALL) if state else 0o640,
            secret=True,
            summary=f"accounts {', '.join(sorted(self._afterwards(changed, gone)))} (passwords not shown)",
            prerequisite=True,
            edits=tuple(edits),
            editor=self._reader,
            loaded=False,
        )
        return (change, self._notes.change())

    def _full_names(self, name: str) -> list[str]:
        """The name in the database of an account, whether this run names it or an earlier one made it."""
        prefix = self._key("")
        noted = [key[len(prefix) :] for key in self._notes.keys(prefix) if self._notes.text(key) == name]
        return noted or [self._full(RelayAccount(name))]

    def _afterwards(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> set[str]:
        removed = {full for name in gone for full in self._full_names(name)}
        return set(self._there - removed) | {self._full(account) for account in changed}


def _user(full: str) -> tuple[str, ...]:
    """Realm and name as arguments."""
    name, _at, realm = full.partition("@")
    return ("-u", realm, "--", name)


def database_of(options: str, root: str) -> str:
    """Path of the database that a server's options name.

    Args:
        options: content of its configuration file.
        root: directory that it calls ``/``.

    Raises:
        Problem: it does not look into one.
    """
    pairs = (line.partition(":") for line in options.splitlines() if not line.lstrip().startswith("#"))
    settings = {name.strip(): value.strip() for name, colon, value in pairs if colon}
    if settings.get("pwcheck_method", "auxprop") != "auxprop":
        raise Problem(
            f"the submission server checks passwords with {settings['pwcheck_method']}, in which no accounts can"
            " be created",
            "set 'pwcheck_method: auxprop' and 'auxprop_plugin: sasldb', or have Dovecot check the passwords",
        )
    if settings.get("auxprop_plugin", "sasldb") != "sasldb":
        raise Problem(
            f"the submission server looks passwords up with the plug-in {settings['auxprop_plugin']}",
            "set 'auxprop_plugin: sasldb', or have Dovecot check the passwords",
        )
    path = settings.get("sasldb_path", DATABASE)
    return os.path.join(root, path.lstrip("/"))
