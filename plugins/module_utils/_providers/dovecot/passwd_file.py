# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts of remote hosts in a passwd-file of ours (doc.dovecot.org, "Passwd-file", "Password databases").

The file counts for submission servers alone, so nobody reads mail with such an account. Dovecot asks its other
databases first, PAM with its delay for a wrong password among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import crypt as libcrypt
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import RelayAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import AccountDatabase
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import (
    doveconf as dovecot_settings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import Language
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.inclusion import inclusion
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.next_language import (
    at_start,
    in_all_languages,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    ACCOUNTS,
    ACCOUNTS_DROP_IN,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

_SCHEME = "{SHA512-CRYPT}"
_EMPTY_FIELDS = "::::::"  # uid, gid, gecos, home, shell and extra fields
_CACHE = "auth_cache_size"
_CHARACTERS = "auth_username_chars"
_FORMAT = "auth_username_format"
# Dovecot hands these on to the submission server in no other way than in lower case.
_HARMLESS_FORMATS = frozenset({"", "%u", "%Lu", "%{user}", "%{user | lower}", "%{user|lower}"})


def _escaped(name: str) -> str:
    """A name as Dovecot looks it up: it escapes what stands for its variable for the name as it was sent."""
    return "".join("\\" + one if one in "\\\"'" else one for one in name)


def _plain(key: str) -> str:
    found, escaped = [], False
    for one in key:
        if one == "\\" and not escaped:
            escaped = True
        else:
            found.append(one)
            escaped = False
    return "".join(found)


def password_hashes(text: str) -> dict[str, str]:
    """The password hashes in our file, by name of account.

    Raises:
        Problem: a line has none.
    """
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line and not line.startswith("#"):
            name, colon, rest = line.partition(":")
            if not colon:
                raise Problem(
                    f"{ACCOUNTS} line {number}: an account without a password",
                    "remove that line, then run again with the account",
                    option=f"{ACCOUNTS}:{number}",
                )
            found[_plain(name)] = rest.partition(":")[0]
    return found


class DovecotAccounts(AccountDatabase):
    """The accounts.

    Args:
        host: the machine.
        daemon: the provider's name.
        language: what the installed version speaks.
        effective: answers Dovecot's effective settings of some names, for a protocol.
    """

    def __init__(self, host: Host, daemon: str, language: Language, effective: Callable[..., dict[str, Any]]) -> None:
        self.daemon = daemon
        self._host = host
        self._language = language
        self._effective = effective
        self._hashes = password_hashes(host.read_text(ACCOUNTS))

    def check(self, account: RelayAccount) -> None:
        if account.realm:
            raise Problem(
                "Dovecot accounts have no realm",
                "leave realm out, or make it part of the name (name@realm)",
                subject=account.title,
                option="realm",
            )
        if not account.present:
            return
        if ":" in account.name:
            raise Problem(
                "a name in Dovecot's passwd-file cannot contain a colon",
                "choose another name",
                subject=account.title,
                option="name",
            )
        refused = sorted(set(account.name) - {"\\"} - set(self._characters)) if self._characters else []
        if refused:
            raise Problem(
                f"Dovecot does not allow {' '.join(map(repr, refused))} in names",
                f"choose another name, or extend Dovecot's setting {_CHARACTERS}",
                subject=account.title,
                option="name",
            )
        if len((account.password or "").encode("utf-8", "surrogateescape")) > libcrypt.LONGEST:
            raise Problem(
                f"the password is longer than {libcrypt.LONGEST} bytes",
                "choose a shorter one",
                subject=account.title,
                option="password",
            )

    @property
    def _characters(self) -> str:
        """The characters that Dovecot takes in a name; empty for any."""
        return str(self._effective(_CHARACTERS).get(_CHARACTERS, ""))

    @property
    def _remembers_logins(self) -> bool:
        """Whether Dovecot may take a password that the file does not have any more; else it looks into it each time."""
        return str(self._effective(_CACHE).get(_CACHE, "")) not in ("", "0")

    def ours(self) -> set[str]:
        return set(self._hashes)

    def exists(self, account: RelayAccount) -> bool:
        return account.name in self._hashes

    def accepts(self, account: RelayAccount) -> bool:
        hashed = self._hashes[account.name]
        return hashed.startswith(_SCHEME) and libcrypt.matches(account.password or "", hashed[len(_SCHEME) :])

    def logins(self, account: RelayAccount) -> tuple[str, ...]:
        shape = str(self._effective(_FORMAT).get(_FORMAT, ""))
        if shape not in _HARMLESS_FORMATS:
            raise Problem(
                f"Dovecot rewrites login names ({_FORMAT} = {shape}), so that what an account may"
                " send cannot be tied to its name",
                f"leave out allowed_senders, or set {_FORMAT} back to its default",
                subject=account.title,
                option="allowed_senders",
            )
        return (account.name,)

    def warnings(self, account: RelayAccount) -> Sequence[str]:
        return ()

    def changes(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> Sequence[FileChange]:
        changes = self._changes(changed, gone)
        return (
            *changes,
            *inclusion(self._host, self._language, changes),
            *at_start(self._host, self._language, changes),
        )

    def _changes(self, changed: Sequence[RelayAccount], gone: Sequence[str]) -> Sequence[FileChange]:
        hashes = {name: hashed for name, hashed in self._hashes.items() if name not in gone}
        hashes.update({one.name: _SCHEME + libcrypt.hash_of(one.password or "") for one in changed})
        if not hashes:
            return (*in_all_languages(ACCOUNTS_DROP_IN, self._language, None), FileChange(ACCOUNTS, None))
        lines = [f"{_escaped(name)}:{hashed}{_EMPTY_FIELDS}" for name, hashed in sorted(hashes.items())]
        text = heading("accounts that remote hosts log in with") + lines_of(lines, ACCOUNTS)
        return (
            FileChange(
                ACCOUNTS,
                text.encode("utf-8", "surrogateescape"),
                "root",
                "dovecot",
                0o640,
                secret=True,
                summary=f"accounts {', '.join(sorted(hashes))} (passwords not shown)",
                prerequisite=True,
                loaded=self._remembers_logins or self._host.just_written(ACCOUNTS),
            ),
            *in_all_languages(ACCOUNTS_DROP_IN, self._language, partial(self._rendered, hashes)),
        )

    def _rendered(self, names: Mapping[str, str], language: Language) -> str:
        settings: dict[str, Any] = {}
        if any("\\" in name for name in names):
            allowed = self._characters
            own = dovecot_settings.parse(self._host.read_text(ACCOUNTS_DROP_IN)).get(_CHARACTERS)
            if own is not None:
                settings[_CHARACTERS] = own
            elif allowed and "\\" not in allowed:
                settings[_CHARACTERS] = f"{allowed[:-1]}\\{allowed[-1]}"  # at the end it would join two lines
        settings["protocol smtp"] = language.accounts(ACCOUNTS)
        return heading("accounts that remote hosts log in with") + dovecot_settings.render(settings)

    def confirm(self) -> None:
        # a mistake that hides the file, such as a later setting of the same names, is one in another file
        wanted = dovecot_settings.parse(self._host.read_text(ACCOUNTS_DROP_IN))
        found = self._effective(_CHARACTERS).get(_CHARACTERS, "")
        if wanted and wanted.get(_CHARACTERS, found) != found:
            raise Problem(
                f"the settings are in {ACCOUNTS_DROP_IN}, but Dovecot uses another {_CHARACTERS}",
                "look for a file that is read later and sets it too, such as local.conf, and remove it there",
                option=ACCOUNTS_DROP_IN,
            )
