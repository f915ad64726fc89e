# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a certificate request: asked for, pending, answered, due again.

What is wanted, what is pending and what was once asked for are one type, :class:`Wanted`, compared by meaning.
The record of what was asked outranks the certificate that came of it, since a CA may drop attributes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import dns_check as _addresses
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats as _forms
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import x509 as _x509
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    Pending,
    Store,
    certificate_blocks,
    checked_name,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, needed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    PYTHON_CRYPTOGRAPHY,
    ROOT_HOME,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name, covers

# option, attribute of the subject, most characters (the upper bounds of RFC 5280 appendix A.1); X.501's usual order
_SUBJECT = (
    ("country", "COUNTRY_NAME", 2),
    ("state_or_province", "STATE_OR_PROVINCE_NAME", 128),
    ("locality", "LOCALITY_NAME", 128),
    ("organization", "ORGANIZATION_NAME", 64),
    ("organizational_unit", "ORGANIZATIONAL_UNIT_NAME", 64),
    ("common_name", "COMMON_NAME", 64),
    ("email", "EMAIL_ADDRESS", 255),
)
_LONGEST_LABEL = 128  # characters; more than any dialogue shows


@dataclass(frozen=True)
class Wanted:
    """What a certificate is asked for with. Names are in ASCII form; an empty attribute is left out of the subject.

    Attributes:
        common_name: the main host name, always among the names.
        names: every DNS name, the common name first, the others sorted.
        key_type: a choice of the option.
        key_size: bits of an RSA key; 0 for other types, whose name says it.
        must_staple: whether clients shall demand a stapled OCSP answer.
        digest: the hash in the request's own signature; empty for the default of the key type. The certificate has
            nothing of it, so a live one need not be asked for with the same.
        friendly_name: a label for people; it is in no request, so another one makes no other request.
        renews: SHA-256 of the live certificate whose key is asked for again; empty for a key of its own.
    """

    common_name: str
    names: tuple[str, ...]
    key_type: str
    key_size: int
    country: str = ""
    state_or_province: str = ""
    locality: str = ""
    organization: str = ""
    organizational_unit: str = ""
    email: str = ""
    must_staple: bool = False
    digest: str = ""
    friendly_name: str = field(default="", compare=False)
    renews: str = field(default="", compare=False)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Wanted:
        """What the administrator asks for, in the one form that can be compared.

        Raises:
            Problem: an option has a value that no certificate can carry.
        """
        common_name = ascii_name(params["common_name"] or params["name"], "common_name")
        others = {ascii_name(name, "subject_alt_names") for name in params["subject_alt_names"] or ()} - {common_name}
        digest, key_type = params["digest"] or "", params["key_type"]
        wanted = cls(
            common_name=common_name,
            names=(common_name, *sorted(others)),
            key_type=key_type,
            key_size=params["key_size"] if key_type == "RSA" else 0,
            must_staple=params["must_staple"],
            digest="" if _x509.default_digest(key_type) in ("", digest) else digest,
            friendly_name=(params["friendly_name"] or "").strip(),
            country=(params["country"] or "").strip().upper(),
            **{
                option: (params[option] or "").strip()
                for option, _oid, _most in _SUBJECT
                if option not in ("country", "common_name")
            },
        )
        wanted._check_subject()
        return wanted

    def _check_subject(self) -> None:
        for option, _oid, most in _SUBJECT:
            value = getattr(self, option)
            if len(value) > most or not value.isprintable():
                raise Problem(
                    f"{value[:80]!r} does not fit into a certificate's subject",
                    f"give at most {most} characters on one line"
                    + ("; a longer name can stand in subject_alt_names" if option == "common_name" else ""),
                    option=option,
                )
        if self.country and not (len(self.country) == 2 and self.country.isascii() and self.country.isalpha()):
            raise Problem(
                f"{self.country!r} is no country code", "give two letters of ISO 3166, such as DE", option="country"
            )
        if len(self.friendly_name) > _LONGEST_LABEL or not self.friendly_name.isprintable():
            raise Problem(
                f"{self.friendly_name[:80]!r} is no label",
                f"give at most {_LONGEST_LABEL} characters on one line",
                option="friendly_name",
            )
        if not self.email.isascii():
            raise Problem(f"{self.email!r} is not ASCII", "give the address in ASCII form", option="email")

    @classmethod
    def from_record(cls, record: bytes | None) -> Wanted | None:
        """What a note in the store says was asked for, or None where it cannot be known."""
        try:
            found = json.loads(record or b"")
            known = {one.name: found[one.name] for one in fields(cls) if one.name in found}
            wanted = cls(**{**known, "names": tuple(known["names"])})
        except (ValueError, TypeError, KeyError):
            return None
        return wanted if all(isinstance(name, str) for name in wanted.names) else None

    @property
    def record(self) -> bytes:
        """The note for the store."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()

    @property
    def subject(self) -> Any:
        """The subject as an X.509 name."""
        given = ((oid, getattr(self, option)) for option, oid, _most in _SUBJECT)
        return _x509.subject_name([(oid, value) for oid, value in given if value])

    def shown(self) -> dict[str, Any]:
        """What is asked for, for a diff: no empty attributes."""
        return {option: value for option, value in asdict(self).items() if value and option != "renews"}

    def differences(self, asked: Wanted) -> list[str]:
        """What a certificate that was asked for otherwise would have otherwise."""
        return [
            one.name
            for one in fields(self)
            if one.compare and one.name != "digest" and getattr(self, one.name) != getattr(asked, one.name)
        ]

    def fits(self, key_type: _x509.KeyType) -> bool:
        """Whether a key is of the kind that is asked for."""
        return key_type.name == self.key_type and self.key_size in (0, key_type.size)


@dataclass(frozen=True)
class Outcome:
    """What one request comes to.

    Attributes:
        changes: the files that differ from the host.
        result: the entry in the module's result.
        before: what was pending before, for the diff.
        after: what is pending afterwards.
        warnings: what the administrator should know.
    """

    changes: Sequence[FileChange]
    result: dict[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: Sequence[str] = ()

    def diff(self) -> dict[str, Any]:
        """An entry for the module's diff."""
        header = f"pending request {self.result['name']}"
        return {"before_header": header, "after_header": header, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class _Paper:
    """The pending request as it is or shall be: its request, what was asked for, and the files that make it so."""

    request: bytes
    changes: Sequence[FileChange]
    reason: str
    public_key: bytes
    new_key: bool = False
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Held:
    """The key of a pending request, as far as it can be read.

    Attributes:
        path: where it lies.
        pem: the key as it lies there.
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
            raise _keys.missing(self.path)
        return self.key


def held_key(store: Store, name: str, pending: Pending | None, passphrase: str | None) -> Held | None:
    """The key of a pending request, None where there is none.

    A protected key need not be opened to know whose it is, as long as its request lies beside it.

    Raises:
        Problem: it cannot be read, or the passphrase does not open it.
    """
    if pending is None or pending.key is None:
        return None
    path = store.pending_key_path(name)
    if _keys.is_protected(pending.key) and passphrase is None:
        if pending.request is None:
            raise _keys.missing(path)
        request = _x509.load_request(pending.request, store.pending_request_path(name))
        return Held(path, pending.key, None, _x509.public_key_of(request))
    key = _x509.load_key(pending.key, path, passphrase)
    return Held(path, pending.key, key, _x509.public_key_of(key))


def friendly_name_in(record: bytes | None) -> str:
    """The label in a note of the store; empty where there is none."""
    try:
        found = json.loads(record or b"{}")["friendly_name"]
    except (ValueError, TypeError, KeyError):
        return ""
    return found if isinstance(found, str) else ""


def label_record(friendly_name: str) -> bytes | None:
    """The note for a certificate of which nothing but its label is known; None where even that is not."""
    return (json.dumps({"friendly_name": friendly_name}) + "\n").encode() if friendly_name else None


def check_fraction(renew_at: float) -> None:
    """Refuse what is no fraction of a certificate's life.

    Raises:
        Problem: it is none.
    """
    if not 0 < renew_at <= 1:
        raise Problem(
            f"{renew_at} is no fraction of a certificate's life",
            "give a number above 0 and at most 1; 0.67 renews after two thirds",
            option="renew_at",
        )


def asks_again_for(record: bytes | None, live: _x509.Certificate) -> bool:
    """Whether a pending request has the key of this very certificate, and is not answered by it therefore."""
    asked = Wanted.from_record(record)
    return asked is not None and asked.renews == live.fingerprint


def removal(store: Store, name: str) -> list[FileChange]:
    """The end of a pending request: its files go."""
    return [
        FileChange(store.pending_key_path(name), None, secret=True, summary="private key"),
        FileChange(store.pending_request_path(name), None),
        FileChange(store.pending_record_path(name), None),
    ]


def live_certificates(bundle: bytes, path: str) -> list[_x509.Certificate]:
    """Leaf and chain in a live file.

    Raises:
        Problem: the file is damaged.
    """
    try:
        return _forms.load_certificates(b"".join(certificate_blocks(bundle)))
    except Problem as exc:
        raise Problem(
            f"{path}: {exc.found}", f"move {path} away, then request and install the certificate again"
        ) from exc


def check_copies(elements: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a list in which two requests have the same ``csr_path``.

    Raises:
        Problem: they have.
    """
    paths = [params["csr_path"] for params in elements if params["csr_path"]]
    if len(set(paths)) < len(paths):
        raise Problem("two requests go to the same file", "give each its own", option="csr_path")


class Requests:
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

    def plan(self, params: Mapping[str, Any]) -> Outcome:
        """What to do about one element of the module's options.

        Raises:
            Problem: a value is wrong, or a key would be lost.
        """
        name = params["name"]
        try:
            checked_name(name)
            if params["state"] == "absent":
                return self._cancel(name, params["csr_path"])
            check_fraction(params["renew_at"])
            _keys.check_passphrase(params["key_passphrase"])
            return self._present(name, Wanted.from_params(params), params)
        except Problem as exc:
            raise exc.about(subject=title(name)) from exc

    # ---- present

    def _present(self, name: str, wanted: Wanted, params: Mapping[str, Any]) -> Outcome:
        live = self._live(name)
        pending = self._store.pending(name)
        held = held_key(self._store, name, pending, params["key_passphrase"])
        answered = bool(
            held
            and live
            and held.public_key == live.public_key
            and not asks_again_for(pending.record if pending else None, live)
        )
        if held and answered:
            held.opened()  # nobody knows whether a closed key is the live one's, whatever lies beside it
            held = None  # a run died after the promotion; the answer to this request is live already
        asked = Wanted.from_record(pending.record) if pending and held else None
        before = asked.shown() if asked else {}
        if pending and held and asked == wanted:
            wanted = replace(self._labelled(name, wanted, params, asked), renews=asked.renews)
            paper = self._kept(name, wanted, pending, held, params["key_passphrase"])
            return self._outcome(name, wanted, params, live, paper, before)
        wanted = self._labelled(name, wanted, params, None)
        unfit = self._unfit(wanted, live, self._store.live_record(name), params["renew_at"])
        if not unfit and params["renew"] == "now":
            unfit = "a new certificate is asked for now, although the live one is not due for renewal"
        if not unfit:
            leftovers = needed(removal(self._store, name), self._host) if answered else []
            return self._satisfied(name, wanted, live, leftovers, waiting=held is not None, before=before)
        if held and params["pending_policy"] == "keep":
            raise Problem(
                "a request for something else is pending, and a CA may be working on it",
                "install the CA's answer, or cancel the request with state=absent, or give up its key with"
                " pending_policy=replace",
                option="pending_policy",
            )
        if held:
            held.opened()  # a key that cannot be read is never overwritten
        if pending and not held and not answered:
            unfit = f"the pending request has lost its key; {unfit}"
        if live and params["renewal_key"] == "reuse" and wanted.fits(live.key_type):
            wanted, unfit = replace(wanted, renews=live.fingerprint), f"{unfit}; its key is kept"
        warnings = self._dns_warnings(name, wanted, params)
        paper = self._made(name, wanted, unfit, params["key_passphrase"])
        paper = replace(paper, warnings=[*paper.warnings, *warnings])
        return self._outcome(name, wanted, params, live, paper, before)

    def _dns_warnings(self, name: str, wanted: Wanted, params: Mapping[str, Any]) -> list[str]:
        """What is wrong with where the names lead, before a request is made for them.

        Raises:
            Problem: something is, and that shall be an error.
        """
        if params["check_dns"] == "off":
            return []
        expected = _addresses.expected_addresses(self._host, params["expected_addresses"])
        faults = _addresses.dns_faults(self._host, wanted.names, expected)
        if faults and params["check_dns"] == "fail":
            raise Problem(
                f"{'; '.join(faults)}; expected: {_addresses.shown(expected)}",
                "correct the DNS or the names, or say with expected_addresses where the names must lead",
                option="check_dns",
            )
        return [f"{title(name)}: {fault}; expected: {_addresses.shown(expected)}" for fault in faults]

    def _labelled(self, name: str, wanted: Wanted, params: Mapping[str, Any], asked: Wanted | None) -> Wanted:
        """The same with the label that the certificate has already, where none is given."""
        if params["friendly_name"] is not None:
            return wanted
        label = asked.friendly_name if asked else friendly_name_in(self._store.live_record(name))
        return replace(wanted, friendly_name=label)

    def _live(self, name: str) -> _x509.Certificate | None:
        """The live leaf. A live file that cannot be read stops everything: a new certificate would take its place."""
        bundle = self._store.live(name)
        if bundle is None:
            return None
        return live_certificates(bundle, self._store.live_path(name))[0]

    def _unfit(self, wanted: Wanted, live: _x509.Certificate | None, record: bytes | None, renew_at: float) -> str:
        """Why the live certificate will not do; empty when it does."""
        if live is None:
            return "there is no live certificate yet"
        asked = Wanted.from_record(record)
        missing = [name for name in wanted.names if not covers(live.names, name)]
        if missing:
            return f"the live certificate does not cover {', '.join(missing)}"
        if not wanted.fits(live.key_type):
            return f"the live certificate has a key of type {live.key_type}"
        changed = wanted.differences(asked) if asked else []
        if changed:
            return f"the live certificate was asked for with another {', '.join(changed)}"
        if _x509.is_due(live, renew_at, self._now):
            left = _x509.days_left(live, self._now)
            due = f"is due for renewal ({left} days left)" if left >= 0 else "has expired"
            return f"the live certificate {due}"
        return ""

    def _kept(self, name: str, wanted: Wanted, pending: Pending, held: Held, passphrase: str | None) -> _Paper:
        """The pending request as it lies there; a lost paper is written anew for the same key."""
        request, key = pending.request, held.pem
        reason = "the request is pending: the CA's answer is awaited"
        if request is None:
            request = self._paper(wanted, held.opened())
            reason = "the pending request was lost and was made anew with the same key"
        elif _x509.public_key_of(self._parsed(name, request)) != held.public_key:
            request = self._paper(wanted, held.opened())
            reason = "the pending request belonged to another key and was made anew"
        if passphrase is not None and not _keys.is_protected(key):
            key = _keys.sealed(self._host, key, passphrase)
            reason += "; its key was put under the passphrase"
        if friendly_name_in(pending.record) != wanted.friendly_name:
            reason += "; its friendly name was changed"
        return _Paper(request, self._files(name, wanted, key, request), reason, held.public_key)

    def _made(self, name: str, wanted: Wanted, why: str, passphrase: str | None) -> _Paper:
        """A new key, or the live one where that shall be kept, and its request."""
        live = self._store.live(name) or b""
        if wanted.renews:
            key = _x509.load_key(live, self._store.live_path(name), passphrase)
        else:
            key = _x509.new_key(wanted.key_type, wanted.key_size)
        pem = _x509.key_pem(key)
        request = self._paper(wanted, key)
        if passphrase is not None:
            pem = _keys.sealed(self._host, pem, passphrase)
        warnings = []
        if passphrase is None and _keys.is_protected(live):
            warnings.append(
                f"{title(name)}: the key of the live certificate is protected with a passphrase, and its next one is"
                " not, since no key_passphrase was given"
            )
        return _Paper(
            request, self._files(name, wanted, pem, request), why, _x509.public_key_of(key), not wanted.renews, warnings
        )

    @staticmethod
    def _paper(wanted: Wanted, key: Any) -> bytes:
        return _x509.new_request(key, wanted.subject, wanted.names, wanted.digest, must_staple=wanted.must_staple)

    def _parsed(self, name: str, request: bytes) -> Any:
        return _x509.load_request(request, self._store.pending_request_path(name))

    def _files(self, name: str, wanted: Wanted, key: bytes, request: bytes) -> list[FileChange]:
        """Those files of a pending request that are not as they must be."""
        secret = {"secret": True, "summary": f"private key, {wanted.key_type}"}
        files: list[tuple[str, bytes, dict[str, Any]]] = [
            (self._store.pending_key_path(name), key, secret),
            (self._store.pending_request_path(name), request, {}),
            (self._store.pending_record_path(name), wanted.record, {}),
        ]
        private: dict[str, Any] = {"owner": "root", "group": "root", "mode": 0o600, "parent_mode": 0o700}
        return needed([FileChange(path, content, **private, **more) for path, content, more in files], self._host)

    # ---- results

    def _outcome(
        self,
        name: str,
        wanted: Wanted,
        params: Mapping[str, Any],
        live: _x509.Certificate | None,
        paper: _Paper,
        before: Mapping[str, Any],
    ) -> Outcome:
        path = self._store.pending_request_path(name)
        copy = self._copy_path(name, params["csr_path"])
        copied = needed([FileChange(copy, paper.request, "root", "root", 0o644)], self._host) if copy else []
        changes = [*paper.changes, *copied]
        reason = f"{paper.reason}; its copy {copy} was written" if copied and not paper.changes else paper.reason
        result = self._result(name, wanted, live, changes, reason, request=paper.request.decode(), path=copy or path)
        result.update(_x509.pin(None if self._check_mode and paper.new_key else paper.public_key))
        return Outcome(changes, result, before, wanted.shown(), paper.warnings)

    def _copy_path(self, name: str, path: str | None) -> str:
        """Where a copy of the request goes; empty for nowhere. It overwrites nothing but requests.

        Raises:
            Problem: something else lies there.
        """
        if not path or path == self._store.pending_request_path(name):
            return ""
        there = self._host.read(path)
        if self._store.holds(path) or (there and b"CERTIFICATE REQUEST-----" not in there):
            raise Problem(
                f"{path} holds, or is meant for, something else than a request",
                f"name a new file outside the store, such as {ROOT_HOME}/request.csr",
                option="csr_path",
            )
        return path

    def _satisfied(
        self,
        name: str,
        wanted: Wanted,
        live: _x509.Certificate | None,
        leftovers: Sequence[FileChange],
        *,
        waiting: bool,
        before: Mapping[str, Any],
    ) -> Outcome:
        reason = "the live certificate is as asked for and not due for renewal"
        if leftovers:
            reason += "; what was left of its request was removed"
        label = self._new_label(name, wanted.friendly_name)
        if label:
            reason += "; its friendly name was changed"
            leftovers = [*leftovers, *label]
        if waiting:
            reason += "; a request for something else is pending beside it"
        result = self._result(name, wanted, live, leftovers, reason)
        return Outcome(leftovers, result, before, before)

    def _new_label(self, name: str, friendly_name: str) -> list[FileChange]:
        """The note of the live certificate with another label; empty where it has that one."""
        record = self._store.live_record(name)
        if friendly_name_in(record) == friendly_name:
            return []
        asked = Wanted.from_record(record)
        content = replace(asked, friendly_name=friendly_name).record if asked else label_record(friendly_name)
        path = self._store.live_record_path(name)
        return needed([FileChange(path, content, "root", "root", 0o600, parent_mode=0o700)], self._host)

    def _result(
        self,
        name: str,
        wanted: Wanted,
        live: _x509.Certificate | None,
        changes: Sequence[FileChange],
        reason: str,
        *,
        request: str | None = None,
        path: str | None = None,
    ) -> dict[str, Any]:
        return {
            **_entry(name, [change.path for change in changes], reason),
            **asked_for(wanted),
            "pending": request is not None,
            "csr": request,
            "csr_path": path,
            **_x509.pin(None),
            "subject": wanted.subject.rfc4514_string(),
            "not_after": _x509.timestamp(live.not_after) if live else None,
            "days_left": _x509.days_left(live, self._now) if live else None,
        }

    # ---- absent

    def _cancel(self, name: str, copy: str | None) -> Outcome:
        pending = self._store.pending(name)
        changes = removal(self._store, name)
        if copy and pending and pending.request is not None and self._host.read(copy) == pending.request:
            changes.append(FileChange(copy, None))
        changes = needed(changes, self._host)
        asked = Wanted.from_record(pending.record) if pending else None
        reason = "the pending request was cancelled" if changes else "no request was pending"
        result = {**_entry(name, [change.path for change in changes], reason), "pending": False}
        return Outcome(changes, result, asked.shown() if asked else {}, {})

    # ---- a host that is still bare

    def foresee(self, params: Mapping[str, Any]) -> Outcome | None:
        """What a check run can say before ``cryptography`` is on the host; None where it takes the library to say it.

        Raises:
            Problem: a value is wrong.
        """
        name = checked_name(params["name"])
        if self._store.pending(name) or self._store.live(name):
            return None
        wanted = Wanted.from_params(params)
        copy = self._copy_path(name, params["csr_path"])
        files = [change.path for change in removal(self._store, name)] + ([copy] if copy else [])
        reason = f"there is no live certificate yet; showing the request takes {PYTHON_CRYPTOGRAPHY}"
        unknown = dict.fromkeys(("csr", "subject", "not_after", "days_left", "spki_sha256", "tlsa_3_1_1"))
        result = {
            **_entry(name, files, reason),
            **asked_for(wanted),
            **unknown,
            "pending": True,
            "csr_path": copy or self._store.pending_request_path(name),
        }
        return Outcome((), result, {}, wanted.shown())


def _entry(name: str, files: Sequence[str], reason: str) -> dict[str, Any]:
    """The part of a result that every state has."""
    return {"name": name, "changed": bool(files), "reason": reason, "files": list(files)}


def asked_for(wanted: Wanted) -> dict[str, Any]:
    """The part of a result that says what is asked for."""
    return {
        "subject_alt_names": list(wanted.names),
        "key_type": wanted.key_type,
        "key_size": wanted.key_size or None,
        "digest": wanted.digest or _x509.default_digest(wanted.key_type) or None,
        "must_staple": wanted.must_staple,
        "friendly_name": wanted.friendly_name or None,
        "key_reused": bool(wanted.renews),
    }
