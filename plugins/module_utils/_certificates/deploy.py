# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a checked certificate to the files of the store and of the daemons, with a way back."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    friendly_name_in,
    live_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store, title
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers

_PRIVATE: Mapping[str, Any] = {"owner": "root", "group": "root", "mode": 0o600, "parent_mode": 0o700}


@dataclass(frozen=True)
class Outcome:
    """What one answer comes to.

    Attributes:
        changes: the files that differ from the host.
        daemons: names of the daemons whose copy is among them.
        leaf: DER of the certificate that these must serve then; None where it is not known yet.
        result: the entry in the module's result.
        before: summary of the live certificate before, for the diff.
        after: summary of it afterwards.
        warnings: what the administrator should know.
    """

    changes: Sequence[FileChange]
    daemons: Sequence[str]
    leaf: bytes | None
    result: dict[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: Sequence[str] = ()

    def diff(self) -> dict[str, Any]:
        """An entry for the module's diff."""
        path = self.result["path"]
        return {"before_header": path, "after_header": path, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Candidate:
    """A certificate that passed every check and shall be live.

    Attributes:
        name: its name in the store.
        bundle: its key, as the store shall have it, and its certificates, PEM.
        certificates: the same certificates, the leaf first.
        record: what it was asked for with; None where that is not known.
        keeps_record: whether the note of the live certificate stays as it is.
        passphrase: opens its key; None where none was given.
    """

    name: str
    bundle: bytes
    certificates: Sequence[_x509.Certificate]
    record: bytes | None
    keeps_record: bool = False
    passphrase: str | None = None

    def __repr__(self) -> str:
        return f"Candidate({self.name!r})"


class Promotion:
    """Plans how certificates become live on one host; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        daemons: names of the daemons on this host.
    """

    def __init__(self, host: Host, store: Store, now: datetime, daemons: Collection[str]) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._daemons = daemons
        self._planned: dict[str, _x509.Certificate] = {}

    def served_by(self, name: str) -> list[str]:
        """The daemons on this host that have a copy of a certificate."""
        return [daemon for daemon in self._store.deployed_daemons(name) if daemon in self._daemons]

    def live(self, name: str) -> list[_x509.Certificate]:
        """Leaf and chain of the live certificate; empty where there is none."""
        bundle = self._store.live(name)
        return live_certificates(bundle, self._store.live_path(name)) if bundle is not None else []

    def outcome(
        self, candidate: Candidate, others: Sequence[FileChange], reason: str, more: Mapping[str, Any]
    ) -> Outcome:
        """The files that make a certificate live, and what to say of it.

        Args:
            candidate: the certificate.
            others: further files, in the order in which they shall be committed.
            reason: why something changes, or nothing does.
            more: further entries of the result.

        Raises:
            Problem: a daemon's copy cannot be made without the right passphrase.
        """
        name, leaf = candidate.name, candidate.certificates[0]
        before, record = self.live(name), self._store.live_record(name)
        secret: dict[str, Any] = {"secret": True, "summary": f"private key, certificate {leaf.serial:X}, chain"}
        copies = {daemon: self._copy(daemon, candidate, secret) for daemon in self.served_by(name)}
        changes = [*copies.values(), FileChange(self._store.live_path(name), candidate.bundle, **_PRIVATE, **secret)]
        if not candidate.keeps_record:
            changes.append(FileChange(self._store.live_record_path(name), candidate.record, **_PRIVATE))
            record = candidate.record
        changes += others
        if before and before[0] != leaf:
            changes += self._kept(name, before[0])
        changes = needed(changes, self._host)
        self._planned[name] = leaf
        result = {
            "name": name,
            "changed": bool(changes),
            "reason": reason,
            "path": self._store.live_path(name),
            "files": [change.path for change in changes],
            "chain": [one.subject for one in candidate.certificates[1:]],
            "converted_from": None,
            "friendly_name": friendly_name_in(record) or None,
            **_x509.summary(leaf, self._now),
            **more,
        }
        return Outcome(
            changes,
            [daemon for daemon, copy in copies.items() if copy in changes],
            leaf.der,
            result,
            _shown(before, self._now),
            _shown(candidate.certificates, self._now),
            [] if before and before[0] == leaf else self._doubles(name, leaf),
        )

    def _doubles(self, name: str, leaf: _x509.Certificate) -> list[str]:
        """Warnings of other certificates for the same names, of which a server could use one only."""
        warnings = []
        for other in sorted({*self._store.names(), *self._planned} - {name}):
            with contextlib.suppress(Problem):  # what is wrong with another certificate is told by mail_cert_info
                found = self._planned.get(other) or self.live(other)[0]
                ours, theirs = ({one.lower() for one in some.names} for some in (leaf, found))
                same = {one for one in ours if covers(theirs, one)} | {one for one in theirs if covers(ours, one)}
                if same and _x509.same_kind(leaf.key_type, found.key_type):
                    warnings.append(
                        f"{title(name)}: {', '.join(sorted(same))} is in the live certificate {other} too, which has"
                        " the same kind of key; one for each name is enough"
                    )
        return warnings

    def _copy(self, daemon: str, candidate: Candidate, secret: Mapping[str, Any]) -> FileChange:
        """A daemon's copy, in which the key is open. Its owner and mode stay."""
        name, path = candidate.name, self._store.deployed_path(daemon, candidate.name)
        passphrase = candidate.passphrase if _keys.is_protected(candidate.bundle) else None
        content = _keys.daemon_copy(self._host, candidate.bundle, self._store.live_path(name), path, passphrase)
        return FileChange(path, content, prerequisite=True, **secret)

    def _kept(self, name: str, leaf: _x509.Certificate) -> list[FileChange]:
        """The certificate that is live until now, as the one to go back to."""
        summary = f"private key, certificate {leaf.serial:X}, chain"
        bundle, record = self._store.live(name), self._store.live_record(name)
        return [
            FileChange(self._store.previous_path(name), bundle, **_PRIVATE, secret=True, summary=summary),
            FileChange(self._store.previous_record_path(name), record, **_PRIVATE),
        ]


def _shown(certificates: Sequence[_x509.Certificate], now: datetime) -> dict[str, Any]:
    """A certificate and its chain for a diff: everything but what changes from day to day."""
    if not certificates:
        return {}
    shown = _x509.summary(certificates[0], now)
    del shown["days_left"]
    return {**shown, "chain": [one.subject for one in certificates[1:]]}
