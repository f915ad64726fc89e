# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pending request: its key, what it asks for, and its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import load_request
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    load_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import missing
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import CertificateSpec
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PRIVATE,
    PendingRequest,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange


@dataclass(frozen=True)
class PendingKey:
    """The key of a pending request, as far as it can be read.

    Attributes:
        path: where it is.
        pem: the key as it is stored.
        key: the key itself; None where it is protected and no passphrase was given.
        public_key: its public half; of a key that stays closed, what the request beside it says.
    """

    path: str
    pem: bytes = field(repr=False)
    key: Any = field(repr=False)
    public_key: bytes

    def opened(self) -> Any:
        """The key itself.

        Raises:
            Problem: it is protected, and no passphrase was given.
        """
        if self.key is None:
            raise missing(self.path)
        return self.key


def pending_key(pending: PendingRequest, passphrase: str | None) -> PendingKey | None:
    """The key of a pending request, None where there is none.

    A protected key need not be opened to know whose it is, as long as its request is beside it.

    Raises:
        Problem: it cannot be read, or the passphrase does not open it.
    """
    if pending.key is None:
        return None
    path = pending.key_path
    if is_protected(pending.key) and passphrase is None:
        if pending.request is None:
            raise missing(path)
        request = load_request(pending.request, pending.request_path)
        return PendingKey(path, pending.key, None, public_key_of(request))
    key = load_key(pending.key, path, passphrase)
    return PendingKey(path, pending.key, key, public_key_of(key))


def reuses_key_of(pending: PendingRequest, leaf: Certificate) -> bool:
    """Whether a pending request has the key of this very certificate on purpose, and so is not answered by it."""
    requested = CertificateSpec.from_record(pending.record)
    return requested is not None and requested.renews == leaf.fingerprint


def files(pending: PendingRequest, spec: CertificateSpec, key: bytes, request: bytes) -> list[FileChange]:
    """The files of a pending request as they are to be.

    Args:
        pending: where they go.
        spec: what is asked for.
        key: the private key, PEM.
        request: the request, PEM.
    """
    return [
        FileChange(pending.key_path, key, **PRIVATE, secret=True, summary=f"private key, {spec.key_type}"),
        FileChange(pending.request_path, request, **PRIVATE),
        FileChange(pending.record_path, spec.record, **PRIVATE),
    ]


def removal(pending: PendingRequest) -> list[FileChange]:
    """The removal of a pending request's files."""
    return [
        FileChange(pending.key_path, None, secret=True, summary="private key"),
        FileChange(pending.request_path, None),
        FileChange(pending.record_path, None),
    ]
