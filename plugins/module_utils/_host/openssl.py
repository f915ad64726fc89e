# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenSSL says: which one this host has, and whether a server could use a certificate now.

On Debian the daemons and Python share one libssl, so Python can speak for them.
"""

from __future__ import annotations

import ssl
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import clock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.confined import confined
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host, in_memory
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary


def openssl_library() -> TlsLibrary:
    """The host's OpenSSL, by major and minor version."""
    return TlsLibrary("OpenSSL", tuple(ssl.OPENSSL_VERSION_INFO[:2]))


def refuse_unusable(host: Host, path: str, passphrase: str | None = None) -> None:
    """Refuse a file of key, certificate and chain that no server could use now.

    No daemon's own test finds a key that does not belong to its certificate, and none looks at the dates.

    Args:
        host: the machine.
        path: the file, PEM.
        passphrase: opens the key in it, where it is protected.

    Raises:
        Problem: key and certificate do not belong together, or the certificate has expired, or is not valid yet.
    """
    remedy = "have it renewed with mail_cert_request and mail_cert_install"
    bundle = host.read(path) or b""
    fault = _fault(bundle, passphrase or "", path)
    if fault:
        raise Problem(f"{path} cannot be used ({fault})", remedy, option="certificate")
    done = host.query(["openssl", "x509", "-noout", "-startdate", "-enddate"], stdin=bundle)
    try:
        begins, ends = (ssl.cert_time_to_seconds(line.partition("=")[2]) for line in done.out.splitlines())
    except ValueError as exc:
        raise Problem(f"the dates of the certificate in {path} cannot be read", remedy, option="certificate") from exc
    now = time.time()
    if begins <= now <= ends:
        return
    raise Problem(
        f"the certificate in {path} {'has expired' if ends < now else 'is not valid yet'} by this host's clock, which"
        f" says {clock.shown(now)}; it is valid from {clock.shown(begins)} to {clock.shown(ends)}",
        f"set the clock where it is wrong, else {remedy if ends < now else 'wait'}",
        option="certificate",
    )


def has_open_key(bundle: bytes) -> bool:
    """Whether PEM text has a key without a passphrase that belongs to its first certificate."""
    try:
        return not _fault(bundle, "", "the daemon's copy")
    except Problem:
        return False


def _fault(bundle: bytes, passphrase: str, what: str) -> str:
    """Why a server could not use key, certificate and chain; empty where it could."""

    def look() -> bytes:
        try:
            with in_memory(bundle) as handle:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(f"/dev/fd/{handle}", password=passphrase)
        except (OSError, ValueError) as exc:
            return str(getattr(exc, "reason", None) or exc).encode("utf-8", "replace")
        return b""

    return confined(look, what).decode()
