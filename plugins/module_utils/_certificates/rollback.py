# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back to the certificate that was live before; the live one takes its place, so a second run undoes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.chain import verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.deploy import (
    Candidate,
    Deployment,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    load_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.leaf import check_leaf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import certificates_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import refuse_needless
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import required_names
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import StoreEntry
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host

_HANDED_OVER = ("content", "src", "key_src", "passphrase", "chain")


class Rollback:
    """Plans the exchange of a live certificate and the one before it; writes nothing.

    Args:
        host: the machine.
        now: the time, UTC.
        deployment: makes certificates live.
    """

    def __init__(self, host: Host, now: datetime, deployment: Deployment) -> None:
        self._host = host
        self._now = now
        self._deployment = deployment

    def plan(self, params: Mapping[str, Any], entry: StoreEntry) -> Plan:
        """What to do about one element of the module's options.

        Args:
            params: the options.
            entry: what the store holds under the name.

        Raises:
            Problem: there is nothing to go back to, or clients would not accept it.
        """
        given = [option for option in _HANDED_OVER if params[option] is not None]
        if given:
            raise Problem(
                "it cannot be given with state=previous, which puts back what the store has",
                f"omit {' and '.join(given)}",
                option=given[0],
            )
        previous, passphrase = entry.previous, params["key_passphrase"]
        if previous.bundle is None:
            raise Problem(
                "no previous certificate is kept", "install the one you want with state=present", option="state"
            )
        certificates = certificates_in(previous)
        leaf, *chain = certificates
        key = load_key(previous.bundle, previous.path, passphrase)
        refuse_needless(previous.bundle, previous.path, passphrase)
        if public_key_of(key) != leaf.public_key:
            raise Problem(f"the key in {previous.path} does not belong to its certificate", "request a new certificate")
        check_leaf(leaf, required_names(entry.name, previous.record, params["names"]), self._now)
        verified_chain(self._host, leaf, chain, params["trust_store"])
        candidate = Candidate(entry, previous.bundle, certificates, previous.record, passphrase=passphrase)
        reason = "the previous certificate was put back, and the one that was live is the previous one now"
        ends: list[FileChange] = []
        if not entry.live.exists:
            reason = "the previous certificate was put back"
            ends = [
                FileChange(previous.path, None, secret=True, summary="private key"),
                FileChange(previous.record_path, None),
            ]
        return self._deployment.plan(candidate, ends, reason, {})
