# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the certificate store of one host holds, as plain data. What is wrong in it is told, and stops nothing."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    Wanted,
    asked_for,
    friendly_name_in,
    held_key,
    live_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    Pending,
    Store,
    checked_name,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers


class Inventory:
    """Reads a store; writes nothing.

    Args:
        store: the store.
        now: the time, UTC.
        renew_at: the fraction of its life after which a certificate is due for renewal.
    """

    def __init__(self, store: Store, now: datetime, renew_at: float) -> None:
        self._store = store
        self._now = now
        self._renew_at = renew_at
        self._leaves: dict[str, _x509.Certificate] = {}

    def names(self) -> list[str]:
        """Names of all certificates that are live or pending."""
        return sorted({*self._store.names(), *self._store.pending_names()})

    def entry(self, name: str) -> dict[str, Any]:
        """What there is under one name.

        Raises:
            Problem: the name is none, or the store cannot be read at all.
        """
        faults: list[str] = []
        bundle, pending = self._store.live(checked_name(name)), self._store.pending(name)
        live = _told(faults, lambda: self._live(name, bundle)) if bundle is not None else None
        if bundle is not None:
            _told(faults, lambda: self._check_live_key(name, bundle))
        key = _told(faults, lambda: self._checked_pending(name, pending)) if pending else None
        leaf = self._leaves.get(name)
        return {
            "name": name,
            "host": socket.gethostname(),
            "live": live,
            "pending": self._pending(name, pending, key) if pending else None,
            "tlsa": _tlsa(leaf, key),
            "previous": self._previous(name, faults),
            "daemons": self._store.deployed_daemons(name),
            "due": leaf is not None and _x509.is_due(leaf, self._renew_at, self._now),
            "faults": faults,
        }

    def shared(self, *, same_kind: bool) -> list[dict[str, Any]]:
        """DNS names for which two of the certificates that were looked at stand.

        Args:
            same_kind: whether those with keys of the same kind are told, of which one is enough; or those with keys of
                different kinds, which a server can have side by side.
        """
        found: dict[str, set[str]] = {}
        for (one, first), (other, second) in itertools.permutations(self._leaves.items(), 2):
            if _x509.same_kind(first.key_type, second.key_type) is same_kind:
                for dns_name in first.names:
                    if covers(second.names, dns_name.lower()):
                        found.setdefault(dns_name.lower(), set()).update((one, other))
        return [{"dns_name": name, "certificates": sorted(found[name])} for name in sorted(found)]

    # ---- live

    def _live(self, name: str, bundle: bytes) -> dict[str, Any]:
        path = self._store.live_path(name)
        leaf, *chain = live_certificates(bundle, path)
        self._leaves[name] = leaf
        return {
            "path": path,
            "friendly_name": friendly_name_in(self._store.live_record(name)) or None,
            "key_protected": _keys.is_protected(bundle),
            "chain": [one.subject for one in chain],
            **_x509.summary(leaf, self._now),
        }

    def _check_live_key(self, name: str, bundle: bytes) -> None:
        path, leaf = self._store.live_path(name), self._leaves.get(name)
        if _keys.is_protected(bundle):
            return  # nobody gives a passphrase to a report
        key = _x509.load_key(bundle, path)
        if leaf and _x509.public_key_of(key) != leaf.public_key:
            raise Problem(f"the key in {path} does not belong to its certificate", "have it renewed")

    # ---- previous

    def _previous(self, name: str, faults: list[str]) -> dict[str, Any] | None:
        bundle, path = self._store.previous(name), self._store.previous_path(name)
        found = _told(faults, lambda: live_certificates(bundle, path)) if bundle is not None else None
        return {"path": path, **_x509.summary(found[0], self._now)} if found else None

    # ---- pending

    def _pending(self, name: str, pending: Pending, key: bytes | None) -> dict[str, Any]:
        asked = Wanted.from_record(pending.record)
        unknown = ("subject_alt_names", "key_type", "key_size", "digest", "must_staple", "friendly_name", "key_reused")
        return {
            "csr": pending.request.decode("ascii", "replace") if pending.request else None,
            "csr_path": self._store.pending_request_path(name),
            "key_protected": _keys.is_protected(pending.key or b""),
            "subject": asked.subject.rfc4514_string() if asked else None,
            **_x509.pin(key),
            **(asked_for(asked) if asked else dict.fromkeys(unknown)),
        }

    def _checked_pending(self, name: str, pending: Pending) -> bytes:
        """The public key of the pending request. Raises Problem where the CA's answer could not be installed."""
        again = "run mail_cert_request again"
        if pending.request is None and pending.key is not None:
            raise Problem("the pending request has a key only", again)
        held = held_key(self._store, name, pending, None)
        if held is None:
            raise Problem("the pending request has lost its key", again)
        request = _x509.load_request(pending.request or b"", self._store.pending_request_path(name))
        if _x509.public_key_of(request) != held.public_key:
            raise Problem("the pending request belongs to another key than the one beside it", again)
        if Wanted.from_record(pending.record) is None:
            raise Problem("it is not known what the pending request asks for", "cancel it with state=absent")
        return held.public_key


def _tlsa(live: _x509.Certificate | None, pending: bytes | None) -> dict[str, str | None]:
    """The TLSA record for the live key, and the one that must be there before the pending key becomes live."""
    current = _x509.pin(live.spki if live else None)["tlsa_3_1_1"]
    following = _x509.pin(pending)["tlsa_3_1_1"]
    return {"current": current, "next": following if following != current else None}


def _told(faults: list[str], look: Callable[[], Any]) -> Any:
    """What can be seen; a problem is noted instead."""
    try:
        return look()
    except Problem as exc:
        faults.append(f"{exc.found}. {exc.remedy}.")
        return None


def summarised(entries: Sequence[dict[str, Any]]) -> str:
    """One line over all certificates."""
    live = [one for one in entries if one["live"]]
    counts = {
        "live": len(live),
        "due for renewal": sum(one["due"] for one in entries),
        "pending": sum(one["pending"] is not None for one in entries),
        "with faults": sum(bool(one["faults"]) for one in entries),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items())
