# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that are stored encrypted, and the open copies of them that daemons read.

The store keeps the original as encrypted PKCS#8. Hardly a daemon could open it, and one that starts unattended would
need the passphrase on the same disk; so each daemon's copy has the key open, for that daemon alone to read.

Works without ``cryptography``, since a provider's copy is made without it too. The passphrase goes to ``openssl``
through an inherited file descriptor, and keys through pipes.
"""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.kdf_cost import refuse_costly_key
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import (
    encoded,
    missing,
    needless,
    wrong,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import (
    certificate_blocks,
    is_protected,
    key_block,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host, in_memory
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.openssl import has_open_key

ITERATIONS = 600_000  # of PBKDF2 with SHA-256, about a quarter of a second; OWASP Password Storage Cheat Sheet, 2023


def encrypted_key(host: Host, key: bytes, passphrase: str) -> bytes:
    """A private key under a passphrase: encrypted PKCS#8 with AES-256 and PBKDF2.

    Args:
        host: the machine whose ``openssl`` is asked.
        key: the key, PEM, open.
        passphrase: a checked passphrase.
    """
    argv = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", str(ITERATIONS)]
    done = _with_passphrase(host, [*argv, "-passout"], key, passphrase)
    found = key_block(done.out.encode())
    if done.code != 0 or not is_protected(found):
        raise Problem(f"openssl could not encrypt the key ({done.complaint})", "check that openssl works on this host")
    return found


def opened(host: Host, bundle: bytes, passphrase: str, path: str) -> bytes:
    """The protected key in PEM text, open, as PEM (PKCS#8).

    Args:
        host: the machine whose ``openssl`` is asked.
        bundle: the text.
        passphrase: opens it.
        path: the file it comes from, for the message.

    Raises:
        Problem: the passphrase is wrong.
    """
    refuse_costly_key(key_block(bundle), path)
    done = _with_passphrase(host, ["openssl", "pkey", "-passin"], key_block(bundle), passphrase)
    found = key_block(done.out.encode())
    if done.code != 0 or not found:
        raise wrong(path)
    return found


def daemon_copy(host: Host, live: bytes, live_path: str, copy_path: str, passphrase: str | None) -> bytes:
    """What a daemon's copy of a live certificate must be: the same, with its key open.

    A copy that has the same certificates and a key that belongs to them is kept byte for byte, so that the passphrase
    is needed for the first deployment of a certificate only.

    Args:
        host: the machine.
        live: content of the live file.
        live_path: where that is.
        copy_path: where the daemon's copy is, or is to be.
        passphrase: opens the live key; None where none was given.

    Raises:
        Problem: the passphrase is missing, wrong or needless.
    """
    if not is_protected(live):
        if passphrase is not None:
            raise needless(live_path)
        return live
    there = host.read(copy_path)
    if there and certificate_blocks(there) == certificate_blocks(live) and has_open_key(there):
        return there
    if passphrase is None:
        raise missing(live_path)
    certificates = (block + b"\n" for block in certificate_blocks(live))
    return b"".join((opened(host, live, passphrase, live_path), *certificates))


def _with_passphrase(host: Host, argv: list[str], key: bytes, passphrase: str) -> Completed:
    """Run openssl on a key; the last argument is the option that takes the passphrase."""
    with in_memory(encoded(passphrase) + b"\n") as handle:
        return host.query([*argv, f"fd:{handle}"], stdin=key, keep_open=[handle])
