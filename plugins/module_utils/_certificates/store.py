# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where certificates are on a host: what is pending, what is live, and the copies that daemons read.

::

    ROOT/pending/NAME/key.pem        the key that waits for the CA's answer (0600, directory 0700)
    ROOT/pending/NAME/request.csr    the request for the CA, PEM (0600; nothing in it is secret)
    ROOT/pending/NAME/request.json   what was asked for
    ROOT/live/NAME.pem               key, leaf, intermediates in this order: one file, replaced by one rename (0600)
    ROOT/live/NAME.json              what was asked for when it was requested; nothing depends on it
    ROOT/previous/NAME.pem, .json    what was live before that, in the same form, to be put back (0600, directory 0700)
    ROOT/deployed/DAEMON/NAME.pem    the copy that one daemon reads, with the owner and mode that it needs
    ROOT/originals/DAEMON.json       what stood in a daemon's shared configuration before we changed it (0600)

This file knows paths and bytes only, so that a provider can use it without loading ``cryptography``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import leaf_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SUFFIX = ".pem"

# how the store's own files are written; only root needs them
PRIVATE: Mapping[str, Any] = {"owner": "root", "group": "root", "mode": 0o600, "parent_mode": 0o700}


def title(name: str) -> str:
    """How messages name a certificate."""
    return f"certificate {name}"


def checked_name(name: str) -> str:
    """The name itself, when it is safe as the name of a file.

    Raises:
        Problem: it is not.
    """
    if not _NAME.fullmatch(name):
        raise Problem(
            f"{name!r} cannot name a certificate",
            "use the host name it is for: at most 200 letters, digits, full stops, hyphens and underscores,"
            " the first of them a letter or digit",
            option="name",
        )
    return name


def check_distinct(names: Sequence[str]) -> None:
    """Refuse a list that has a certificate twice.

    Raises:
        Problem: it has.
    """
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise Problem("it is in the list more than once", "list it once", subject=title(twice[0]), option="name")


@dataclass(frozen=True)
class PendingRequest:
    """A pending request: where its files are, and what is in them; None for a file that is missing.

    Attributes:
        key_path: path of the private key.
        request_path: path of the request.
        record_path: path of the record of what was asked for.
        key: the private key, PEM.
        request: the request for the CA, PEM.
        record: what was asked for, JSON.
    """

    key_path: str
    request_path: str
    record_path: str
    key: bytes | None = field(repr=False)
    request: bytes | None
    record: bytes | None

    @property
    def exists(self) -> bool:
        """Whether any part of a request is there."""
        return any(part is not None for part in (self.key, self.request, self.record))


@dataclass(frozen=True)
class StoredCertificate:
    """A live or previous certificate: where its files are, and what is in them; None for a file that is missing.

    Attributes:
        path: path of the file with key, leaf and chain.
        record_path: path of the record of what was asked for.
        bundle: key, leaf and chain, PEM.
        record: what was asked for, JSON; None also where that is not known.
    """

    path: str
    record_path: str
    bundle: bytes | None = field(repr=False)
    record: bytes | None

    @property
    def exists(self) -> bool:
        """Whether there is a certificate."""
        return self.bundle is not None


@dataclass(frozen=True)
class StoreEntry:
    """All that the store holds under one name. Each part is read when it is first asked for, and only then.

    Attributes:
        store: the store.
        name: the name.
    """

    store: Store = field(repr=False, compare=False)
    name: str

    @cached_property
    def pending(self) -> PendingRequest:
        """The pending request."""
        store, name = self.store, self.name
        paths = store.pending_key_path(name), store.pending_request_path(name), store.pending_record_path(name)
        return PendingRequest(*paths, *(store.read(path) for path in paths))

    @cached_property
    def live(self) -> StoredCertificate:
        """The certificate in use."""
        return self._stored(self.store.live_path(self.name), self.store.live_record_path(self.name))

    @cached_property
    def previous(self) -> StoredCertificate:
        """The certificate that was live before."""
        return self._stored(self.store.previous_path(self.name), self.store.previous_record_path(self.name))

    def _stored(self, path: str, record_path: str) -> StoredCertificate:
        return StoredCertificate(path, record_path, self.store.read(path), self.store.read(record_path))


class Store:
    """The certificate store below one directory. Reads only; nothing here writes."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self.root = root

    # ---- paths

    def pending_directory(self, name: str) -> str:
        """Directory of a pending request."""
        return os.path.join(self.root, "pending", checked_name(name))

    def pending_key_path(self, name: str) -> str:
        """Path of the key that waits for the CA's answer."""
        return os.path.join(self.pending_directory(name), "key.pem")

    def pending_request_path(self, name: str) -> str:
        """Path of the request that the CA gets."""
        return os.path.join(self.pending_directory(name), "request.csr")

    def pending_record_path(self, name: str) -> str:
        """Path of the record of what was asked for."""
        return os.path.join(self.pending_directory(name), "request.json")

    def live_path(self, name: str) -> str:
        """Path of a live certificate with its key and chain."""
        return os.path.join(self.root, "live", checked_name(name) + _SUFFIX)

    def live_record_path(self, name: str) -> str:
        """Path of the record of what was asked for when the live certificate was requested."""
        return os.path.join(self.root, "live", checked_name(name) + ".json")

    def previous_path(self, name: str) -> str:
        """Path of the certificate that was live before the live one, with its key and chain."""
        return os.path.join(self.root, "previous", checked_name(name) + _SUFFIX)

    def previous_record_path(self, name: str) -> str:
        """Path of the record of what was asked for when that one was requested."""
        return os.path.join(self.root, "previous", checked_name(name) + ".json")

    def deployed_path(self, daemon: str, name: str) -> str:
        """Path of the copy that a daemon reads."""
        return os.path.join(self.root, "deployed", daemon, checked_name(name) + _SUFFIX)

    def originals_path(self, daemon: str) -> str:
        """Path of the record of a daemon's own settings before they were first changed."""
        return os.path.join(self.root, "originals", daemon + ".json")

    # ---- what is there

    def entry(self, name: str) -> StoreEntry:
        """What the store holds under one name.

        Raises:
            Problem: it is not safe as a file name.
        """
        return StoreEntry(self, checked_name(name))

    def read(self, path: str) -> bytes | None:
        """Content of a file, or None where there is none."""
        return self._host.read(path)

    def leaf(self, certificate: str) -> bytes:
        """DER of a live certificate, or of the first one in a foreign file of which the path is given.

        Raises:
            Problem: there is none.
        """
        path = certificate if os.path.isabs(certificate) else self.live_path(certificate)
        return leaf_of(self._host.read(path) or b"")

    def deployed(self, daemon: str, name: str) -> bytes | None:
        """The copy that a daemon reads, or None where it has none."""
        return self._host.read(self.deployed_path(daemon, name))

    def names(self) -> list[str]:
        """Names of the live certificates."""
        return self._names_in(os.path.join(self.root, "live"))

    def pending_names(self) -> list[str]:
        """Names of the pending requests."""
        found = self._host.names_in(os.path.join(self.root, "pending"))
        return [name for name in found if _NAME.fullmatch(name) and self.entry(name).pending.exists]

    def holds(self, path: str) -> bool:
        """Whether a path is within this store."""
        return os.path.realpath(path).startswith(os.path.realpath(self.root) + os.sep)

    def deployed_daemons(self, name: str) -> list[str]:
        """The daemons that have a copy of this certificate."""
        daemons = self._host.names_in(os.path.join(self.root, "deployed"))
        return [daemon for daemon in daemons if self._host.state(self.deployed_path(daemon, name))]

    def deployed_names(self, daemon: str) -> list[str]:
        """The certificates of which a daemon has a copy."""
        return self._names_in(os.path.join(self.root, "deployed", daemon))

    def name_of_deployed(self, daemon: str, path: str) -> str | None:
        """Name of the certificate of which a path is a daemon's copy, or None for a foreign file."""
        directory, base = os.path.split(os.path.normpath(path))
        name = base[: -len(_SUFFIX)]
        if not base.endswith(_SUFFIX) or not _NAME.fullmatch(name):
            return None
        return name if directory == os.path.dirname(self.deployed_path(daemon, name)) else None

    def behind(self, daemon: str, path: str) -> str:
        """What a daemon's file is: the name of the certificate of which it is a copy, or the path of a foreign file."""
        return self.name_of_deployed(daemon, path) or path

    def _names_in(self, directory: str) -> list[str]:
        files = (name for name in self._host.names_in(directory) if name.endswith(_SUFFIX))
        return [name[: -len(_SUFFIX)] for name in files if _NAME.fullmatch(name[: -len(_SUFFIX)])]
