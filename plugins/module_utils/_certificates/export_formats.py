# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a key with its certificate and chain, under a passphrase: PKCS#12 and PEM."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import PrivateKey
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host, in_memory

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography.hazmat.primitives import serialization

_ITERATIONS = 100_000  # of PBKDF2 with SHA-256, in PKCS#12
_HOW = ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256", "-iter", str(_ITERATIONS))


def encrypted_pkcs12(
    host: Host, key: PrivateKey, leaf: Certificate, chain: Sequence[Certificate], friendly_name: str, passphrase: str
) -> bytes:
    """A key with its certificate and chain as PKCS#12, with AES-256 and HMAC-SHA-256.

    By openssl-pkcs12(1): cryptography 43.0.0, which is Debian 13's, leaves out the localKeyID by which other programs
    find the certificate of the key (RFC 2985 section 5.5.2; pyca/cryptography issue 11453).

    Raises:
        Problem: openssl cannot do it.
    """
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bundle = plain + b"".join(one.pem for one in (leaf, *chain))
    with in_memory(bundle) as source, in_memory(passphrase.encode() + b"\n") as word, in_memory(b"") as made:
        files = ("-in", f"/dev/fd/{source}", "-passout", f"fd:{word}", "-out", f"/dev/fd/{made}")
        argv = ["openssl", "pkcs12", "-export", "-name", friendly_name, *_HOW, *files]
        done = host.query(argv, keep_open=(source, word, made))
        content = os.pread(made, os.fstat(made).st_size, 0)
    if done.code != 0 or not content:
        raise Problem(f"openssl cannot make the backup ({done.err.strip()})", "give the format pem", option="format")
    return content


def encrypted_pem(
    _host: Host, key: PrivateKey, leaf: Certificate, chain: Sequence[Certificate], friendly_name: str, passphrase: str
) -> bytes:
    """The same as PEM text: the key as encrypted PKCS#8, its label as openssl-pkcs12(1) writes it."""
    label = f"Bag Attributes\n    friendlyName: {friendly_name}\n".encode() if "-----" not in friendly_name else b""
    protection = serialization.BestAvailableEncryption(passphrase.encode())
    block = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return b"".join((label, block, *(one.pem for one in (leaf, *chain))))
