# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What OpenSSL says: which one this host has, and whether a server could use a certificate now.

On Debian the daemons and Python share one libssl, so Python can speak for them.
"""

from __future__ import annotations

import ssl

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
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
        Problem: key and certificate do not belong together, or the certificate has expired.
    """
    remedy = "have it renewed with mail_cert_request and mail_cert_install"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=passphrase or "")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "reason", None) or exc
        raise Problem(f"{path} cannot be used ({reason})", remedy, option="certificate") from exc
    if host.query(["openssl", "x509", "-noout", "-checkend", "0", "-in", path]).code != 0:
        raise Problem(f"the certificate in {path} has expired", remedy, option="certificate")
