# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates (RFC 5280), read once and completely into plain values; every fault in one is a :class:`Problem`.

Works with cryptography 38 and later, so that Debian 12's own package will do.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    KeyType,
    PublicKey,
    key_type_of,
    spki,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.parsing import reading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import pem_block
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

_PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
_RSASSA_PSS = "1.2.840.113549.1.1.10"
_SIGNATURES = {
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    _RSASSA_PSS: "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
}


@dataclass(frozen=True)
class Certificate:
    """A certificate, parsed once and completely.

    Attributes:
        der: the certificate itself.
        subject: its subject, RFC 4514.
        issuer: its issuer's subject, RFC 4514.
        serial: its serial number.
        not_before: start of its life, UTC.
        not_after: end of its life, UTC.
        names: its DNS names; the common name counts for nothing (RFC 9525).
        purposes: its extended key usages; None where it states none, which means every use.
        signs: whether its key usage, if stated, includes digital signatures, which every modern handshake needs.
        is_ca: whether it may issue certificates.
        key_type: kind and size of its key.
        public_key: its key as SubjectPublicKeyInfo, re-encoded so that it can be compared.
        spki: its key as SubjectPublicKeyInfo, byte for byte as in the certificate.
        signature_algorithm: how its issuer signed it, in OpenSSL's words.
        must_staple: whether clients must demand a stapled OCSP response (RFC 7633).
        parsed: the certificate as the library has it.
    """

    der: bytes
    subject: str
    issuer: str
    serial: int
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    purposes: tuple[str, ...] | None
    signs: bool
    is_ca: bool
    key_type: KeyType
    public_key: bytes = field(repr=False)
    spki: bytes = field(repr=False)
    signature_algorithm: str
    must_staple: bool
    parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def pem(self) -> bytes:
        """The certificate as PEM text."""
        return pem_block("CERTIFICATE", self.der)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def is_self_issued(self) -> bool:
        """Whether it names itself as its issuer, as a root does."""
        return self.parsed.subject == self.parsed.issuer

    def may_have_issued(self, other: Certificate) -> bool:
        """Whether this is the issuer of another by name, CA flag and, as far as that can be verified, signature."""
        if not self.is_ca or self.parsed.subject != other.parsed.issuer:
            return False
        return _signature_holds(other.parsed, self.parsed.public_key())


def load_certificate(der: bytes, what: str) -> Certificate:
    """One certificate from DER.

    Raises:
        Problem: it is damaged, or uses what this host's library does not know.
    """
    with reading(what, "get the file from the CA again, whole, as PEM or DER"):
        cert = x509.load_der_x509_certificate(der)
        key = cert.public_key()
        names = _extension(cert, x509.SubjectAlternativeName)
        purposes = _extension(cert, x509.ExtendedKeyUsage)
        usage = _extension(cert, x509.KeyUsage)
        constraints = _extension(cert, x509.BasicConstraints)
        features = _extension(cert, x509.TLSFeature)
        oid = cert.signature_algorithm_oid.dotted_string
        return Certificate(
            der=der,
            subject=printable(cert.subject.rfc4514_string()),
            issuer=printable(cert.issuer.rfc4514_string()),
            serial=cert.serial_number,
            not_before=_utc(cert, "not_valid_before"),
            not_after=_utc(cert, "not_valid_after"),
            names=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
            purposes=tuple(_purpose(one.dotted_string) for one in purposes) if purposes else None,
            signs=usage is None or usage.digital_signature,
            is_ca=bool(constraints and constraints.ca),
            key_type=key_type_of(key),
            public_key=spki(key),
            spki=_spki_in(cert.tbs_certificate_bytes),
            signature_algorithm=_SIGNATURES.get(oid, oid),
            must_staple=features is not None and x509.TLSFeatureType.status_request in features,
            parsed=cert,
        )


def _utc(cert: x509.Certificate, attribute: str) -> datetime:
    """A date of a certificate; only cryptography 42 and later have it with its time zone."""
    aware: datetime | None = getattr(cert, f"{attribute}_utc", None)
    if aware is not None:
        return aware
    naive: datetime = getattr(cert, attribute)
    return naive.replace(tzinfo=timezone.utc)


def _extension(cert: x509.Certificate, kind: Any) -> Any:
    """The value of an extension, or None where the certificate has none of this kind."""
    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _purpose(oid: str) -> str:
    return _PURPOSES.get(oid, oid)


def _signature_holds(child: x509.Certificate, key: PublicKey) -> bool:
    """Whether a key signed a certificate; True also where the library cannot verify that, since OpenSSL will."""
    signature, signed = child.signature, child.tbs_certificate_bytes
    try:
        digest: Any = child.signature_hash_algorithm
        if child.signature_algorithm_oid.dotted_string == _RSASSA_PSS:
            return True
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, signed)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        return True
    return True


def _spki_in(tbs: bytes) -> bytes:
    """The SubjectPublicKeyInfo within a TBSCertificate, byte for byte (RFC 5280 section 4.1).

    ``cryptography`` would re-encode it, and a TLSA record must match what is on the wire.
    """
    start, _end = _contents(tbs, 0)
    if tbs[start] == 0xA0:  # the version is optional
        start = _contents(tbs, start)[1]
    for _field in ("serial number", "signature", "issuer", "validity", "subject"):
        start = _contents(tbs, start)[1]
    return tbs[start : _contents(tbs, start)[1]]


def _contents(der: bytes, at: int) -> tuple[int, int]:
    """Where the contents of the DER element at a position begin and end."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length, start = int.from_bytes(der[start : start + octets], "big"), start + octets
    return start, start + length
