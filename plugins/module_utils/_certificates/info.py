# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the certificate store of one host holds, as plain data. What is wrong in it is reported, and stops nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import load_request
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    load_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import (
    certificates_in,
    is_due,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pending import pending_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.shared_names import NameIndex
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    CertificateSpec,
    friendly_name_in,
    source_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PendingRequest,
    Store,
    StoredCertificate,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import pin, summary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem


class StoreReport:
    """What a store holds under each name; writes nothing.

    Args:
        store: the store.
        now: the time, UTC.
        renew_at: the fraction of its life after which a certificate is due for renewal.
    """

    def __init__(self, store: Store, now: datetime, renew_at: float) -> None:
        self._store = store
        self._now = now
        self._renew_at = renew_at
        self._leaves: dict[str, Certificate] = {}
        self._index = NameIndex()

    def names(self) -> list[str]:
        """Names of all certificates that are live or pending."""
        return sorted({*self._store.names(), *self._store.pending_names()})

    def entry(self, name: str) -> dict[str, Any]:
        """What the store holds under one name.

        Raises:
            Problem: the name is not safe as a file name, or the store cannot be read at all.
        """
        faults: list[str] = []
        stored = self._store.entry(name)
        live, pending = stored.live, stored.pending
        shown = _or_fault(faults, lambda: self._live(name, live)) if live.exists else None
        if live.exists:
            _or_fault(faults, lambda: self._check_live_key(name, live))
        key = _or_fault(faults, lambda: _checked_pending(pending)) if pending.exists else None
        leaf = self._leaves.get(name)
        return {
            "name": name,
            "host": socket.gethostname(),
            "live": shown,
            "pending": _pending(pending, key) if pending.exists else None,
            "tlsa": _tlsa(leaf, key),
            "previous": self._previous(stored.previous, faults),
            "daemons": self._store.deployed_daemons(name),
            "due": leaf is not None and is_due(leaf, self._renew_at, self._now),
            "faults": faults,
        }

    def shared(self, *, same_kind: bool) -> list[dict[str, Any]]:
        """DNS names that two of the reported certificates cover.

        Args:
            same_kind: True for those with keys of the same kind, of which one is enough; False for those with keys of
                different kinds, which a server can have side by side.
        """
        found = self._index.shared(same_kind=same_kind)
        return [{"dns_name": name, "certificates": sorted(found[name])} for name in sorted(found)]

    def _live(self, name: str, live: StoredCertificate) -> dict[str, Any]:
        leaf, *chain = certificates_in(live)
        self._leaves[name] = leaf
        self._index.put(name, leaf)
        return {
            "path": live.path,
            "friendly_name": friendly_name_in(live.record) or None,
            "source": source_in(live.record) or None,
            "key_protected": is_protected(live.bundle or b""),
            "chain": [one.subject for one in chain],
            **summary(leaf, self._now),
        }

    def _check_live_key(self, name: str, live: StoredCertificate) -> None:
        bundle, leaf = live.bundle or b"", self._leaves.get(name)
        if is_protected(bundle):
            return  # nobody gives a passphrase to a report
        key = load_key(bundle, live.path)
        if leaf and public_key_of(key) != leaf.public_key:
            raise Problem(f"the key in {live.path} does not belong to its certificate", "have it renewed")

    def _previous(self, previous: StoredCertificate, faults: list[str]) -> dict[str, Any] | None:
        found = _or_fault(faults, lambda: certificates_in(previous))
        return {"path": previous.path, **summary(found[0], self._now)} if found else None


def _pending(pending: PendingRequest, key: bytes | None) -> dict[str, Any]:
    requested = CertificateSpec.from_record(pending.record)
    unknown = ("subject_alt_names", "key_type", "key_size", "digest", "must_staple", "friendly_name", "key_reused")
    return {
        "csr": pending.request.decode("ascii", "replace") if pending.request else None,
        "csr_path": pending.request_path,
        "key_protected": is_protected(pending.key or b""),
        "subject": requested.subject.rfc4514_string() if requested else None,
        **pin(key),
        **(requested.for_result() if requested else dict.fromkeys(unknown)),
    }


def _checked_pending(pending: PendingRequest) -> bytes:
    """The public key of the pending request. Raises Problem where the CA's answer could not be installed."""
    again = "run mail_cert_request again"
    if pending.request is None and pending.key is not None:
        raise Problem("the pending request has only its key", again)
    key = pending_key(pending, None)
    if key is None:
        raise Problem("the pending request has lost its key", again)
    request = load_request(pending.request or b"", pending.request_path)
    if public_key_of(request) != key.public_key:
        raise Problem("the pending request belongs to a different key than the one stored with it", again)
    if CertificateSpec.from_record(pending.record) is None:
        raise Problem("it is not known what the pending request asks for", "cancel it with state=absent")
    return key.public_key


def _tlsa(live: Certificate | None, pending: bytes | None) -> dict[str, str | None]:
    """The TLSA record for the live key, and the one that must be there before the pending key becomes live."""
    current = pin(live.spki if live else None)["tlsa_3_1_1"]
    following = pin(pending)["tlsa_3_1_1"]
    return {"current": current, "next": following if following != current else None}


def _or_fault(faults: list[str], look: Callable[[], Any]) -> Any:
    """What can be seen; a problem is added to the faults instead."""
    try:
        return look()
    except Problem as exc:
        faults.append(f"{exc.found}. {exc.remedy}.")
        return None


def summarised(entries: Sequence[dict[str, Any]]) -> str:
    """All certificates in one line."""
    live = [one for one in entries if one["live"]]
    counts = {
        "live": len(live),
        "due for renewal": sum(one["due"] for one in entries),
        "pending": sum(one["pending"] is not None for one in entries),
        "with faults": sum(bool(one["faults"]) for one in entries),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items())
