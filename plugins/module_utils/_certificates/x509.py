# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys, requests and certificates: with ``_forms``, the only file that uses ``cryptography``.

What comes from outside is hostile until parsed: it is read once, completely, into plain values, and every
fault in it is a :class:`Problem`. Works with cryptography 38 and later, so that Debian 12's own package will do.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import keys as _keys
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = Any  # rsa, ec, ed25519 or ed448 private key: cryptography 38 has no common type for them
PublicKey = Any

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----(.*?)-----END \1-----", re.DOTALL)  # RFC 7468

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
_CURVES = {"secp256r1": "ECDSA_P256", "secp384r1": "ECDSA_P384", "secp521r1": "ECDSA_P521"}


@dataclass(frozen=True)
class KeyType:
    """Kind and size of a key, in the words of the option ``key_type``; size in bits."""

    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} {self.size}" if self.name == "RSA" else self.name


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
        public_key: its key as SubjectPublicKeyInfo, written anew so that it can be compared.
        spki: its key as SubjectPublicKeyInfo, byte for byte as it stands in the certificate.
        signature_algorithm: how its issuer signed it, in OpenSSL's words.
        must_staple: whether clients shall demand a stapled OCSP answer (RFC 7633).
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
        """Whether this is the issuer of another: by name, by CA flag and, as far as it can be judged, by signature."""
        if not self.is_ca or self.parsed.subject != other.parsed.issuer:
            return False
        return _signature_holds(other.parsed, self.parsed.public_key())


# ---- guarding


@contextlib.contextmanager
def reading(what: str, remedy: str) -> Iterator[None]:
    """Turn whatever ``cryptography`` makes of hostile bytes into one clear problem.

    Besides ValueError and its kin that is pyo3's PanicException, which is a BaseException.
    """
    try:
        yield
    except (Problem, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as exc:
        raise Problem(f"{what} cannot be read ({printable(str(exc)) or type(exc).__name__})", remedy) from exc


def printable(text: str) -> str:
    """Text from outside, made fit for one line of a message."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown if len(shown) <= 200 else shown[:200] + "…"


def pem_block(label: str, der: bytes) -> bytes:
    """A PEM block (RFC 7468)."""
    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join((f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""))


# ---- keys


_NEW_KEYS: Mapping[str, Callable[[int], PrivateKey]] = {
    "RSA": lambda size: rsa.generate_private_key(public_exponent=65537, key_size=size),
    "ECDSA_P256": lambda _size: ec.generate_private_key(ec.SECP256R1()),
    "ECDSA_P384": lambda _size: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": lambda _size: ed25519.Ed25519PrivateKey.generate(),
}


def new_key(key_type: str, key_size: int) -> PrivateKey:
    """A new private key; the size, in bits, matters for RSA alone."""
    return _NEW_KEYS[key_type](key_size)


def key_pem(key: PrivateKey) -> bytes:
    """A private key as PEM text, PKCS#8, not encrypted."""
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def load_key(data: bytes, path: str, passphrase: str | None = None) -> PrivateKey:
    """The private key in a file, which may hold certificates besides.

    Args:
        data: content of the file.
        path: the file, for the message.
        passphrase: opens the key where it is protected; it is not looked at otherwise.

    Raises:
        Problem: there is no key, it is damaged, or it is protected and the passphrase is missing or wrong.
    """
    blocks = [match for match in BLOCK.finditer(data) if match.group(1).endswith(b"PRIVATE KEY")]
    remedy = f"it stays as it is; put the right key back, or move {path} away and request a new certificate"
    if not blocks:
        raise Problem(f"there is no private key in {path}", remedy)
    block = blocks[0].group(0) + b"\n"
    if not _keys.is_protected(block):
        with reading(f"the key in {path}", remedy):
            return serialization.load_pem_private_key(block, None)
    if passphrase is None:
        raise _keys.missing(path)
    try:
        with reading(f"the key in {path}", remedy):
            return serialization.load_pem_private_key(block, passphrase.encode("utf-8", "surrogateescape"))
    except Problem as exc:
        raise _keys.wrong(path) from exc


def public_key_of(key: PrivateKey | x509.CertificateSigningRequest) -> bytes:
    """The public key of a private key or request, comparable with :attr:`Certificate.public_key`."""
    return _spki(key.public_key())


def key_type_of(key: PublicKey) -> KeyType:
    """Kind and size of a public key."""
    if isinstance(key, rsa.RSAPublicKey):
        return KeyType("RSA", key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyType(_CURVES.get(key.curve.name, key.curve.name), key.key_size)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyType("Ed25519", 256)
    if isinstance(key, ed448.Ed448PublicKey):
        return KeyType("Ed448", 456)
    name = type(key).__name__.strip("_").replace("PublicKey", "")
    return KeyType(name, getattr(key, "key_size", 0))


def same_kind(one: KeyType, other: KeyType) -> bool:
    """Whether a server could use one of two keys only, since it has room for one RSA key, one ECDSA key and so on."""
    return one.name.partition("_")[0] == other.name.partition("_")[0]


def _spki(key: PublicKey) -> bytes:
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


# ---- requests


def subject_name(attributes: Sequence[tuple[str, str]]) -> x509.Name:
    """An X.509 name.

    Args:
        attributes: pairs of an attribute's name as in :class:`NameOID` (such as ``COUNTRY_NAME``) and its value.

    Raises:
        Problem: a value does not fit its attribute.
    """
    with reading("the subject of the request", "shorten or correct the subject's options"):
        return x509.Name([x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in attributes])


def default_digest(key_type: str) -> str:
    """The hash as strong as a kind of key (RFC 5480 section 4); empty where the key brings its own (RFC 8032)."""
    return {"ECDSA_P384": "sha384", "Ed25519": ""}.get(key_type, "sha256")


def new_request(
    key: PrivateKey, subject: x509.Name, names: Sequence[str], digest: str = "", *, must_staple: bool = False
) -> bytes:
    """A signed request for a TLS server's certificate, as PEM text.

    It asks for what RFC 5280 and RFC 9525 want of such a certificate: the names as subject alternative names, digital
    signatures (with RSA also key encipherment, which CAs' templates expect), and server authentication.

    Args:
        key: signs the request.
        subject: its subject.
        names: its DNS names.
        digest: the hash that is signed, ``sha256`` to ``sha512``; empty for the one as strong as the key.
        must_staple: whether it asks for the TLS feature extension with status_request (RFC 7633).
    """
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=is_rsa,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    key_type = key_type_of(key.public_key()).name
    default = default_digest(key_type)
    hashed = getattr(hashes, (digest or default).upper())() if default else None
    return builder.sign(key, hashed).public_bytes(serialization.Encoding.PEM)


def load_request(data: bytes, path: str) -> x509.CertificateSigningRequest:
    """A request as it lies on the disk.

    Raises:
        Problem: it is damaged.
    """
    with reading(f"the request {path}", f"remove {path}; the next run makes it anew with the same key"):
        request = x509.load_pem_x509_csr(data)
        request.public_key()
        return request


# ---- certificates


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
            public_key=_spki(key),
            spki=_spki_in(cert.tbs_certificate_bytes),
            signature_algorithm=_SIGNATURES.get(oid, oid),
            must_staple=features is not None and x509.TLSFeatureType.status_request in features,
            parsed=cert,
        )


def summary(cert: Certificate, now: datetime) -> dict[str, Any]:
    """What an administrator wants to know of a certificate, as plain data; hashes and serial in hex, dates ISO 8601."""
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


def is_due(cert: Certificate, renew_at: float, now: datetime) -> bool:
    """Whether a fraction of the certificate's life is over."""
    return now >= cert.not_before + renew_at * (cert.not_after - cert.not_before)


def timestamp(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


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
    """Whether a key signed a certificate; True also where this library cannot judge it, since OpenSSL will."""
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

    ``cryptography`` would write it anew, and a TLSA record must match what is on the wire.
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
