# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning of certificate requests: what is to be pending, given what is asked for, pending and live already."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import dns_check, pending
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import (
    load_request,
    new_request,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    key_pem,
    load_key,
    new_key,
    public_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.keys import encrypted_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import (
    certificates_in,
    check_renew_at,
    why_unfit,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import check_passphrase
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pending import (
    PendingKey,
    pending_key,
    reuses_key_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    CertificateSpec,
    friendly_name_in,
    label_record,
    source_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    PRIVATE,
    Store,
    StoreEntry,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import (
    days_left,
    pin,
    timestamp,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    PYTHON_CRYPTOGRAPHY,
    ROOT_HOME,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import check_option


def check_copies(elements: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a list in which two requests have the same ``csr_path``.

    Raises:
        Problem: two have.
    """
    paths = [os.path.realpath(params["csr_path"]) for params in elements if params["csr_path"]]
    if len(set(paths)) < len(paths):
        raise Problem(
            "two requests would be written to the same file", "give each a file of its own", option="csr_path"
        )


@dataclass(frozen=True)
class _Order:
    """One element of the module's options and what it meets on the host.

    Attributes:
        params: the options.
        spec: what is asked for.
        entry: what the store holds under the name.
        live: the live leaf, None where there is none.
    """

    params: Mapping[str, Any]
    spec: CertificateSpec
    entry: StoreEntry
    live: Certificate | None

    @property
    def passphrase(self) -> str | None:
        """Opens the keys, or protects a new one."""
        passphrase: str | None = self.params["key_passphrase"]
        return passphrase

    def labelled(self, requested: CertificateSpec | None) -> _Order:
        """The same with the label that the certificate has already, where none is given."""
        if self.params["friendly_name"] is not None:
            return self
        label = requested.friendly_name if requested else friendly_name_in(self.entry.live.record)
        return replace(self, spec=replace(self.spec, friendly_name=label))


@dataclass(frozen=True)
class _Request:
    """The pending request as it is or is to be, and the files that make it so."""

    pem: bytes
    changes: Sequence[FileChange]
    reason: str
    public_key: bytes
    has_new_key: bool = False
    warnings: Sequence[str] = ()


class RequestPlanner:
    """Plans what becomes of requests on one host; writes nothing.

    Args:
        host: the machine.
        store: its certificate store.
        now: the time, UTC.
        check_mode: a new key is thrown away, so that nothing may pin it.
    """

    def __init__(self, host: Host, store: Store, now: datetime, *, check_mode: bool = False) -> None:
        self._host = host
        self._store = store
        self._now = now
        self._check_mode = check_mode

    def plan(self, params: Mapping[str, Any]) -> Plan:
        """What to do about one element of the module's options.

        Raises:
            Problem: a value is wrong, or a key would be lost.
        """
        try:
            entry = self._store.entry(params["name"])
            if params["state"] == "absent":
                return self._cancel(entry, params["csr_path"])
            check_renew_at(params["renew_at"])
            check_passphrase(params["key_passphrase"])
            spec = CertificateSpec.from_params(params)
            live = certificates_in(entry.live)  # one that cannot be read stops everything: it would be replaced
            return self._present(_Order(params, spec, entry, live[0] if live else None))
        except Problem as exc:
            raise exc.about(subject=title(params["name"])) from exc

    # ---- present

    def _present(self, order: _Order) -> Plan:
        spec, entry, live, params = order.spec, order.entry, order.live, order.params
        key = pending_key(entry.pending, order.passphrase)
        answered = bool(key and live and key.public_key == live.public_key and not reuses_key_of(entry.pending, live))
        if key and answered:
            key.opened()  # nobody knows whether a closed key is the live one's, whatever the request beside it says
            key = None  # a run was killed after the installation; the answer to this request is live already
        requested = CertificateSpec.from_record(entry.pending.record) if key else None
        before = requested.for_diff() if requested else {}
        if key and requested and requested == spec:
            order = order.labelled(requested)
            order = replace(order, spec=replace(order.spec, renews=requested.renews))
            return self._pending(order, self._kept(order, key), before)
        order = order.labelled(None)
        unfit = why_unfit(live, entry.live.record, spec, params["renew_at"], self._now)
        if not unfit and params["renew"] == "now":
            unfit = "a new certificate is asked for now, although the live one is not due for renewal"
        if not unfit:
            leftovers = needed(pending.removal(entry.pending), self._host) if answered else []
            return self._satisfied(order, leftovers, waiting=key is not None, before=before)
        if key and params["pending_policy"] == "keep":
            raise Problem(
                "a different request is pending, and a CA may be working on it",
                "install the CA's answer, or cancel the request with state=absent, or give up its key with"
                " pending_policy=replace",
                option="pending_policy",
            )
        if key:
            key.opened()  # a key that cannot be read is never overwritten
        if entry.pending.exists and not key and not answered:
            unfit = f"the pending request has lost its key; {unfit}"
        if live and params["renewal_key"] == "reuse" and spec.allows(live.key_type):
            order = replace(order, spec=replace(order.spec, renews=live.fingerprint))
            unfit = f"{unfit}; its key is kept"
        warnings = self._dns_warnings(order)
        made = self._made(order, unfit)
        return self._pending(order, replace(made, warnings=[*made.warnings, *warnings]), before)

    def _dns_warnings(self, order: _Order) -> list[str]:
        """What is wrong with the addresses of the names, before a request is made for them.

        Raises:
            Problem: something is, and ``check_dns`` says that this is an error.
        """
        params = order.params
        if params["check_dns"] == "off":
            return []
        expected = dns_check.expected_addresses(self._host, params["expected_addresses"])
        faults = dns_check.dns_faults(self._host, order.spec.names, expected)
        if faults and params["check_dns"] == "fail":
            raise Problem(
                f"{'; '.join(faults)}; expected: {dns_check.shown(expected)}",
                "correct the DNS or the names, or give the right addresses as expected_addresses",
                option="check_dns",
            )
        return [f"{title(order.entry.name)}: {fault}; expected: {dns_check.shown(expected)}" for fault in faults]

    def _kept(self, order: _Order, key: PendingKey) -> _Request:
        """The pending request as it is; a lost request is made again with the same key."""
        stored, pem, passphrase = order.entry.pending, key.pem, order.passphrase
        request = stored.request
        reason = "the request is pending: the CA's answer is awaited"
        if request is None:
            request = _signed(order.spec, key.opened())
            reason = "the pending request was lost and was made again with the same key"
        elif public_key_of(load_request(request, stored.request_path)) != key.public_key:
            request = _signed(order.spec, key.opened())
            reason = "the pending request belonged to another key and was made again"
        if passphrase is not None and not is_protected(pem):
            pem = encrypted_key(self._host, pem, passphrase)
            reason += "; its key was encrypted with the passphrase"
        if friendly_name_in(stored.record) != order.spec.friendly_name:
            reason += "; its friendly name was changed"
        changes = needed(pending.files(stored, order.spec, pem, request), self._host)
        return _Request(request, changes, reason, key.public_key)

    def _made(self, order: _Order, why: str) -> _Request:
        """A new request with a new key, or with the live one where that is to be kept."""
        spec, live, passphrase = order.spec, order.entry.live, order.passphrase
        if spec.renews:
            key = load_key(live.bundle or b"", live.path, passphrase)
        else:
            key = new_key(spec.key_type, spec.key_size)
        pem = key_pem(key)
        request = _signed(spec, key)
        if passphrase is not None:
            pem = encrypted_key(self._host, pem, passphrase)
        warnings = []
        if passphrase is None and is_protected(live.bundle or b""):
            warnings.append(
                f"{title(order.entry.name)}: the key of the live certificate is protected with a passphrase, and its"
                " next one is not, since no key_passphrase was given"
            )
        changes = needed(pending.files(order.entry.pending, spec, pem, request), self._host)
        return _Request(request, changes, why, public_key_of(key), not spec.renews, warnings)

    # ---- results

    def _pending(self, order: _Order, request: _Request, before: Mapping[str, Any]) -> Plan:
        """The plan in which a request is pending."""
        copy = self._copy_path(order.entry, order.params["csr_path"])
        copied = needed([FileChange(copy, request.pem, "root", "root", 0o644)], self._host) if copy else []
        changes = [*request.changes, *copied]
        reason = f"{request.reason}; its copy {copy} was written" if copied and not request.changes else request.reason
        path = copy or order.entry.pending.request_path
        result = self._result(order, changes, reason, request=request.pem.decode(), path=path)
        result.update(pin(None if self._check_mode and request.has_new_key else request.public_key))
        return _plan(order.entry, changes, result, before, order.spec.for_diff(), request.warnings)

    def _copy_path(self, entry: StoreEntry, path: str | None) -> str:
        """Where a copy of the request goes; empty for nowhere. It overwrites nothing but requests.

        Raises:
            Problem: something else is there.
        """
        if not path or path == entry.pending.request_path:
            return ""
        check_option(path, "csr_path")
        there = self._copy_there(path)
        if self._store.holds(path) or (there and b"CERTIFICATE REQUEST-----" not in there):
            raise Problem(
                f"{path} holds, or is meant for, something other than a request",
                f"name a new file outside the store, such as {ROOT_HOME}/request.csr",
                option="csr_path",
            )
        return path

    def _copy_there(self, path: str) -> bytes | None:
        try:
            return self._host.read(path)
        except Problem as exc:
            raise exc.about(option="csr_path") from exc

    def _satisfied(
        self, order: _Order, leftovers: Sequence[FileChange], *, waiting: bool, before: Mapping[str, Any]
    ) -> Plan:
        """The plan in which the live certificate will do."""
        reason = "the live certificate is as asked for and not due for renewal"
        if leftovers:
            reason += "; what was left of its request was removed"
        label = self._new_label(order)
        if label:
            reason += "; its friendly name was changed"
        if waiting:
            reason += "; a different request is pending as well"
        changes = [*leftovers, *label]
        return _plan(order.entry, changes, self._result(order, changes, reason), before, before)

    def _new_label(self, order: _Order) -> list[FileChange]:
        """The live certificate's record with another label; empty where it has that one."""
        live, friendly_name = order.entry.live, order.spec.friendly_name
        if friendly_name_in(live.record) == friendly_name:
            return []
        requested = CertificateSpec.from_record(live.record)
        source = source_in(live.record)
        content = (
            replace(requested, friendly_name=friendly_name).record if requested else label_record(friendly_name, source)
        )
        return needed([FileChange(live.record_path, content, **PRIVATE)], self._host)

    def _result(
        self,
        order: _Order,
        changes: Sequence[FileChange],
        reason: str,
        *,
        request: str | None = None,
        path: str | None = None,
    ) -> dict[str, Any]:
        live = order.live
        return {
            **_result_of_any_state(order.entry, [change.path for change in changes], reason),
            **order.spec.for_result(),
            "pending": request is not None,
            "csr": request,
            "csr_path": path,
            **pin(None),
            "subject": order.spec.subject.rfc4514_string(),
            "not_after": timestamp(live.not_after) if live else None,
            "days_left": days_left(live, self._now) if live else None,
        }

    # ---- absent

    def _cancel(self, entry: StoreEntry, copy: str | None) -> Plan:
        changes = pending.removal(entry.pending)
        request = entry.pending.request
        if copy:
            check_option(copy, "csr_path")
        if copy and request is not None and self._copy_there(copy) == request:
            changes.append(FileChange(copy, None))
        changes = needed(changes, self._host)
        requested = CertificateSpec.from_record(entry.pending.record)
        reason = "the pending request was cancelled" if changes else "no request was pending"
        result = {**_result_of_any_state(entry, [change.path for change in changes], reason), "pending": False}
        return _plan(entry, changes, result, requested.for_diff() if requested else {}, {})

    # ---- a host that is still bare

    def foresee(self, params: Mapping[str, Any]) -> Plan | None:
        """What a check run can say before ``cryptography`` is on the host; None where it takes the library to say it.

        Raises:
            Problem: a value is wrong.
        """
        entry = self._store.entry(params["name"])
        if entry.pending.exists or entry.live.exists:
            return None
        spec = CertificateSpec.from_params(params)
        copy = self._copy_path(entry, params["csr_path"])
        files = [change.path for change in pending.removal(entry.pending)] + ([copy] if copy else [])
        reason = f"there is no live certificate yet; showing the request takes {PYTHON_CRYPTOGRAPHY}"
        unknown = dict.fromkeys(("csr", "subject", "not_after", "days_left", "spki_sha256", "tlsa_3_1_1"))
        result = {
            **_result_of_any_state(entry, files, reason),
            **spec.for_result(),
            **unknown,
            "pending": True,
            "csr_path": copy or entry.pending.request_path,
        }
        return _plan(entry, (), result, {}, spec.for_diff())


def _signed(spec: CertificateSpec, key: Any) -> bytes:
    return new_request(key, spec.subject, spec.names, spec.digest, must_staple=spec.must_staple)


def _plan(
    entry: StoreEntry,
    changes: Sequence[FileChange],
    result: dict[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    warnings: Sequence[str] = (),
) -> Plan:
    return Plan(changes, result, f"pending request {entry.name}", before, after, warnings)


def _result_of_any_state(entry: StoreEntry, files: Sequence[str], reason: str) -> dict[str, Any]:
    return {"name": entry.name, "changed": bool(files), "reason": reason, "files": list(files)}
