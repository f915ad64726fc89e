# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that are stored under a passphrase, and the open copies of them that daemons read.

The store keeps the original as encrypted PKCS#8. Hardly a daemon could open it, and one that starts unattended would
need the passphrase on the same disk; so each daemon's copy has the key open, for that daemon alone to read.

Works without ``cryptography``, since a provider's copy is made without it too. The passphrase goes to ``openssl``
through an inherited file descriptor, and keys through pipes.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import (
    certificate_blocks,
    title,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host, in_memory

ROUNDS = 600_000  # of PBKDF2 with SHA-256, about a quarter of a second; OWASP Password Storage Cheat Sheet, 2023
LONGEST_PASSPHRASE = 1000  # bytes; openssl-passphrase-options(1) reads one line, and not more than 1023 of it

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)
_OPTION = "key_passphrase"


# ---- what is wrong with a passphrase


def missing(path: str) -> Problem:
    """A protected key for which no passphrase was given."""
    return Problem(
        f"the key in {path} is protected with a passphrase, and none was given",
        f"give the one that it was made with as {_OPTION}; the key stays as it is",
        option=_OPTION,
    )


def wrong(path: str) -> Problem:
    """A protected key that the given passphrase does not open."""
    return Problem(
        f"the passphrase does not open the key in {path}",
        "give the one that it was made with; the key stays as it is",
        option=_OPTION,
    )


def needless(path: str) -> Problem:
    """An open key for which a passphrase was given."""
    return Problem(
        f"a passphrase was given, but the key in {path} is not protected with one",
        f"leave {_OPTION} out",
        option=_OPTION,
    )


def refuse_needless(bundle: bytes, path: str, passphrase: str | None) -> None:
    """Raise Problem where a passphrase was given for a key that has none."""
    if passphrase is not None and not is_protected(bundle):
        raise needless(path)


def check_passphrase(passphrase: str | None) -> None:
    """Refuse a passphrase that cannot protect a key.

    Raises:
        Problem: it cannot.
    """
    if passphrase is None:
        return
    if not passphrase:
        raise Problem("an empty passphrase protects nothing", "give a long one, or leave it out", option=_OPTION)
    if any(char in passphrase for char in "\n\r\0") or len(_encoded(passphrase)) > LONGEST_PASSPHRASE:
        raise Problem(
            "the passphrase is too long, or more than one line",
            f"give one line of at most {LONGEST_PASSPHRASE} bytes",
            option=_OPTION,
        )


def passphrases_of(elements: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The passphrases of the keys of certificates, from the objects of a module that names certificates.

    Raises:
        Problem: one of them is unfit, or two differ for one certificate.
    """
    found: dict[str, str] = {}
    for element in elements:
        passphrase = element[_OPTION]
        names = [element["certificate"], element["alternative_certificate"]]
        names += [one["certificate"] for one in element["sni"] or ()]
        for name in filter(None, names if passphrase is not None else ()):
            try:
                check_passphrase(passphrase)
            except Problem as exc:
                raise exc.about(subject=title(name)) from exc
            if found.setdefault(name, passphrase) != passphrase:
                raise Problem("two passphrases are given for its key", "give one", subject=title(name), option=_OPTION)
    return found


# ---- keys


def key_block(bundle: bytes) -> bytes:
    """The first private key in PEM text, as it stands there; empty where there is none."""
    found = _KEY.search(bundle)
    return found.group(0).rstrip(b"\n") + b"\n" if found else b""


def is_protected(bundle: bytes) -> bool:
    """Whether the private key in PEM text is under a passphrase."""
    return b"ENCRYPTED" in key_block(bundle)  # in the label (RFC 7468 section 11), or in a header of the older form


def sealed(host: Host, key: bytes, passphrase: str) -> bytes:
    """A private key under a passphrase: encrypted PKCS#8 with AES-256 and PBKDF2.

    Args:
        host: the machine whose ``openssl`` is asked.
        key: the key, PEM, open.
        passphrase: a checked passphrase.
    """
    argv = ["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", str(ROUNDS)]
    done = _with_passphrase(host, [*argv, "-passout"], key, passphrase)
    found = key_block(done.out.encode())
    if done.code != 0 or not is_protected(found):
        raise Problem(f"openssl could not encrypt the key ({done.complaint})", "look whether openssl works here")
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
        live_path: where that lies.
        copy_path: where the daemon's copy lies, or shall.
        passphrase: opens the live key; None where none was given.

    Raises:
        Problem: the passphrase is missing, wrong or needless.
    """
    if not is_protected(live):
        if passphrase is not None:
            raise needless(live_path)
        return live
    there = host.read(copy_path)
    if there and certificate_blocks(there) == certificate_blocks(live) and _fits(copy_path):
        return there
    if passphrase is None:
        raise missing(live_path)
    certificates = (block + b"\n" for block in certificate_blocks(live))
    return b"".join((opened(host, live, passphrase, live_path), *certificates))


def _fits(path: str) -> bool:
    """Whether a file has an open key that belongs to its first certificate."""
    with contextlib.suppress(OSError, ValueError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password="")
        return True
    return False


def _with_passphrase(host: Host, argv: list[str], key: bytes, passphrase: str) -> Completed:
    """Run openssl on a key; the last argument is the option that takes the passphrase."""
    with in_memory(_encoded(passphrase) + b"\n") as handle:
        return host.query([*argv, f"fd:{handle}"], stdin=key, keep_open=[handle])


def _encoded(passphrase: str) -> bytes:
    return passphrase.encode("utf-8", "surrogateescape")
