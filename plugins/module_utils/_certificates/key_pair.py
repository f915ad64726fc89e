# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys and their public keys: generated, loaded, compared."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.kdf_cost import refuse_costly_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.parsing import reading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import (
    encoded,
    missing,
    wrong,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import blocks_in, is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.confined import confined

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

PrivateKey = Any  # rsa, ec, ed25519 or ed448 private key: cryptography 38 has no common type for them
PublicKey = Any

_CURVES = {"secp256r1": "ECDSA_P256", "secp384r1": "ECDSA_P384", "secp521r1": "ECDSA_P521"}


@dataclass(frozen=True)
class KeyType:
    """Kind and size of a key, in the words of the option ``key_type``; size in bits."""

    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.name} {self.size}" if self.name == "RSA" else self.name


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


def key_der(key: PrivateKey) -> bytes:
    """A private key as DER, PKCS#8, not encrypted."""
    der: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return der


def open_key(der: bytes) -> PrivateKey:
    """The key that :func:`key_der` has written."""
    return serialization.load_der_private_key(der, None)


def load_key(data: bytes, path: str, passphrase: str | None = None) -> PrivateKey:
    """The private key in a file of the store, which may hold certificates besides.

    Args:
        data: content of the file.
        path: the file, for the message.
        passphrase: opens the key where it is protected; it is not looked at otherwise.

    Raises:
        Problem: there is no key, it is damaged, or it is protected and the passphrase is missing or wrong.
    """
    blocks = [one for one in blocks_in(data) if one.is_key]
    remedy = f"it stays as it is; put the right key back, or move {path} away and request a new certificate"
    if not blocks:
        raise Problem(f"there is no private key in {path}", remedy)
    block = blocks[0].text + b"\n"
    if not is_protected(block):
        with reading(f"the key in {path}", remedy):
            return serialization.load_pem_private_key(block, None)
    if passphrase is None:
        raise missing(path)
    given = encoded(passphrase)

    def look() -> bytes:
        try:
            with reading(f"the key in {path}", remedy):
                return key_der(serialization.load_pem_private_key(block, given))
        except Problem as exc:
            raise wrong(path) from exc

    refuse_costly_key(block, path)
    return open_key(confined(look, f"the key in {path}"))


def public_key_of(key: PrivateKey | x509.CertificateSigningRequest) -> bytes:
    """The public key of a private key or request, comparable with :attr:`Certificate.public_key`."""
    return spki(key.public_key())


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


def kind_of(key_type: KeyType) -> str:
    """The kind of a key; a server has room for one RSA key, one ECDSA key and so on."""
    return key_type.name.partition("_")[0]


def spki(key: PublicKey) -> bytes:
    """A public key as SubjectPublicKeyInfo, DER, re-encoded so that it can be compared."""
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der
