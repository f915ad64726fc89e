# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate as plain data: what an administrator wants to know about it, and what pins its key."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate


def summary(cert: Certificate, now: datetime) -> dict[str, Any]:
    """What an administrator wants to know about a certificate; hashes and serial in hexadecimal, dates ISO 8601."""
    return {
        "subject": cert.subject,
        "issuer": cert.issuer,
        "serial": hexadecimal(cert.serial),
        "not_before": timestamp(cert.not_before),
        "not_after": timestamp(cert.not_after),
        "days_left": days_left(cert, now),
        "names": list(cert.names),
        "purposes": list(cert.purposes or ()),
        "key_type": cert.key_type.name,
        "key_size": cert.key_type.size,
        "signature_algorithm": cert.signature_algorithm,
        "must_staple": cert.must_staple,
        "sha256": cert.fingerprint,
        **pin(cert.spki),
    }


def pin(spki: bytes | None) -> dict[str, Any]:
    """What pins a public key: its SHA-256 and the data of a TLSA record (RFC 7671); null where it is not known."""
    if spki is None:
        return {"spki_sha256": None, "tlsa_3_1_1": None}
    digest = hashlib.sha256(spki).hexdigest()
    return {"spki_sha256": digest, "tlsa_3_1_1": f"3 1 1 {digest}"}


def hexadecimal(serial: int) -> str:
    """A serial number in whole bytes, as OpenSSL writes it."""
    shown = f"{serial:X}"
    return shown if len(shown) % 2 == 0 else "0" + shown


def days_left(cert: Certificate, now: datetime) -> int:
    """Whole days until the certificate expires; negative once it has."""
    return (cert.not_after - now) // timedelta(days=1)


def timestamp(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
