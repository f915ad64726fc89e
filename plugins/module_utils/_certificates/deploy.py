# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a checked certificate to the files of the store and of the daemons, with a way back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.keys import daemon_copy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import certificates_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.shared_names import NameIndex
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import friendly_name_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PRIVATE,
    Store,
    StoreEntry,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import summary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


@dataclass(frozen=True)
class Candidate:
    """A certificate that passed every check and is to be live.

    Attributes:
        entry: what the store holds under its name.
        bundle: its key, as the store is to have it, and its certificates, PEM.
        certificates: the same certificates, the leaf first.
        record: what it was asked for with; None where that is not known.
        keeps_record: whether the record of the live certificate stays as it is.
        passphrase: opens its key; None where none was given.
    """

    entry: StoreEntry
    bundle: bytes = field(repr=False)
    certificates: Sequence[Certificate]
    record: bytes | None
    keeps_record: bool = False
    passphrase: str | None = field(default=None, repr=False)


class Deployment:
    """Plans how certificates become live on one host; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        daemons: finds the names of the daemons on this host.
    """

    def __init__(self, host: Host, store: Store, now: datetime, daemons: Callable[[], Collection[str]]) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._daemons = daemons
        self._planned: dict[str, Certificate] = {}

    def served_by(self, name: str) -> list[str]:
        """The daemons on this host that have a copy of a certificate."""
        return [daemon for daemon in self._store.deployed_daemons(name) if daemon in self._daemons()]

    def plan(self, candidate: Candidate, others: Sequence[FileChange], reason: str, more: Mapping[str, Any]) -> Plan:
        """The files that make a certificate live, and what to say of it.

        Args:
            candidate: the certificate.
            others: further files, in the order in which they are to be committed.
            reason: why something changes, or nothing does.
            more: further entries of the result.

        Raises:
            Problem: a daemon's copy cannot be made without the right passphrase.
        """
        entry, leaf = candidate.entry, candidate.certificates[0]
        live, before = entry.live, certificates_in(entry.live)
        record = live.record if candidate.keeps_record else candidate.record
        copies = {daemon: self._copy(daemon, candidate) for daemon in self.served_by(entry.name)}
        changes = [*copies.values(), FileChange(live.path, candidate.bundle, **PRIVATE, **_secret(leaf))]
        if not candidate.keeps_record:
            changes.append(FileChange(live.record_path, record, **PRIVATE))
        changes += others
        if before and before[0] != leaf:
            changes += _kept(entry, before[0])
        changes = needed(changes, self._host)
        self._planned[entry.name] = leaf
        if "_index" in vars(self):
            self._index.put(entry.name, leaf)
        result = {
            "name": entry.name,
            "changed": bool(changes),
            "reason": reason,
            "path": live.path,
            "files": [change.path for change in changes],
            "chain": [one.subject for one in candidate.certificates[1:]],
            "converted_from": None,
            "friendly_name": friendly_name_in(record) or None,
            **summary(leaf, self._now),
            **more,
        }
        return Plan(
            changes,
            result,
            live.path,
            _for_diff(before, self._now),
            _for_diff(candidate.certificates, self._now),
            [] if before and before[0] == leaf else self._overlaps(entry.name, leaf),
            [daemon for daemon, copy in copies.items() if copy in changes],
            leaf.der,
        )

    @cached_property
    def _index(self) -> NameIndex:
        """The live certificates of the store, read once for all that are planned."""
        index = NameIndex()
        for name in self._store.names():
            with contextlib.suppress(Problem):  # what is wrong with another certificate is for mail_cert_info to say
                index.put(name, certificates_in(self._store.entry(name).live)[0])
        for name, leaf in self._planned.items():
            index.put(name, leaf)
        return index

    def _overlaps(self, name: str, leaf: Certificate) -> list[str]:
        """Warnings of other certificates for the same names, of which a server could use one only."""
        self._index.put(name, leaf)
        return [
            f"{title(name)}: the live certificate {other}, with the same kind of key, covers"
            f" {', '.join(sorted(same))} too; one for each name is enough"
            for other, same in sorted(self._index.overlaps(name).items())
        ]

    def _copy(self, daemon: str, candidate: Candidate) -> FileChange:
        """A daemon's copy, in which the key is open. Its owner and mode stay."""
        entry, path = candidate.entry, self._store.deployed_path(daemon, candidate.entry.name)
        passphrase = candidate.passphrase if is_protected(candidate.bundle) else None
        content = daemon_copy(self._host, candidate.bundle, entry.live.path, path, passphrase)
        return FileChange(path, content, prerequisite=True, **_secret(candidate.certificates[0]))


def _kept(entry: StoreEntry, leaf: Certificate) -> list[FileChange]:
    """The certificate that is live until now, as the one to go back to."""
    return [
        FileChange(entry.previous.path, entry.live.bundle, **PRIVATE, **_secret(leaf)),
        FileChange(entry.previous.record_path, entry.live.record, **PRIVATE),
    ]


def _secret(leaf: Certificate) -> dict[str, Any]:
    """How a diff shows a file of key, certificate and chain."""
    return {"secret": True, "summary": f"private key, certificate {leaf.serial:X}, chain"}


def _for_diff(certificates: Sequence[Certificate], now: datetime) -> dict[str, Any]:
    """A certificate and its chain for a diff: everything but what changes from day to day."""
    if not certificates:
        return {}
    shown = summary(certificates[0], now)
    del shown["days_left"]
    return {**shown, "chain": [one.subject for one in certificates[1:]]}
