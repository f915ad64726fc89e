# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA's answer to a request, or a backup with its key: checked in memory, then made live as one unit.

No daemon's own test notices a certificate for another key, a wrong name or a gap in the chain, so everything is checked
here before anything is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.chain import verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.deploy import (
    Candidate,
    Deployment,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.formats import Content
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.input import Input
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    key_pem,
    load_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.keys import encrypted_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.leaf import check_leaf, only_leaf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import certificates_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.openings import Openings
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import (
    check_passphrase,
    refuse_needless,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected, key_block
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pending import (
    PendingKey,
    pending_key,
    removal,
    reuses_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.rollback import Rollback
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    friendly_name_in,
    label_record,
    required_names,
    source_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PendingRequest,
    Store,
    StoredCertificate,
    StoreEntry,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import timestamp
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


@dataclass(frozen=True)
class _MatchingKey:
    """The key that a certificate belongs to, and what was asked for with it.

    Attributes:
        pem: the private key as the store has it, or is to have it.
        public_key: its public half.
        record: what was asked for.
        pending: whether it is the pending request's, not the live certificate's.
        imported: whether the key came with the certificate and is not on this host yet.
        instead_of: the source of the live certificate, where that is another one.
    """

    pem: bytes = field(repr=False)
    public_key: bytes
    record: bytes | None
    pending: bool = False
    imported: bool = False
    instead_of: str = ""


class InstallPlanner:
    """Checks certificates against one host's store and plans how they become live; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        daemons: finds the names of the daemons on this host.
        check_mode: an answer that is not known yet, or whose request is not, is then no error.
        require_library: leaves the module where ``cryptography`` is missing.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        now: datetime,
        daemons: Callable[[], Collection[str]],
        *,
        check_mode: bool,
        require_library: Callable[[], None],
    ) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._deployment = Deployment(host, store, now, daemons)
        self._check_mode = check_mode
        self._require_library = require_library
        self._openings = Openings()

    def look(self, params: Mapping[str, Any]) -> None:
        """Open what one element of the module's options hands over, so that :meth:`plan` need not.

        What is wrong with it is for :meth:`plan` to say, which may find another file there.
        """
        if params["state"] == "previous" or not has_cryptography():
            return
        with contextlib.suppress(Problem):
            given = Input.from_params(self._host, params, "", check_mode=True)
            if given.data is not None:
                given.others(given.opened(self._openings), self._openings)

    def plan(self, params: Mapping[str, Any]) -> Plan:
        """What to do about one element of the module's options.

        Raises:
            Problem: the answer must not be installed.
        """
        try:
            entry = self._store.entry(params["name"])
            check_passphrase(params["key_passphrase"])
            if params["state"] == "previous":
                self._require_library()
                return Rollback(self._host, self._now, self._deployment).plan(params, entry)
            request_path = entry.pending.request_path
            given = Input.from_params(self._host, params, request_path, check_mode=self._check_mode)
            if given.data is None:
                return self._foreseen(entry, "the CA's answer is not known in check mode")
            is_known = entry.pending.exists or entry.live.exists
            if self._check_mode and not is_known and not self._brings_key(given):
                return self._foreseen(entry, "the request for it is not pending yet, as it may be in a real run")
            self._require_library()
            return self._install(entry, given, params)
        except Problem as exc:
            raise exc.about(subject=title(params["name"])) from exc

    def _brings_key(self, given: Input) -> bool:
        """Whether a key comes with the certificate, so that it needs no request; False where this cannot be seen."""
        return has_cryptography() and given.opened(self._openings).key is not None

    def _foreseen(self, entry: StoreEntry, why: str) -> Plan:
        """What a check run can say before there is a certificate: the files that its installation concerns."""
        pending, live = entry.pending, entry.live
        daemons = self._deployment.served_by(entry.name)
        paths = [self._store.deployed_path(daemon, entry.name) for daemon in daemons]
        paths.append(live.path)
        if live.record is None or (pending.exists and pending.record != live.record):  # a mere renewal has the same
            paths.append(live.record_path)
        if live.exists:
            paths.append(entry.previous.path)
            paths += [entry.previous.record_path] if live.record is not None else []
        ends = removal(pending)
        paths += [change.path for change in (needed(ends, self._host) if pending.exists else ends)]
        result = {
            "name": entry.name,
            "changed": True,
            "reason": f"a certificate would be installed; {why}",
            "path": live.path,
            "files": paths,
        }
        return Plan((), result, live.path, {}, {}, daemons=daemons)

    # ---- checks

    def _install(self, entry: StoreEntry, given: Input, params: Mapping[str, Any]) -> Plan:
        content = given.opened(self._openings)
        found, others = content.certificates, given.others(content, self._openings)
        leaf = only_leaf([*found, *others], given.option)
        live = certificates_in(entry.live)
        try:
            match = self._matching_key(entry, leaf, live, content, given)
            check_leaf(leaf, required_names(entry.name, match.record, params["names"]), self._now)
            chain = verified_chain(
                self._host, leaf, [one for one in (*found, *others) if one is not leaf], params["trust_store"]
            )
        except Problem as exc:
            raise exc.about(option=given.option) from exc
        return self._plan(entry, match, [leaf, *chain], live, content, given)

    def _matching_key(
        self, entry: StoreEntry, leaf: Certificate, live: Sequence[Certificate], content: Content, given: Input
    ) -> _MatchingKey:
        """The key that a certificate belongs to: the pending one, the live one, or the one that came with it.

        Raises:
            Problem: it belongs to no key here, or that key does not open.
        """
        brought, passphrase = content.key, given.key_passphrase
        if brought is not None and public_key_of(brought) != leaf.public_key:
            raise Problem(
                "the private key in it does not belong to the certificate in it",
                "give the key and its certificate; if another tool is renewing them right now, run again after that",
                option=given.option if given.key is None else "key_src",
            )
        is_live = bool(live) and live[0] == leaf
        has_live_key = bool(live) and live[0].public_key == leaf.public_key
        key = _pending_key(entry.pending, leaf if is_live else None, passphrase)
        if key and key.public_key == leaf.public_key and not (is_live and reuses_key_of(entry.pending, leaf)):
            key.opened()
            refuse_needless(key.pem, key.path, passphrase)
            return _MatchingKey(key.pem, key.public_key, entry.pending.record, pending=True)
        if is_live:
            return _live_key(entry.live, leaf, passphrase)
        if key and not (brought is not None and (given.replaces or _other_source(entry.pending.record, given))):
            raise Problem(
                "the certificate does not belong to the key of the pending request"
                + (", but to the live certificate's" if has_live_key else ""),
                f"send the CA the request in {entry.pending.request_path} and install its answer to that,"
                " or cancel that request with mail_cert_request and state=absent"
                + (", or give replace=true" if brought is not None else ""),
            )
        if has_live_key:
            return _live_key(entry.live, live[0], passphrase)
        if brought is not None:
            instead_of = _other_source(entry.live.record, given)
            if not given.replaces and not instead_of:
                self._refuse_older(leaf, live, from_lineage=given.key is not None)
            pem = key_pem(brought)
            pem = pem if passphrase is None else encrypted_key(self._host, pem, passphrase)
            record = label_record(content.friendly_name, given.source)
            return _MatchingKey(pem, leaf.public_key, record, imported=True, instead_of=instead_of)
        raise Problem(
            "no request is pending on this host"
            + (", and the certificate does not belong to the live one's key" if live else ""),
            "make the request with mail_cert_request on this host, and have the CA sign that one;"
            " or give a backup that has the key in it" + _hint(entry.previous, leaf),
            option="name",
        )

    @staticmethod
    def _refuse_older(leaf: Certificate, live: Sequence[Certificate], *, from_lineage: bool) -> None:
        """Refuse to lose a live key to an older backup.

        What another tool keeps is its newest, even where its CA has changed to shorter lives.
        """
        issued_later = from_lineage and bool(live) and leaf.not_before > live[0].not_before
        if live and leaf.not_after <= live[0].not_after and not issued_later:
            raise Problem(
                f"the live certificate is valid at least as long (until {timestamp(live[0].not_after)}) as this one"
                f" (until {timestamp(leaf.not_after)}); its key would be lost",
                "keep the live certificate, or give replace=true if this one really is to replace it",
            )

    def _plan(
        self,
        entry: StoreEntry,
        match: _MatchingKey,
        new: list[Certificate],
        live: list[Certificate],
        content: Content,
        given: Input,
    ) -> Plan:
        bundle = b"".join((match.pem, *(one.pem for one in new)))
        candidate = Candidate(
            entry,
            bundle if new != live else entry.live.bundle or b"",
            new,
            match.record,
            keeps_record=not (match.pending or match.imported),
            passphrase=given.key_passphrase,
        )
        label = friendly_name_in(match.record) or content.friendly_name or None
        more = {"converted_from": content.converted_from, "friendly_name": label}
        ends = removal(entry.pending) if match.pending or (match.imported and entry.pending.exists) else []
        planned = self._deployment.plan(candidate, ends, "", more)
        planned.result["reason"] = _reason(match, new, live, planned.changes)
        return planned


def _hint(previous: StoredCertificate, leaf: Certificate) -> str:
    """What else to do about the certificate that was live before; empty for any other."""
    found = certificates_in(previous)
    if not found or found[0] != leaf:
        return ""
    return "; or, since this is the previous certificate, put it back with state=previous"


def _other_source(record: bytes | None, given: Input) -> str:
    """The source in a record of the store, if it is known not to be that of what is given; else empty."""
    source = source_in(record)
    return source if given.source and source != given.source else ""


def _pending_key(pending: PendingRequest, live: Certificate | None, passphrase: str | None) -> PendingKey | None:
    """The pending key; None also where it is protected and does not belong to the live certificate that is given."""
    if live and pending.key and is_protected(pending.key):
        closed = pending_key(pending, None) if pending.request else None
        if closed is None or closed.public_key != live.public_key:
            return None
    return pending_key(pending, passphrase)


def _live_key(live: StoredCertificate, leaf: Certificate, passphrase: str | None) -> _MatchingKey:
    """The live key, for a certificate that was issued again for it."""
    bundle = live.bundle or b""
    if is_protected(bundle) and passphrase is None:
        return _MatchingKey(key_block(bundle), leaf.public_key, live.record)  # whether it must be opened shows later
    key = load_key(bundle, live.path, passphrase)
    refuse_needless(bundle, live.path, passphrase)
    pem = key_block(bundle) if is_protected(bundle) else key_pem(key)
    return _MatchingKey(pem, public_key_of(key), live.record)


def _reason(
    match: _MatchingKey, new: Sequence[Certificate], old: Sequence[Certificate], changes: Sequence[FileChange]
) -> str:
    """Why something changes or nothing does, for a leaf with its chain and the live one before it."""
    if new != old:
        if match.imported:
            outcome = "replaced the live certificate" if old else "was imported"
            came = f", which came from {match.instead_of}" if old and match.instead_of else ""
            return f"the certificate that came with its key {outcome}{came}"
        if match.pending:
            outcome = "replaced the live certificate" if old else "was installed"
            return f"the CA's answer to the pending request {outcome}"
        return "a new certificate for the live key was installed"
    if not changes:
        return "this certificate is live already"
    if match.pending:
        return "this certificate is live already; what was left of its request was removed"
    return "this certificate is live already; files that differed from it were corrected"
