# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server shows on the wire: TLS, certificate, and what it does with clear text.

Advertised STARTTLS proves nothing, so every statement about TLS here rests on a completed handshake. All
functions make connections of their own, keep to a deadline whatever the server does, and raise
:class:`WireError` where the conversation came to nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.registry import (
    DIALOGUES,
    ClearText,
    Dialogue,
    Opening,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import (
    Stream,
    WireError,
    connect_stream,
    other_local_address,
    quoted,
)

TIMEOUT = 10.0  # seconds for one conversation
# TLS versions by the names that results use, the oldest first
VERSIONS: tuple[str, ...] = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_NOTHING_SAID = Opening("", ())


@dataclass(frozen=True)
class Session:
    """What a completed handshake showed.

    Attributes:
        address: the server's IP address.
        source: the address of this host that was connected from.
        greeting: the server's first line, whether it came in clear text or inside TLS.
        clear_capabilities: what the server offered before TLS; empty where TLS starts at once.
        tls_capabilities: what it offers inside TLS.
        version: TLS version, such as ``TLSv1.3``.
        cipher: cipher suite by its OpenSSL name.
        bits: strength of the cipher.
        group: key exchange group; empty where Python does not tell (it does from 3.15 on).
        chain: certificates in DER as the server sent them, the leaf first.
        whole_chain: whether ``chain`` is all that was sent; before Python 3.10 only the leaf can be seen.
        names: the names that the leaf stands for, as mail servers read them: its DNS names, or its common name where it
            has none of these; empty unless it was verified.
        verified: whether chain, dates and name were checked and found good.
        verify_error: the TLS library's words when they were not; empty otherwise.
        error: what went wrong inside the TLS session, None when the server spoke its protocol there.
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


@dataclass(frozen=True)
class Injection:
    """Whether a command sent in clear text took effect inside TLS (CVE-2011-0411).

    Attributes:
        vulnerable: whether the server answered it there.
        evidence: what was seen.
    """

    vulnerable: bool
    evidence: str


def connect(endpoint: Endpoint, *, timeout: float = TIMEOUT, source: str = "", server_name: str = "") -> Stream:
    """Connect to an endpoint and say nothing yet. Use the answer as a context manager.

    A server on this very host is spoken to from another of the host's addresses, also without a source. Left out, the
    source is the endpoint's. A server name is for protocols in which clients say which server they want; left out, it
    is the endpoint's.

    Raises:
        WireError: no connection came about.
        Problem: the source is no address of this host.
    """
    stream = connect_stream(endpoint.address, endpoint.port, timeout=timeout, source=source or endpoint.source)
    stream.server_name = server_name or endpoint.server_name or endpoint.address
    return stream


def trust_store(ca_file: str = "") -> ssl.SSLContext:
    """What to verify servers against; make it once and use it for any number of handshakes.

    A name must be among the certificate's subject alternative names; the common name does not count
    (RFC 9525 section 6.3). TLS 1.2 is the least that is spoken (RFC 8996).

    Args:
        ca_file: PEM file with the trusted certificates; empty for the system's own store.

    Raises:
        Problem: the file cannot be used.
    """
    context = _context()
    try:
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
        else:
            context.load_default_certs()
    except ssl.SSLError as exc:
        raise Problem(
            f"{ca_file} holds no certificate in PEM form ({exc.reason or exc})",
            "give a file with the trusted CA certificates in PEM form",
            option="ca_file",
        ) from exc
    except OSError as exc:
        raise Problem(
            f"{ca_file} cannot be read ({exc.strerror})", "give a file that exists on this host", option="ca_file"
        ) from exc
    return context


def handshake(
    endpoint: Endpoint,
    *,
    trust: ssl.SSLContext | None,
    server_name: str = "",
    timeout: float = TIMEOUT,
    source: str = "",
) -> Session:
    """Connect as a client would, start TLS, and look at what the server shows.

    A certificate that is not trusted is no failure: a second connection without verification collects what the
    server shows, and the answer says what is wrong with it.

    Args:
        endpoint: the server.
        trust: from :func:`trust_store`; None to verify nothing.
        server_name: the name to ask for (SNI) and to check; the endpoint's own or its address when empty.
        timeout: seconds for each of the connections.
        source: address of this host to connect from.

    Raises:
        WireError: no TLS session came about.
        Problem: the source is no address of this host.
    """

    def converse(context: ssl.SSLContext, verify_error: str) -> Session:
        with connect(endpoint, timeout=timeout, source=source, server_name=name) as stream:
            return _converse(endpoint, stream, context, name, verify_error)

    name = server_name or endpoint.server_name or endpoint.address
    if trust is None:
        return converse(_unverifying(), "verification was not asked for")
    try:
        return converse(trust, "")
    except WireError as exc:
        if exc.code != "certificate":
            raise
        try:
            return converse(_unverifying(), exc.text)
        except WireError as failure:
            raise WireError(
                failure.code, f"{failure.text}, after a certificate that is not trusted ({exc.text})"
            ) from exc


def clear_text(endpoint: Endpoint, *, timeout: float = TIMEOUT, source: str = "") -> ClearText:
    """Try to use the server without TLS. Nothing is delivered, and the only credential is a made-up one.

    Raises:
        WireError: the server was not reached, or does not speak the protocol.
        Problem: the source is no address of this host.
    """
    dialogue = _dialogue(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        if endpoint.implicit_tls:
            return _clear_text_where_tls_is_due(dialogue, stream)
        found = dialogue.clear_text(stream, dialogue.open(stream))
        stream.leave(dialogue.farewell)
        if stream.within_one_address and found.refused is False:
            note = "asked from the server's own address, which some servers take for a secure channel"
            return ClearText(found.refused, found.auth_offered, f"{found.evidence} ({note})")
        return found


def accepts_version(
    endpoint: Endpoint, version: str, *, server_name: str = "", timeout: float = TIMEOUT, source: str = ""
) -> bool:
    """Whether the server completes a handshake in which only one TLS version is offered, with any cipher.

    Args:
        endpoint: the server.
        version: one of ``VERSIONS``.
        server_name: the name to ask for (SNI).
        timeout: seconds for the connection.
        source: address of this host to connect from.

    Raises:
        WireError: it did not come to a handshake, or (``unsupported``) this host cannot speak that version.
        Problem: the source is no address of this host.
    """
    context = _only(version)
    dialogue = _dialogue(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        if not endpoint.implicit_tls:
            _reach_tls(dialogue, stream)
        try:
            stream.start_tls(context, server_name or endpoint.address)
        except WireError as exc:
            if exc.code not in ("handshake", "closed"):
                raise
            return False
        stream.leave(dialogue.farewell)
        return True


def accepted_versions(
    endpoint: Endpoint,
    versions: Sequence[str] = VERSIONS,
    *,
    server_name: str = "",
    timeout: float = TIMEOUT,
    source: str = "",
) -> dict[str, bool | None]:
    """For each TLS version whether the server accepts it; None where that could not be found out.

    Raises:
        Problem: the source is no address of this host.
    """
    found: dict[str, bool | None] = {}
    for version in versions:
        try:
            found[version] = accepts_version(endpoint, version, server_name=server_name, timeout=timeout, source=source)
        except WireError:
            found[version] = None
    return found


def injection(endpoint: Endpoint, *, server_name: str = "", timeout: float = TIMEOUT, source: str = "") -> Injection:
    """Whether the server carries a command over from clear text into TLS (CVE-2011-0411).

    The command goes out in the same write as the request for TLS; a server is safe if it does not answer it
    inside TLS, whatever else it does.

    Raises:
        WireError: the server offers no STARTTLS, or was not reached.
        Problem: the source is no address of this host.
    """
    dialogue = _dialogue(endpoint)
    with connect(endpoint, timeout=timeout, source=source) as stream:
        opening = dialogue.open(stream)
        _require_starttls(dialogue, opening)
        try:
            dialogue.ask_tls(stream, dialogue.smuggled)
            stream.start_tls(_unverifying(), server_name or endpoint.address)
            answer = dialogue.answer_to_smuggled(stream)
        except WireError as exc:
            return Injection(False, f"the conversation ended before the command could take effect: {exc.text}")
    if answer:
        return Injection(True, f"a command sent before TLS was answered inside TLS with {answer!r}")
    return Injection(False, "a command sent before TLS was not answered inside TLS")


# ---- contexts


def _context() -> ssl.SSLContext:
    """The same client everywhere, whatever the defaults of the Python version at hand."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT")
    context.hostname_checks_common_name = False
    return context


def _unverifying() -> ssl.SSLContext:
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # also a short key is to be seen
    return context


def _only(version: str) -> ssl.SSLContext:
    """A context that speaks one TLS version with any cipher and any key, however weak."""
    wanted = {
        "TLSv1": (ssl.TLSVersion.TLSv1, ssl.HAS_TLSv1),
        "TLSv1.1": (ssl.TLSVersion.TLSv1_1, ssl.HAS_TLSv1_1),
        "TLSv1.2": (ssl.TLSVersion.TLSv1_2, ssl.HAS_TLSv1_2),
        "TLSv1.3": (ssl.TLSVersion.TLSv1_3, ssl.HAS_TLSv1_3),
    }
    number, available = wanted[version]
    if not available:
        raise WireError("unsupported", f"the TLS library of the host that asks has no {version}")
    context = _unverifying()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = number
    context.maximum_version = number
    return context


# ---- conversations


def _dialogue(endpoint: Endpoint) -> Dialogue:
    return DIALOGUES[PROTOCOLS[endpoint.protocol].dialogue]


def _require_starttls(dialogue: Dialogue, opening: Opening) -> None:
    if not dialogue.offers_tls(opening):
        raise WireError("no_starttls", f"the server does not offer {dialogue.starttls}")


def _reach_tls(dialogue: Dialogue, stream: Stream) -> Opening:
    """The conversation in clear text up to the point where the handshake begins."""
    opening = dialogue.open(stream)
    _require_starttls(dialogue, opening)
    dialogue.ask_tls(stream)
    return opening


def _converse(
    endpoint: Endpoint, stream: Stream, context: ssl.SSLContext, server_name: str, verify_error: str
) -> Session:
    """One whole conversation: clear text where the protocol begins so, handshake, and a few words inside TLS."""
    dialogue = _dialogue(endpoint)
    before = _NOTHING_SAID if endpoint.implicit_tls else _reach_tls(dialogue, stream)
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
        error = exc
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
    """The names in the leaf; Python shows them only of a certificate that it has verified."""
    shown: dict[str, Any] = tls.getpeercert() or {}
    names = tuple(value.lower() for kind, value in shown.get("subjectAltName", ()) if kind == "DNS")
    subject = (pair for several in shown.get("subject", ()) for pair in several)
    return names or tuple(value.lower() for kind, value in subject if kind == "commonName")


def _group(tls: ssl.SSLSocket) -> str:
    ask = getattr(tls, "group", None)
    return (ask() or "") if ask else ""


def _chain(tls: ssl.SSLSocket) -> tuple[tuple[bytes, ...], bool]:
    """The certificates as sent, and whether these are all: Python tells since 3.13, and in private since 3.10."""
    if hasattr(tls, "get_unverified_chain"):
        return tuple(tls.get_unverified_chain()), True
    ask = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if ask:
        return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in ask() or ()), True
    leaf = tls.getpeercert(binary_form=True)
    return ((leaf,) if leaf else ()), False


def _clear_text_where_tls_is_due(dialogue: Dialogue, stream: Stream) -> ClearText:
    """Speak clear text to a port on which TLS starts at once: only an answer in clear text is bad news."""
    try:
        stream.send(dialogue.opener)
        answer = stream.receive()
    except WireError as exc:
        return ClearText(True, False, f"a command in clear text got no answer: {exc.text}")
    if answer[:1] == b"\x15":  # the record type of a TLS alert (RFC 8446 section 5.1)
        return ClearText(True, False, "a command in clear text was answered with a TLS alert")
    words = quoted(answer.decode("utf-8", "replace").split("\r\n")[0])
    if dialogue.refuses_in_clear_text(answer):
        return ClearText(True, False, f"a command in clear text was answered with {words!r}")
    return ClearText(False, None, f"a command in clear text was answered with {words!r}")


__all__ = (
    "TIMEOUT",
    "VERSIONS",
    "ClearText",
    "Injection",
    "Session",
    "Stream",
    "WireError",
    "accepted_versions",
    "accepts_version",
    "clear_text",
    "connect",
    "handshake",
    "injection",
    "other_local_address",
    "trust_store",
)
