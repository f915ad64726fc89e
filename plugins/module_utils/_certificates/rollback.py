# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back to the certificate that was live before. The live one takes its place, so the way leads both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.chain import verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.deploy import (
    Candidate,
    Outcome,
    Promotion,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.leaf import check_leaf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    Wanted,
    live_certificates,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name

_HANDED_OVER = ("content", "src", "key_src", "passphrase", "chain")


def required_names(name: str, record: bytes | None, demanded: Sequence[str] | None) -> Sequence[str]:
    """The names that a certificate must cover.

    Args:
        name: its name in the store.
        record: what it was asked for with; None where that is not known.
        demanded: what the administrator says, if anything.
    """
    if demanded:
        return [ascii_name(one, "names") for one in demanded]
    asked = Wanted.from_record(record)
    return asked.names if asked else [ascii_name(name, "names")]


class Rollback:
    """Plans the exchange of a live certificate and the one before it; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        promotion: makes certificates live.
    """

    def __init__(self, host: Host, store: Store, now: datetime, promotion: Promotion) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._promotion = promotion

    def plan(self, params: Mapping[str, Any]) -> Outcome:
        """What to do about one element of the module's options.

        Raises:
            Problem: there is nothing to go back to, or clients would not accept it.
        """
        given = [option for option in _HANDED_OVER if params[option] is not None]
        if given:
            raise Problem(
                "it does not go together with state=previous, which puts back what the store has",
                f"leave {' and '.join(given)} out",
                option=given[0],
            )
        name = params["name"]
        bundle, path = self._store.previous(name), self._store.previous_path(name)
        if bundle is None:
            raise Problem(
                "no previous certificate is kept", "install the one that you want with state=present", option="state"
            )
        certificates = live_certificates(bundle, path)
        leaf, *chain = certificates
        key = _x509.load_key(bundle, path, params["key_passphrase"])
        _keys.refuse_needless(bundle, path, params["key_passphrase"])
        if _x509.public_key_of(key) != leaf.public_key:
            raise Problem(f"the key in {path} does not belong to its certificate", "request a new certificate")
        record = self._store.previous_record(name)
        check_leaf(leaf, required_names(name, record, params["names"]), self._now)
        verified_chain(self._host, leaf, chain, params["trust_store"])
        candidate = Candidate(name, bundle, certificates, record, passphrase=params["key_passphrase"])
        reason = "the previous certificate was put back, and the one that was live is the previous one now"
        ends: list[FileChange] = []
        if self._store.live(name) is None:
            reason = "the previous certificate was put back"
            ends = [
                FileChange(path, None, secret=True, summary="private key"),
                FileChange(self._store.previous_record_path(name), None),
            ]
        return self._promotion.outcome(candidate, ends, reason, {})
