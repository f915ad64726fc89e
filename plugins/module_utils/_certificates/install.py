# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA's answer to a request, or a backup with its key: checked in memory, then made live as one unit.

No daemon's own test notices a certificate for another key, a wrong name or a gap in the chain, so everything is checked
here before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats as _forms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.chain import verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.deploy import (
    Candidate,
    Outcome,
    Promotion,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.input import Given
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.leaf import check_leaf, only_leaf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import (
    Held,
    asks_again_for,
    friendly_name_in,
    held_key,
    label_record,
    live_certificates,
    removal,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.rollback import (
    Rollback,
    required_names,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    Pending,
    Store,
    checked_name,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


@dataclass(frozen=True)
class _Promise:
    """A request that an answer can belong to: its key and what was asked for.

    Attributes:
        key: the private key as it lies in the store.
        public_key: its public half.
        record: what was asked for.
        pending: whether it is the pending request, not the live certificate's.
        imported: whether the key came with the certificate and is not on this host yet.
    """

    key: bytes = field(repr=False)
    public_key: bytes
    record: bytes | None
    pending: bool = False
    imported: bool = False


class Answers:
    """Checks answers against one host's store and plans their promotion; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        daemons: names of the daemons on this host.
        check_mode: an answer that is not known yet, or whose request is not, is then no error.
        require_library: leaves the module where ``cryptography`` is missing.
    """

    def __init__(
        self,
        host: Host,
        store: Store,
        now: datetime,
        daemons: Collection[str],
        *,
        check_mode: bool,
        require_library: Callable[[], None],
    ) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._promotion = Promotion(host, store, now, daemons)
        self._check_mode = check_mode
        self._require_library = require_library

    def plan(self, params: Mapping[str, Any]) -> Outcome:
        """What to do about one element of the module's options.

        Raises:
            Problem: the answer must not be installed.
        """
        name = params["name"]
        try:
            request = self._store.pending_request_path(checked_name(name))
            _keys.check_passphrase(params["key_passphrase"])
            if params["state"] == "previous":
                self._require_library()
                return Rollback(self._host, self._store, self._now, self._promotion).plan(params)
            given = Given.from_params(self._host, params, request, check_mode=self._check_mode)
            if given.data is None:
                return self._foreseen(name, "the CA's answer is not known in check mode")
            if self._check_mode and self._is_unknown(name) and not self._brings_key(given):
                return self._foreseen(name, "the request for it is not pending yet, as it may be in a real run")
            self._require_library()
            return self._install(name, given, params)
        except Problem as exc:
            raise exc.about(subject=title(name)) from exc

    def _is_unknown(self, name: str) -> bool:
        return self._store.pending(name) is None and self._store.live(name) is None

    def _brings_key(self, given: Given) -> bool:
        """Whether a key comes with the certificate, so that it needs no request; False where this cannot be seen."""
        return has_cryptography() and given.opened().key is not None

    def _foreseen(self, name: str, why: str) -> Outcome:
        """What a check run can say before there is a certificate: the files that a promotion concerns."""
        pending, record = self._store.pending(name), self._store.live_record(name)
        paths = [self._store.deployed_path(daemon, name) for daemon in self._promotion.served_by(name)]
        paths.append(self._store.live_path(name))
        if record is None or (pending and pending.record != record):  # a mere renewal leaves the record as it is
            paths.append(self._store.live_record_path(name))
        if self._store.live(name) is not None:
            paths.append(self._store.previous_path(name))
            paths += [self._store.previous_record_path(name)] if record is not None else []
        ends = removal(self._store, name)
        paths += [change.path for change in (needed(ends, self._host) if pending else ends)]
        result = {
            "name": name,
            "changed": True,
            "reason": f"a certificate would be installed; {why}",
            "path": self._store.live_path(name),
            "files": paths,
        }
        return Outcome((), self._promotion.served_by(name), None, result, {}, {})

    # ---- checks

    def _install(self, name: str, given: Given, params: Mapping[str, Any]) -> Outcome:
        content = given.opened()
        found, others = content.certificates, given.others(content)
        leaf = only_leaf([*found, *others], given.option)
        live = self._promotion.live(name)
        try:
            promise = self._promise(name, leaf, live, content, given)
            check_leaf(leaf, required_names(name, promise.record, params["names"]), self._now)
            chain = verified_chain(
                self._host, leaf, [one for one in (*found, *others) if one is not leaf], params["trust_store"]
            )
        except Problem as exc:
            raise exc.about(option=given.option) from exc
        return self._outcome(name, promise, [leaf, *chain], content, given)

    def _promise(
        self,
        name: str,
        leaf: _x509.Certificate,
        live: Sequence[_x509.Certificate],
        content: _forms.Content,
        given: Given,
    ) -> _Promise:
        """The request that a certificate answers, or the key that came with it.

        Raises:
            Problem: it belongs to no key here, or that key does not open.
        """
        brought, passphrase = content.key, given.key_passphrase
        if brought is not None and _x509.public_key_of(brought) != leaf.public_key:
            raise Problem(
                "the private key in it does not belong to the certificate in it",
                "give the key and its certificate; if another tool is renewing them just now, run again after that",
                option=given.option if given.key is None else "key_src",
            )
        pending = self._store.pending(name)
        is_live = bool(live) and live[0] == leaf
        held = self._held(name, pending, leaf if is_live else None, passphrase)
        if pending and held:
            promise = _Promise(held.pem, held.public_key, pending.record, pending=True)
            if promise.public_key == leaf.public_key and not (is_live and asks_again_for(pending.record, leaf)):
                held.opened()
                _keys.refuse_needless(held.pem, held.path, passphrase)
                return promise
        if is_live:
            return self._live_promise(name, passphrase)
        if pending and held:
            whose = ", but to the live certificate's" if live and live[0].public_key == leaf.public_key else ""
            raise Problem(
                f"the certificate does not belong to the key of the pending request{whose}",
                f"send the CA the request in {self._store.pending_request_path(name)} and install its answer to that,"
                " or cancel that request with mail_cert_request and state=absent",
            )
        if live and live[0].public_key == leaf.public_key:
            return self._live_promise(name, passphrase)
        if brought is not None:
            self._refuse_older(leaf, live, from_lineage=given.key is not None)
            record, pem = label_record(content.friendly_name), _x509.key_pem(brought)
            pem = pem if passphrase is None else _keys.sealed(self._host, pem, passphrase)
            return _Promise(pem, leaf.public_key, record, imported=True)
        whose = ", and the certificate does not belong to the live one's key" if live else ""
        raise Problem(
            f"no request is pending on this host{whose}",
            "make the request with mail_cert_request on this host, and have the CA sign that one;"
            " or give a backup that has the key in it" + self._hint(name, leaf),
            option="name",
        )

    def _hint(self, name: str, leaf: _x509.Certificate) -> str:
        """What else to do about the certificate that was live before; empty for any other."""
        previous = self._store.previous(name)
        if previous is None or live_certificates(previous, self._store.previous_path(name))[0] != leaf:
            return ""
        return "; or, since this is the previous certificate, put it back with state=previous"

    def _held(
        self, name: str, pending: Pending | None, live: _x509.Certificate | None, passphrase: str | None
    ) -> Held | None:
        """The pending key; None also where it is closed and of no concern to the live certificate that was given."""
        if live and pending and pending.key and _keys.is_protected(pending.key):
            closed = held_key(self._store, name, pending, None) if pending.request else None
            if closed is None or closed.public_key != live.public_key:
                return None
        return held_key(self._store, name, pending, passphrase)

    @staticmethod
    def _refuse_older(leaf: _x509.Certificate, live: Sequence[_x509.Certificate], *, from_lineage: bool) -> None:
        """Refuse to lose a live key to a backup that was made before it.

        What another tool keeps is the newest it has, even where its CA has changed to shorter lives.
        """
        issued_later = from_lineage and bool(live) and leaf.not_before > live[0].not_before
        if live and leaf.not_after <= live[0].not_after and not issued_later:
            raise Problem(
                f"the live certificate is newer: it expires on {_x509.timestamp(live[0].not_after)}, and the one that"
                f" was given on {_x509.timestamp(leaf.not_after)}; its key would be lost",
                "keep the live certificate, or move its file away if this backup shall really take its place",
            )

    def _live_promise(self, name: str, passphrase: str | None) -> _Promise:
        """The live key, for a certificate that was made anew for it."""
        path, bundle = self._store.live_path(name), self._store.live(name) or b""
        record, public_key = self._store.live_record(name), live_certificates(bundle, path)[0].public_key
        if _keys.is_protected(bundle) and passphrase is None:
            return _Promise(_keys.key_block(bundle), public_key, record)  # whether it must be opened shows later
        key = _x509.load_key(bundle, path, passphrase)
        _keys.refuse_needless(bundle, path, passphrase)
        pem = _keys.key_block(bundle) if _keys.is_protected(bundle) else _x509.key_pem(key)
        return _Promise(pem, _x509.public_key_of(key), record)

    def _outcome(
        self, name: str, promise: _Promise, new: list[_x509.Certificate], content: _forms.Content, given: Given
    ) -> Outcome:
        live = self._promotion.live(name)
        anew = b"".join((promise.key, *(one.pem for one in new)))
        candidate = Candidate(
            name,
            anew if new != live else self._store.live(name) or b"",
            new,
            promise.record,
            keeps_record=not (promise.pending or promise.imported),
            passphrase=given.key_passphrase,
        )
        label = friendly_name_in(promise.record) or content.friendly_name or None
        more = {"converted_from": content.converted_from, "friendly_name": label}
        ends = removal(self._store, name) if promise.pending else []
        planned = self._promotion.outcome(candidate, ends, "", more)
        planned.result["reason"] = _reason(promise, new, live, planned.changes)
        return planned


def _reason(
    promise: _Promise, new: Sequence[_x509.Certificate], old: Sequence[_x509.Certificate], changes: Sequence[FileChange]
) -> str:
    """Why something changes or nothing does, for a leaf with its chain and the live one before it."""
    if new != old:
        if promise.imported:
            outcome = "replaced the live certificate" if old else "was imported"
            return f"the certificate that came with its key {outcome}"
        if not promise.pending:
            return "a new certificate for the live key was installed"
        outcome = "replaced the live certificate" if old else "was installed"
        return f"the CA's answer to the pending request {outcome}"
    if not changes:
        return "this certificate is live already"
    if promise.pending:
        return "this certificate is live already; what was left of its request was removed"
    return "this certificate is live already; files that differed from it were put right"
