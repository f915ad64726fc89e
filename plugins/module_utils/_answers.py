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

from ansible_collections.postmaster.secure_channel.plugins.module_utils import _forms, _keys, _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._chain import Chain, verified_chain
from ansible_collections.postmaster.secure_channel.plugins.module_utils._changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import has_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._dnsnames import ascii_name, covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._given import Given
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._requests import (
    Held,
    Wanted,
    asks_again_for,
    friendly_name_in,
    held_key,
    label_record,
    live_certificates,
    removal,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import (
    Pending,
    Store,
    checked_name,
    title,
)

SHORTEST_RSA = 2048  # bits: RFC 9325 section 4.1
_USABLE_KEYS = ("RSA", "ECDSA_P256", "ECDSA_P384", "ECDSA_P521", "Ed25519", "Ed448")  # RFC 8446 section 4.2.3
_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")  # RFC 9155 forbids MD5 and SHA-1 in TLS 1.2 signatures

_ASK_AGAIN = "ask the CA for a certificate for a TLS server"


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
    """

    changes: Sequence[FileChange]
    daemons: Sequence[str]
    leaf: bytes | None
    result: dict[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def diff(self) -> dict[str, Any]:
        """An entry for the module's diff."""
        path = self.result["path"]
        return {"before_header": path, "after_header": path, "before": self.before, "after": self.after}


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
        self._daemons = daemons
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
        paths = [self._store.deployed_path(daemon, name) for daemon in self._served_by(name)]
        paths.append(self._store.live_path(name))
        if record is None or (pending and pending.record != record):  # a mere renewal leaves the record as it is
            paths.append(self._store.live_record_path(name))
        ends = removal(self._store, name)
        paths += [change.path for change in (needed(ends, self._host) if pending else ends)]
        result = {
            "name": name,
            "changed": True,
            "reason": f"a certificate would be installed; {why}",
            "path": self._store.live_path(name),
            "files": paths,
        }
        return Outcome((), self._served_by(name), None, result, {}, {})

    def _served_by(self, name: str) -> list[str]:
        return [daemon for daemon in self._store.deployed_daemons(name) if daemon in self._daemons]

    # ---- checks

    def _install(self, name: str, given: Given, params: Mapping[str, Any]) -> Outcome:
        content = given.opened()
        found, others = content.certificates, given.others(content)
        leaf = _only_leaf([*found, *others], given.option)
        live = self._live(name)
        try:
            promise = self._promise(name, leaf, live, content, params["key_passphrase"])
            self._check(leaf, self._names(name, promise, params["names"]))
            chain = verified_chain(
                self._host, leaf, [one for one in (*found, *others) if one is not leaf], params["trust_store"]
            )
        except Problem as exc:
            raise exc.about(option=given.option) from exc
        return self._promotion(name, promise, leaf, chain, live, content, params["key_passphrase"])

    def _live(self, name: str) -> list[_x509.Certificate]:
        """Leaf and chain of the live certificate; empty where there is none."""
        bundle = self._store.live(name)
        return live_certificates(bundle, self._store.live_path(name)) if bundle is not None else []

    def _promise(
        self,
        name: str,
        leaf: _x509.Certificate,
        live: Sequence[_x509.Certificate],
        content: _forms.Content,
        passphrase: str | None,
    ) -> _Promise:
        """The request that a certificate answers, or the key that came with it.

        Raises:
            Problem: it belongs to no key here, or that key does not open.
        """
        brought = content.key
        if brought is not None and _x509.public_key_of(brought) != leaf.public_key:
            raise Problem(
                "the private key in it does not belong to the certificate in it", "give the key and its certificate"
            )
        pending = self._store.pending(name)
        is_live = bool(live) and live[0] == leaf
        held = self._held(name, pending, leaf if is_live else None, passphrase)
        if pending and held:
            promise = _Promise(held.pem, held.public_key, pending.record, pending=True)
            if promise.public_key == leaf.public_key and not (is_live and asks_again_for(pending.record, leaf)):
                held.opened()
                _refuse_needless(held.pem, held.path, passphrase)
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
            self._refuse_older(leaf, live)
            record, pem = label_record(content.friendly_name), _x509.key_pem(brought)
            pem = pem if passphrase is None else _keys.sealed(self._host, pem, passphrase)
            return _Promise(pem, leaf.public_key, record, imported=True)
        whose = ", and the certificate does not belong to the live one's key" if live else ""
        raise Problem(
            f"no request is pending on this host{whose}",
            "make the request with mail_cert_request on this host, and have the CA sign that one;"
            " or give a backup that has the key in it",
            option="name",
        )

    def _held(
        self, name: str, pending: Pending | None, live: _x509.Certificate | None, passphrase: str | None
    ) -> Held | None:
        """The pending key; None also where it is closed and of no concern to the live certificate that was given."""
        if live and pending and pending.key and _keys.is_protected(pending.key):
            closed = held_key(self._store, name, pending, None) if pending.request else None
            if closed is None or closed.public_key != live.public_key:
                return None
        return held_key(self._store, name, pending, passphrase)

    def _refuse_older(self, leaf: _x509.Certificate, live: Sequence[_x509.Certificate]) -> None:
        """Refuse to lose a live key to a backup that was made before it."""
        if live and leaf.not_after <= live[0].not_after:
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
        _refuse_needless(bundle, path, passphrase)
        pem = _keys.key_block(bundle) if _keys.is_protected(bundle) else _x509.key_pem(key)
        return _Promise(pem, _x509.public_key_of(key), record)

    @staticmethod
    def _names(name: str, promise: _Promise, demanded: Sequence[str] | None) -> Sequence[str]:
        """The names that the certificate must cover."""
        if demanded:
            return [ascii_name(one, "names") for one in demanded]
        asked = Wanted.from_record(promise.record)
        return asked.names if asked else [ascii_name(name, "names")]

    def _check(self, leaf: _x509.Certificate, names: Sequence[str]) -> None:
        """Everything about the leaf alone that would make clients refuse it.

        Raises:
            Problem: they would.
        """
        if self._now > leaf.not_after:
            raise Problem(f"the certificate expired on {_x509.timestamp(leaf.not_after)}", "get a new one from the CA")
        if self._now < leaf.not_before:
            raise Problem(
                f"the certificate is not valid before {_x509.timestamp(leaf.not_before)}"
                f" and this host's clock says {_x509.timestamp(self._now)}",
                "set the host's clock, or wait",
            )
        missing = [one for one in names if not covers(leaf.names, one)]
        if missing:
            raise Problem(
                f"the certificate does not cover {', '.join(missing)}; its subject alternative names are:"
                f" {_x509.printable(', '.join(leaf.names)) or 'none'}",
                "have the CA put that DNS name among the subject alternative names, or correct the option names",
            )
        if leaf.purposes is not None and "serverAuth" not in leaf.purposes:
            raise Problem(
                f"the certificate is for {', '.join(leaf.purposes) or 'nothing'}, not for a server (serverAuth)",
                _ASK_AGAIN,
            )
        if not leaf.signs:
            raise Problem("the certificate's key usage does not include digital signatures", _ASK_AGAIN)
        if leaf.key_type.name not in _USABLE_KEYS:
            raise Problem(
                f"the certificate's key is of the type {leaf.key_type}, which few TLS clients understand, if any",
                f"request one with a key of the type {', '.join(_USABLE_KEYS)}",
            )
        if leaf.key_type.name == "RSA" and leaf.key_type.size < SHORTEST_RSA:
            raise Problem(
                f"the certificate's RSA key of {leaf.key_type.size} bits is too short",
                f"request one with at least {SHORTEST_RSA} bits",
            )
        if any(broken in leaf.signature_algorithm.lower() for broken in _BROKEN_HASHES):
            raise Problem(
                f"the certificate is signed with {leaf.signature_algorithm}, which is broken",
                "ask the CA for one signed with SHA-256 or better",
            )

    # ---- promotion

    def _promotion(
        self,
        name: str,
        promise: _Promise,
        leaf: _x509.Certificate,
        chain: Chain,
        live: list[_x509.Certificate],
        content: _forms.Content,
        passphrase: str | None,
    ) -> Outcome:
        new = [leaf, *chain]
        anew = b"".join((promise.key, *(one.pem for one in new)))
        bundle = anew if new != live else self._store.live(name) or b""
        shown: dict[str, Any] = {"secret": True, "summary": f"private key, certificate {leaf.serial:X}, chain"}
        copies = {
            daemon: self._copy(self._store.deployed_path(daemon, name), name, bundle, passphrase, shown)
            for daemon in self._served_by(name)
        }
        private: dict[str, Any] = {"owner": "root", "group": "root", "mode": 0o600, "parent_mode": 0o700}
        changes = [*copies.values(), FileChange(self._store.live_path(name), bundle, **private, **shown)]
        if promise.pending or promise.imported:
            changes.append(FileChange(self._store.live_record_path(name), promise.record, **private))
        if promise.pending:
            changes += removal(self._store, name)
        changes = needed(changes, self._host)
        result = {
            "name": name,
            "changed": bool(changes),
            "reason": _reason(promise, new, live, changes),
            "path": self._store.live_path(name),
            "files": [change.path for change in changes],
            "chain": [one.subject for one in chain],
            "converted_from": content.converted_from,
            "friendly_name": friendly_name_in(promise.record) or content.friendly_name or None,
            **_x509.summary(leaf, self._now),
        }
        return Outcome(
            changes,
            [daemon for daemon, copy in copies.items() if copy in changes],
            leaf.der,
            result,
            _shown(live, self._now),
            _shown(new, self._now),
        )

    def _copy(
        self, path: str, name: str, bundle: bytes, passphrase: str | None, shown: Mapping[str, Any]
    ) -> FileChange:
        """A daemon's copy, in which the key is open. Its owner and mode stay."""
        needed_for = passphrase if _keys.is_protected(bundle) else None  # an open key was refused one already
        content = _keys.daemon_copy(self._host, bundle, self._store.live_path(name), path, needed_for)
        return FileChange(path, content, material=True, **shown)


def _refuse_needless(pem: bytes, path: str, passphrase: str | None) -> None:
    """Raise Problem where a passphrase was given for a key that has none."""
    if passphrase is not None and not _keys.is_protected(pem):
        raise _keys.needless(path)


def _only_leaf(found: Sequence[_x509.Certificate], option: str) -> _x509.Certificate:
    """The one certificate that is not a CA's.

    Raises:
        Problem: there is none, or more than one.
    """
    leaves = [one for one in found if not one.is_ca]
    if len(leaves) > 1:
        leaves = [one for one in leaves if not one.is_self_issued] or leaves  # old roots do not say that they are CAs
    if not leaves:
        raise Problem(
            f"there are only certificates of CAs in it ({found[0].subject})",
            "give the certificate that the CA made for this host, and its chain after it",
            option=option,
        )
    if len(leaves) > 1:
        raise Problem(
            f"there are {len(leaves)} certificates of servers in it ({'; '.join(one.subject for one in leaves)})",
            "give one certificate with its chain; install others under their own names",
            option=option,
        )
    return leaves[0]


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


def _shown(certificates: Sequence[_x509.Certificate], now: datetime) -> dict[str, Any]:
    """A certificate and its chain for a diff: everything but what changes from day to day."""
    if not certificates:
        return {}
    shown = _x509.summary(certificates[0], now)
    del shown["days_left"]
    return {**shown, "chain": [one.subject for one in certificates[1:]]}
