# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server shows to a client that uses TLS: version, cipher, certificates, and what it offers.

Advertised STARTTLS proves nothing, so everything here rests on a completed handshake. Each call makes its own
connections, keeps to a deadline whatever the server does, and raises :class:`WireError` where it fails.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import unverifying
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import (
    TIMEOUT,
    connect,
    dialogue_for,
    reach_tls,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import Opening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError

_NOTHING_SAID = Opening("", ())


@dataclass(frozen=True)
class Session:
    """What a completed handshake showed.

    Attributes:
        address: the server's IP address.
        source: the address of this host on the connection.
        greeting: the server's first line, whether it came in clear text or inside TLS.
        clear_capabilities: what the server offered before TLS; empty where TLS starts at once.
        tls_capabilities: what it offers inside TLS.
        version: TLS version, such as ``TLSv1.3``.
        cipher: cipher suite by its OpenSSL name.
        bits: strength of the cipher.
        group: key exchange group; empty where Python does not know it (it does from 3.15 on).
        chain: certificates in DER as the server sent them, the leaf first.
        whole_chain: whether ``chain`` is all that was sent; before Python 3.10 only the leaf can be seen.
        names: the leaf's names as mail servers read them: its DNS names, or its common name where there are none; empty
            unless it was verified.
        verified: whether chain, dates and name were checked and are good.
        verify_error: otherwise the TLS library's reason; empty if verified.
        error: what went wrong inside TLS; None where the server spoke its protocol there.
    """

    address: str
    source: str
    greeting: str
    clear_capabilities: tuple[str, ...]
    tls_capabilities: tuple[str, ...]
    version: str
    cipher: str
    bits: int
    group: str
    chain: tuple[bytes, ...]
    whole_chain: bool
    verified: bool
    verify_error: str
    error: WireError | None
    names: tuple[str, ...] = ()

    @property
    def leaf(self) -> bytes:
        """The server's own certificate in DER; empty where it sent none."""
        return self.chain[0] if self.chain else b""


def handshake(
    endpoint: Endpoint,
    *,
    trust: ssl.SSLContext | None,
    server_name: str = "",
    timeout: float = TIMEOUT,
    source: str = "",
) -> Session:
    """Connect as a client would, start TLS, and collect what the server shows.

    A certificate that is not trusted is not a failure: a second connection without verification collects what the
    server shows, and the session says what is wrong with it.

    Args:
        endpoint: the server.
        trust: from :func:`trust_store`; None to verify nothing.
        server_name: the name to ask for (SNI) and to check; if empty, the endpoint's own or its address.
        timeout: seconds for each connection.
        source: address of this host to connect from.

    Raises:
        WireError: there was no TLS session.
        Problem: the source is not an address of this host.
    """

    def converse(context: ssl.SSLContext, verify_error: str) -> Session:
        with connect(endpoint, timeout=timeout, source=source, server_name=name) as stream:
            return _converse(endpoint, stream, context, name, verify_error)

    name = server_name or endpoint.server_name or endpoint.address
    if trust is None:
        return converse(unverifying(), "verification was not asked for")
    try:
        return converse(trust, "")
    except WireError as exc:
        if exc.code != "certificate":
            raise
        try:
            return converse(unverifying(), exc.text)
        except WireError as failure:
            raise WireError(
                failure.code, f"{failure.text}, after a certificate that is not trusted ({exc.text})"
            ) from exc


def _converse(
    endpoint: Endpoint, stream: Stream, context: ssl.SSLContext, server_name: str, verify_error: str
) -> Session:
    """One whole conversation: clear text where the protocol begins so, the handshake, and a little inside TLS."""
    dialogue = dialogue_for(endpoint)
    before = _NOTHING_SAID if endpoint.implicit_tls else reach_tls(dialogue, stream)
    tls = stream.start_tls(context, server_name)
    chain, whole = _chain(tls)
    names = _names(tls)
    cipher, _version, bits = tls.cipher() or ("", "", 0)
    version, group = tls.version() or "", _group(tls)
    inside, error = _NOTHING_SAID, None
    try:
        greeting = dialogue.greet(stream) if endpoint.implicit_tls else ""
        inside = Opening(greeting, dialogue.capabilities(stream))
        stream.leave(dialogue.farewell)
    except WireError as exc:
        error = None if endpoint.wants_certificate else exc  # we have none
    return Session(
        address=stream.address,
        source=stream.source,
        greeting=before.greeting or inside.greeting,
        clear_capabilities=before.capabilities,
        tls_capabilities=inside.capabilities,
        version=version,
        cipher=cipher,
        bits=bits,
        group=group,
        chain=chain,
        whole_chain=whole,
        verified=not verify_error,
        verify_error=verify_error,
        error=error,
        names=names,
    )


def _names(tls: ssl.SSLSocket) -> tuple[str, ...]:
    """The names in the leaf. Python shows them only for a certificate that it has verified."""
    shown: dict[str, Any] = tls.getpeercert() or {}
    names = tuple(value.lower() for kind, value in shown.get("subjectAltName", ()) if kind == "DNS")
    subject = (pair for several in shown.get("subject", ()) for pair in several)
    return names or tuple(value.lower() for kind, value in subject if kind == "commonName")


def _group(tls: ssl.SSLSocket) -> str:
    ask = getattr(tls, "group", None)
    return (ask() or "") if ask else ""


def _chain(tls: ssl.SSLSocket) -> tuple[tuple[bytes, ...], bool]:
    """The certificates as sent, and whether these are all. Python has this since 3.13, and privately since 3.10."""
    if hasattr(tls, "get_unverified_chain"):
        return tuple(tls.get_unverified_chain()), True
    ask = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if ask:
        return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in ask() or ()), True
    leaf = tls.getpeercert(binary_form=True)
    return ((leaf,) if leaf else ()), False
