# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a key with its certificate and chain, under a passphrase: PKCS#12 and PEM."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import PrivateKey
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

_ITERATIONS = 100_000  # of PBKDF2 with SHA-256, in PKCS#12


def encrypted_pkcs12(
    key: PrivateKey, leaf: Certificate, chain: Sequence[Certificate], friendly_name: str, passphrase: str
) -> bytes:
    """A key with its certificate and chain as PKCS#12, with AES-256 and HMAC-SHA-256."""
    protection = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ITERATIONS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )
    issuers = [one.parsed for one in chain] or None
    return pkcs12.serialize_key_and_certificates(friendly_name.encode(), key, leaf.parsed, issuers, protection)


def encrypted_pem(
    key: PrivateKey, leaf: Certificate, chain: Sequence[Certificate], friendly_name: str, passphrase: str
) -> bytes:
    """The same as PEM text: the key as encrypted PKCS#8, its label as openssl-pkcs12(1) writes it."""
    label = f"Bag Attributes\n    friendlyName: {friendly_name}\n".encode() if "-----" not in friendly_name else b""
    protection = serialization.BestAvailableEncryption(passphrase.encode())
    block = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return b"".join((label, block, *(one.pem for one in (leaf, *chain))))
