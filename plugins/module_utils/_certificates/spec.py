# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate is to have: read from the options, kept in the store as a record, shown in results and diffs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.csr import (
    default_digest,
    subject_name,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import KeyType
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name

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
_LONGEST_LABEL = 128  # characters; more than any dialog shows


@dataclass(frozen=True)
class CertificateSpec:
    """What a certificate is to have. Names are in ASCII form; an empty attribute is left out of the subject.

    Attributes:
        common_name: the main host name, always among the names.
        names: every DNS name, the common name first, the others sorted.
        key_type: a choice of the option.
        key_size: bits of an RSA key; 0 for other types, whose name says it.
        must_staple: whether clients must demand a stapled OCSP response.
        digest: the hash in the request's own signature; empty for the default of the key type. It does not appear in
            the certificate, so a live one need not have been requested with the same.
        friendly_name: a label for people; it is not in the request, so changing it makes no new request.
        renews: SHA-256 of the live certificate whose key is asked for again; empty for a key of its own.
        source: who is to sign it; not in the request, so that a pending one is good for another CA, too.
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
    source: str = field(default="", compare=False)

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> CertificateSpec:
        """What the administrator asks for, in the one form that can be compared.

        Raises:
            Problem: an option has a value that no certificate can carry.
        """
        common_name = ascii_name(params["common_name"] or params["name"], "common_name")
        others = {ascii_name(name, "subject_alt_names") for name in params["subject_alt_names"] or ()} - {common_name}
        digest, key_type = params["digest"] or "", params["key_type"]
        spec = cls(
            common_name=common_name,
            names=(common_name, *sorted(others)),
            key_type=key_type,
            key_size=params["key_size"] if key_type == "RSA" else 0,
            must_staple=params["must_staple"],
            digest="" if default_digest(key_type) in ("", digest) else digest,
            friendly_name=(params["friendly_name"] or "").strip(),
            source=params.get("source") or "",
            country=(params["country"] or "").strip().upper(),
            **{
                option: (params[option] or "").strip()
                for option, _oid, _most in _SUBJECT
                if option not in ("country", "common_name")
            },
        )
        spec._check_subject()
        return spec

    def _check_subject(self) -> None:
        for option, _oid, most in _SUBJECT:
            value = getattr(self, option)
            if len(value) > most or not value.isprintable():
                raise Problem(
                    f"{value[:80]!r} does not fit in a certificate's subject",
                    f"give at most {most} characters on one line"
                    + ("; a longer name can be in subject_alt_names" if option == "common_name" else ""),
                    option=option,
                )
        if self.country and not (len(self.country) == 2 and self.country.isascii() and self.country.isalpha()):
            raise Problem(
                f"{self.country!r} is not a country code", "give two letters of ISO 3166, such as DE", option="country"
            )
        if len(self.friendly_name) > _LONGEST_LABEL or not self.friendly_name.isprintable():
            raise Problem(
                f"{self.friendly_name[:80]!r} is not a label",
                f"give at most {_LONGEST_LABEL} characters on one line",
                option="friendly_name",
            )
        if not self.email.isascii():
            raise Problem(f"{self.email!r} is not ASCII", "give the address in ASCII form", option="email")

    @classmethod
    def from_record(cls, record: bytes | None) -> CertificateSpec | None:
        """What was asked for according to a record in the store, or None where it does not say."""
        try:
            found = json.loads(record or b"")
            known = {one.name: found[one.name] for one in fields(cls) if one.name in found}
            spec = cls(**{**known, "names": tuple(known["names"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        kinds = {"key_size": int, "must_staple": bool, "names": tuple}
        as_written = all(isinstance(getattr(spec, one.name), kinds.get(one.name, str)) for one in fields(cls))
        return spec if as_written and all(isinstance(name, str) for name in spec.names) else None

    @property
    def record(self) -> bytes:
        """The record for the store, JSON."""
        known = {name: value for name, value in asdict(self).items() if name != "source" or value}
        return (json.dumps(known, indent=2, sort_keys=True) + "\n").encode()

    @property
    def subject(self) -> Any:
        """The subject as an X.509 name."""
        given = ((oid, getattr(self, option)) for option, oid, _most in _SUBJECT)
        return subject_name([(oid, value) for oid, value in given if value])

    def for_diff(self) -> dict[str, Any]:
        """What is asked for, without empty attributes."""
        return {option: value for option, value in asdict(self).items() if value and option != "renews"}

    def differences(self, requested: CertificateSpec) -> list[str]:
        """The fields in which a certificate that was requested earlier would differ from this."""
        return [
            one.name
            for one in fields(self)
            if one.compare and one.name != "digest" and getattr(self, one.name) != getattr(requested, one.name)
        ]

    def allows(self, key_type: KeyType) -> bool:
        """Whether a key is of the type and size that are asked for."""
        return key_type.name == self.key_type and self.key_size in (0, key_type.size)

    def for_result(self) -> dict[str, Any]:
        """What is asked for, as the modules return it."""
        return {
            "subject_alt_names": list(self.names),
            "key_type": self.key_type,
            "key_size": self.key_size or None,
            "digest": self.digest or default_digest(self.key_type) or None,
            "must_staple": self.must_staple,
            "friendly_name": self.friendly_name or None,
            "key_reused": bool(self.renews),
        }


def friendly_name_in(record: bytes | None) -> str:
    """The label in a record of the store; empty where there is none."""
    return _text_in(record, "friendly_name")


def source_in(record: bytes | None) -> str:
    """Where a certificate came from according to a record in the store; empty where it does not say."""
    return _text_in(record, "source")


def _text_in(record: bytes | None, name: str) -> str:
    try:
        found = json.loads(record or b"{}")[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def label_record(friendly_name: str, source: str = "") -> bytes | None:
    """The record of a certificate of which only label and source are known; None where even these are not."""
    known = {name: value for name, value in (("friendly_name", friendly_name), ("source", source)) if value}
    return (json.dumps(known) + "\n").encode() if known else None


def required_names(name: str, record: bytes | None, given: Sequence[str] | None) -> Sequence[str]:
    """The names that a certificate must cover.

    Args:
        name: its name in the store.
        record: what was requested; None where that is not known.
        given: the option ``names``.
    """
    if given:
        return [ascii_name(one, "names") for one in given]
    requested = CertificateSpec.from_record(record)
    return requested.names if requested else [ascii_name(name, "names")]
