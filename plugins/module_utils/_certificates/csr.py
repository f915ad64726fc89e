# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate requests (PKCS#10, RFC 2986): made and read."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    PrivateKey,
    key_type_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.parsing import reading

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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
    """The hash that is as strong as a type of key (RFC 5480 section 4); empty where it has its own (RFC 8032)."""
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
        digest: the hash in its signature, ``sha256`` to ``sha512``; empty for the one as strong as the key.
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
    """A request in the store.

    Raises:
        Problem: it is damaged.
    """
    with reading(f"the request {path}", f"remove {path}; the next run makes it again with the same key"):
        request = x509.load_pem_x509_csr(data)
        request.public_key()
        return request
