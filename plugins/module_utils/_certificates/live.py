# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The live certificate: what is in its file, and whether it will still do."""

from __future__ import annotations

from datetime import datetime

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.formats import stored_certificates
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import certificate_blocks
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.spec import (
    CertificateSpec,
    source_in,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import StoredCertificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.summary import days_left
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers


def certificates_in(stored: StoredCertificate) -> list[Certificate]:
    """Leaf and chain of a live or previous certificate; empty where there is none.

    Raises:
        Problem: the file is damaged.
    """
    if stored.bundle is None:
        return []
    try:
        return stored_certificates(b"".join(certificate_blocks(stored.bundle)))
    except Problem as exc:
        raise Problem(
            f"{stored.path}: {exc.found}", f"move {stored.path} away, then request and install the certificate again"
        ) from exc


def check_renew_at(renew_at: float) -> None:
    """Refuse a number that is not a fraction of a certificate's life.

    Raises:
        Problem: it is not.
    """
    if not 0 < renew_at <= 1:
        raise Problem(
            f"{renew_at} is not a fraction of a certificate's life",
            "give a number above 0 and at most 1; 0.67 renews after two thirds",
            option="renew_at",
        )


def is_due(leaf: Certificate, renew_at: float, now: datetime) -> bool:
    """Whether a fraction of the certificate's life is over."""
    return now >= leaf.not_before + renew_at * (leaf.not_after - leaf.not_before)


def why_unfit(
    leaf: Certificate | None, record: bytes | None, spec: CertificateSpec, renew_at: float, now: datetime
) -> str:
    """Why the live certificate will not do; empty where it will.

    What was requested counts, not what came of it, since a CA may drop attributes.

    Args:
        leaf: the certificate.
        record: what was requested; None where that is not known.
        spec: what is asked for now.
        renew_at: the fraction of its life after which it is due for renewal.
        now: the time, UTC.
    """
    if leaf is None:
        return "there is no live certificate yet"
    source = source_in(record)
    if spec.source and source and spec.source != source:
        return f"the live certificate comes from {source}, and one from {spec.source} is asked for now"
    missing = [name for name in spec.names if not covers(leaf.names, name)]
    if missing:
        return f"the live certificate does not cover {', '.join(missing)}"
    if not spec.allows(leaf.key_type):
        return f"the live certificate has a key of type {leaf.key_type}"
    requested = CertificateSpec.from_record(record)
    changed = spec.differences(requested) if requested else []
    if changed:
        return f"the live certificate was requested with another {', '.join(changed)}"
    if leaf.must_staple and not spec.must_staple:  # no daemon could use it, wherever it comes from
        return "the live certificate is must-staple, which is not asked for"
    if is_due(leaf, renew_at, now):
        left = days_left(leaf, now)
        return f"the live certificate {f'is due for renewal ({left} days left)' if left >= 0 else 'has expired'}"
    return ""
