# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a live certificate with its key, under a passphrase, for another host or in case this one is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export_formats import (
    encrypted_pem,
    encrypted_pkcs12,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.formats import Content
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    PrivateKey,
    load_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import certificates_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.openings import Openings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import (
    check_passphrase,
    missing,
    refuse_needless,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import friendly_name_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PRIVATE,
    Store,
    StoreEntry,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import (
    hexadecimal,
    timestamp,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import check_option

_FORMATS: Mapping[str, Callable[..., bytes]] = {"pkcs12": encrypted_pkcs12, "pem": encrypted_pem}
_CONVERTED_FROM = {"pkcs12": "PKCS#12", "pem": None}


@dataclass(frozen=True)
class ExportPlan:
    """What a backup comes to.

    Attributes:
        changes: the file, where it differs from the host.
        result: the module's result.
    """

    changes: Sequence[FileChange]
    result: dict[str, Any]


@dataclass(frozen=True)
class _Live:
    """A live certificate with all that belongs to it; the key is None where it is protected and stays closed."""

    path: str
    key: PrivateKey | None = field(repr=False)
    leaf: Certificate
    chain: Sequence[Certificate]
    friendly_name: str


class ExportPlanner:
    """Plans backups of one host's certificates; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        check_mode: a certificate that is not live yet is then no error.
        require_library: leaves the module where ``cryptography`` is missing.
    """

    def __init__(self, host: Host, store: Store, *, check_mode: bool, require_library: Callable[[], None]) -> None:
        self._host = host
        self._store = store
        self._check_mode = check_mode
        self._require_library = require_library
        self._openings = Openings()

    def plan(self, params: Mapping[str, Any]) -> ExportPlan:
        """What to do for the module's options.

        Raises:
            Problem: there is nothing to back up, or something else would be lost.
        """
        try:
            check_passphrase(params["key_passphrase"])
            entry = self._store.entry(params["name"])
            self._check(params)
            if not entry.live.exists:
                return self._foreseen(params)
            self._require_library()
            return self._planned(params, _live(entry, params["key_passphrase"]))
        except Problem as exc:
            raise exc.about(subject=title(params["name"])) from exc

    def _check(self, params: Mapping[str, Any]) -> None:
        if not params["passphrase"]:
            raise Problem("the passphrase is empty", "give a long one", option="passphrase")
        check_option(params["path"], "path")
        if self._store.holds(params["path"]):
            raise Problem(
                f"{params['path']} is within the certificate store",
                "give a file outside it, better still on another disk",
                option="path",
            )

    def _foreseen(self, params: Mapping[str, Any]) -> ExportPlan:
        """What a check run says before the certificate is live.

        Raises:
            Problem: this is not a check run.
        """
        if not self._check_mode:
            known = ", ".join(self._store.names()) or "none"
            raise Problem(
                f"there is no live certificate of this name on this host (there are: {known})",
                "install it with mail_cert_install first",
                option="name",
            )
        reason = "the certificate is not live yet, as it may be in a real run"
        return ExportPlan((), {**_entry(params, reason), "changed": True, "files": [params["path"]]})

    def _planned(self, params: Mapping[str, Any], live: _Live) -> ExportPlan:
        path, form, passphrase = params["path"], params["format"], params["passphrase"]
        there = self._there(path)
        found = self._opened(path, there, passphrase)
        if found:
            self._refuse_foreign(path, found, live)
        same = found is not None and _is_same(found, form, live)
        if not same and live.key is None:
            raise missing(live.path)
        made = partial(_FORMATS[form], self._host, live.key, live.leaf, live.chain)
        content = there if same else made(live.friendly_name, passphrase)
        change = FileChange(
            path,
            content,
            **PRIVATE,
            secret=True,
            summary=f"backup of certificate {live.leaf.serial:X} with its key, {form}",
        )
        changes = [change] if change.needed(self._host) else []
        if same:
            reason = "the backup's owner or mode was corrected" if changes else "the backup is there already"
        else:
            reason = "the backup was replaced, since it differed" if found else "the backup was made"
        result = {
            **_entry(params, reason),
            "changed": bool(changes),
            "files": [one.path for one in changes],
            "friendly_name": live.friendly_name,
            "serial": hexadecimal(live.leaf.serial),
            "sha256": live.leaf.fingerprint,
            "not_after": timestamp(live.leaf.not_after),
            "chain": [one.subject for one in live.chain],
        }
        return ExportPlan(changes, result)

    def look(self, params: Mapping[str, Any]) -> None:
        """Open the backup that may be there already, so that :meth:`plan` need not; that says what is wrong with it."""
        if has_cryptography():
            with contextlib.suppress(Problem):
                self._opened(params["path"], self._there(params["path"]), params["passphrase"])

    def _there(self, path: str) -> bytes | None:
        try:
            return self._host.read(path)
        except Problem as exc:
            raise exc.about(option="path") from exc

    def _opened(self, path: str, there: bytes | None, passphrase: str) -> Content | None:
        """The backup that is there already, None where there is none.

        Raises:
            Problem: something is there that cannot be read, and it could be a key.
        """
        if not there:
            return None
        try:
            return self._openings.opened(there, passphrase)
        except Problem as exc:
            raise Problem(
                f"{path} is not a backup that can be read with this passphrase ({exc.found})",
                "give the passphrase it was made with, give another path, or move it away",
                option="path",
            ) from exc

    @staticmethod
    def _refuse_foreign(path: str, found: Content, live: _Live) -> None:
        """Refuse to overwrite the backup of some other certificate."""
        names = {name.lower() for one in found.certificates for name in one.names}
        if not names.intersection(name.lower() for name in live.leaf.names):
            raise Problem(
                f"{path} is a backup of another certificate ({', '.join(sorted(names)) or 'without names'})",
                "give each certificate a file of its own",
                option="path",
            )


def _live(entry: StoreEntry, passphrase: str | None) -> _Live:
    path, bundle = entry.live.path, entry.live.bundle or b""
    refuse_needless(bundle, path, passphrase)
    leaf, *chain = certificates_in(entry.live)
    key = None if is_protected(bundle) and passphrase is None else load_key(bundle, path, passphrase)
    if key is not None and public_key_of(key) != leaf.public_key:
        raise Problem(
            f"the key in {path} does not belong to its certificate",
            "have it renewed with mail_cert_request and mail_cert_install",
        )
    return _Live(path, key, leaf, chain, friendly_name_in(entry.live.record) or entry.name)


def _is_same(found: Content, form: str, live: _Live) -> bool:
    """Whether a backup is what would be made now; two of the same are never equal byte for byte."""
    return (
        found.converted_from == _CONVERTED_FROM[form]
        and found.friendly_name == live.friendly_name
        and {one.der for one in found.certificates} == {one.der for one in (live.leaf, *live.chain)}
        and found.key is not None
        and public_key_of(found.key) == live.leaf.public_key
    )


def _entry(params: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The part of the result that is always there; the word ``path`` alone would have Ansible add the file's state."""
    return {"name": params["name"], "backup_path": params["path"], "format": params["format"], "reason": reason}
