# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server shows to clients that take certificates with one type of key only.

A client says so by its cipher suites in TLS 1.2 (RFC 5246 appendix A.5). In TLS 1.3 it does so by its signature
algorithms (RFC 8446 section 4.2.3), which Python's ssl cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import only_key_type
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.handshake import handshake
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import WireError

RSA, ECDSA = "RSA", "ECDSA"
_RSA_KEY = bytes.fromhex("06092a864886f70d010101")  # the object identifier rsaEncryption in DER, RFC 8017 appendix C
_NO_SESSION = ("handshake", "closed")  # what comes of a client that can agree with the server on nothing


def key_type(leaf: bytes) -> str:
    """The type of a certificate's key, as TLS 1.2 suites tell them: those of Ed25519 count as ECDSA (RFC 8422)."""
    return RSA if _RSA_KEY in leaf else ECDSA


def not_shown(endpoint: Endpoint, leaves: Iterable[bytes], timeout: float) -> str:
    """Look at a server with certificates of different types as a client of each type.

    Args:
        endpoint: the server.
        leaves: its certificates in DER.
        timeout: seconds for each connection.

    Returns:
        What is wrong, as the end of a sentence about the server; empty where each client gets its certificate, where
        all are of one type, and where the server has no TLS 1.2, so that this cannot be seen.

    Raises:
        WireError: there was no answer.
    """
    by_type = {key_type(one): one for one in leaves}
    if len(by_type) < 2:
        return ""
    shown = {kind: _shown(endpoint, kind, timeout) for kind in by_type}
    if not any(shown.values()):
        return ""
    for kind, leaf in shown.items():
        if not leaf:
            return f"has no TLS 1.2 for clients that take certificates with {kind} keys only"
        if leaf != by_type[kind]:
            return f"shows another certificate than the live one to clients that take {kind} keys only"
    return ""


def _shown(endpoint: Endpoint, kind: str, timeout: float) -> bytes:
    """The certificate that such a client gets; empty where it gets no session."""
    try:
        session = handshake(endpoint, trust=only_key_type(kind), server_name=endpoint.server_name, timeout=timeout)
    except WireError as exc:
        if exc.code in _NO_SESSION:
            return b""
        raise
    return session.leaf
