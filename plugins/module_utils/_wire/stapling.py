# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server staples: sends an OCSP response with its certificate (RFC 6066 section 8).

Python's ssl module cannot ask for one. In TLS 1.2 it comes in clear text (RFC 5246 section 7.3), so it is enough to
begin such a handshake by hand, to read up to there, and to hang up.
"""

from __future__ import annotations

import os
import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import (
    TIMEOUT,
    connect,
    dialogue_for,
    reach_tls,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError

_HANDSHAKE = 22  # type of a record
_CERTIFICATE_STATUS = 22  # types of messages in such records
_BEFORE_IT = (2, 11)  # ServerHello, Certificate
_TLS12 = b"\x03\x03"
# With forward secrecy first, then without, so that old servers answer as well.
_SUITES = "c02bc02fc02cc030cca9cca8c009c013c00ac014009e009f009c009d002f0035"
_GROUPS = "001d001700180019"
_SIGNATURES = "040305030603080408050806040105010601080702030201"


def _sized(content: bytes, size: int = 2) -> bytes:
    """Bytes with their length before them, as TLS writes lists."""
    return len(content).to_bytes(size, "big") + content


def _extension(number: int, content: bytes) -> bytes:
    return number.to_bytes(2, "big") + _sized(content)


def client_hello(name: str) -> bytes:
    """The first message of a client that wants an OCSP response.

    Args:
        name: the name to ask for (SNI); an address is not sent.
    """
    extensions = [
        _extension(5, b"\x01" + _sized(b"") + _sized(b"")),  # status_request, of anyone
        _extension(10, _sized(bytes.fromhex(_GROUPS))),
        _extension(11, b"\x01\x00"),  # points as they are
        _extension(13, _sized(bytes.fromhex(_SIGNATURES))),
        _extension(23, b""),  # extended master secret, which some servers insist on
        _extension(0xFF01, b"\x00"),  # the same for secure renegotiation
    ]
    if re.search(r"[a-z]", name, re.I) and ":" not in name:
        try:
            extensions.insert(0, _extension(0, _sized(b"\x00" + _sized(name.rstrip(".").encode("idna")))))
        except UnicodeError as exc:
            raise WireError("resolve", f"{name!r} is not a host name ({exc})") from exc
    hello = _TLS12 + os.urandom(32) + b"\x00" + _sized(bytes.fromhex(_SUITES)) + b"\x01\x00"
    hello += _sized(b"".join(extensions))
    return b"\x16\x03\x01" + _sized(b"\x01" + _sized(hello, 3))


def staples(endpoint: Endpoint, *, server_name: str = "", timeout: float = TIMEOUT, source: str = "") -> bool | None:
    """Whether a server sends an OCSP response with its certificate; None where it does not speak TLS 1.2.

    Raises:
        WireError: the server was not reached, or does not go on to TLS.
        Problem: the source is not an address of this host.
    """
    name = server_name or endpoint.server_name or endpoint.address
    with connect(endpoint, timeout=timeout, source=source, server_name=name) as stream:
        if not endpoint.implicit_tls:
            reach_tls(dialogue_for(endpoint), stream)
        stream.send(client_hello(name))
        return _sends_status(stream)


def _sends_status(stream: Stream) -> bool | None:
    """Read the server's messages up to the one after its certificate."""
    unread = b""
    while True:
        while len(unread) < 4 or len(unread) < 4 + int.from_bytes(unread[1:4], "big"):
            head = stream.read_bytes(5)
            if head[0] != _HANDSHAKE:
                return None  # an alert: it has no version or cipher suite in common with us
            unread += stream.read_bytes(int.from_bytes(head[3:], "big"))
        kind, size = unread[0], int.from_bytes(unread[1:4], "big")
        if kind not in _BEFORE_IT:
            return kind == _CERTIFICATE_STATUS
        unread = unread[4 + size :]
