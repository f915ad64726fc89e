# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A conversation with a server that may be hostile: every wait ends, and every answer has a limit."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from types import TracebackType

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import clock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import OF_LIMITS

LONGEST_LINE = 64 * 1024  # bytes; the longest that the protocols allow is IMAP's 8 KiB (RFC 7162 section 4)
LONGEST_CONVERSATION = 256 * 1024  # bytes that a server may send in one of our short conversations
LONGEST_QUOTATION = 300  # characters of a server's own words in a result
GOODBYE_PATIENCE = 1.0  # seconds for the answer to our farewell


class WireError(Exception):
    """A conversation that could not be completed.

    Attributes:
        code: one of ``resolve`` (the name has no address), ``refused`` (nothing listens), ``unreachable`` (no route,
            or no answer), ``timeout`` (connected, but silent), ``closed`` (the server hung up),
            ``rejected`` (the server greets with a refusal), ``protocol`` (the server does not speak the protocol),
            ``no_starttls`` (STARTTLS is not offered), ``starttls_refused`` (it is offered but refused),
            ``handshake`` (the TLS handshake failed), ``certificate`` (the certificate is not trusted) or
            ``unsupported`` (this host cannot do what is asked).
        text: what happened, with the server's own words where it had any; a clause without a final full stop.
    """

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)


class TurnedAway(WireError):
    """A server that works, but does not want this client: it greets it with a refusal, and says so for good.

    Args:
        text: as in WireError.
    """

    def __init__(self, text: str) -> None:
        super().__init__("rejected", text)


def quoted(words: str) -> str:
    """A server's words, safe to show: no control characters, and no more than a line or two."""
    shown = "".join(char if char.isprintable() else "?" for char in words)
    return shown if len(shown) <= LONGEST_QUOTATION else shown[:LONGEST_QUOTATION] + "…"


def _ascii_name(name: str) -> str:
    """A host name as it goes over the wire: in ASCII, without the final full stop (RFC 6066 section 3)."""
    try:
        encoded = name.rstrip(".").encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise WireError("resolve", f"{quoted(name)!r} is not a host name ({exc})") from exc
    if not encoded or not encoded.isprintable():
        raise WireError("resolve", f"{quoted(name)!r} is not a host name")
    return encoded


def explained(exc: OSError, doing: str) -> WireError:
    """The failure that an exception of a socket means.

    Raises:
        OSError: it is no failure of the server, but a limit of this process or host.
    """
    if exc.errno in OF_LIMITS and not isinstance(exc, ssl.SSLError):  # whose numbers mean something else
        raise exc
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, BrokenPipeError)):
        return WireError("closed", f"the server closed the connection {doing}")
    if isinstance(exc, ssl.SSLError):
        return _explain_tls(exc)
    if isinstance(exc, socket.timeout):
        return WireError("timeout", f"the time ran out {doing}")
    if isinstance(exc, ConnectionRefusedError):
        return WireError("refused", f"the connection was refused {doing}")
    return WireError("unreachable", f"{(exc.strerror or str(exc)).lower()} {doing}")


def _explain_tls(exc: ssl.SSLError) -> WireError:
    """The failure that an exception of the TLS library means; its reasons look like TLSV1_ALERT_UNKNOWN_CA."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        by = f"; the clock of the host that looks says {clock.shown()}" if exc.verify_code in clock.NOT_IN_TIME else ""
        return WireError("certificate", quoted(exc.verify_message.rstrip(".")) + by)
    if exc.reason in ("NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"):
        return WireError("unsupported", "the TLS library of the connecting host does not allow this TLS version")
    words = (exc.reason or exc.strerror or str(exc)).replace("_", " ").lower()
    return WireError("handshake", f"TLS failed: {words}")


class Stream:
    """A connection, in clear text at first and perhaps in TLS later, with one deadline for everything.

    Args:
        sock: a connected socket.
        deadline: when to give up, on the clock of ``time.monotonic``.

    Attributes:
        address: the server's IP address.
        source: the address of this host on the connection.
        server_end: the server's IP address and port.
        source_end: those of this host.
        server_name: the name that the client wants, for protocols in which it says so.
    """

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._unread = b""
        self._received = 0
        self.server_name = ""
        try:
            self.server_end: tuple[str, int] = sock.getpeername()[:2]
            self.source_end: tuple[str, int] = sock.getsockname()[:2]
        except OSError as exc:  # it has already been reset
            sock.close()
            raise WireError("closed", "the server closed the connection at once") from exc
        self.address: str = self.server_end[0]
        self.source: str = self.source_end[0]

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    @property
    def within_one_address(self) -> bool:
        """Whether both ends have the same address, which some daemons treat as secure even in clear text."""
        return self.address == self.source

    @contextlib.contextmanager
    def _patience(self, doing: str) -> Iterator[None]:
        """Limit one operation on the socket to the time that is left, and translate its failure."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise WireError("timeout", f"the time ran out {doing}")
        try:
            self._socket.settimeout(left)
            yield
        except OSError as exc:
            raise explained(exc, doing) from exc

    def send(self, command: bytes) -> None:
        """Send bytes as they are.

        Raises:
            WireError: the server hung up, or does not read.
        """
        with self._patience("while a command was being sent"):
            self._socket.sendall(command)

    def receive(self) -> bytes:
        """Whatever the server says next, at least one byte.

        Raises:
            WireError: the server hung up, stays silent, or sends too much.
        """
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        with self._patience("while an answer was due"):
            data = self._socket.recv(4096)
        if not data:
            raise WireError("closed", "the server closed the connection while an answer was due")
        self._received += len(data)
        if self._received > LONGEST_CONVERSATION:
            raise WireError("protocol", f"the server sent more than {LONGEST_CONVERSATION // 1024} KiB")
        return data

    def read_line(self) -> str:
        """The server's next line without its end; bytes that are not UTF-8 are replaced.

        Raises:
            WireError: there is no such line.
        """
        line = b""
        while b"\n" not in line:
            if len(line) > LONGEST_LINE:
                raise WireError("protocol", f"the server sent a line longer than {LONGEST_LINE // 1024} KiB")
            line += self.receive()
        line, _newline, self._unread = line.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def read_bytes(self, count: int) -> bytes:
        """Exactly this many of the server's next bytes.

        Raises:
            WireError: there are fewer.
        """
        data = b""
        while len(data) < count:
            data += self.receive()
        self._unread = data[count:]
        return data[:count]

    def start_tls(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLSocket:
        """Complete a TLS handshake; everything after it is inside TLS.

        Args:
            context: how to verify the server, and which TLS versions to speak.
            server_name: the name to ask for (SNI), which the context may also check.

        Raises:
            WireError: the handshake failed; with the code ``certificate`` because of the server's certificate.
        """
        if self._unread:
            # these bytes would be taken for part of the TLS session (the client's side of CVE-2011-0411)
            raise WireError("protocol", "the server went on in clear text after it had accepted STARTTLS")
        name = _ascii_name(server_name)
        with self._patience("during the TLS handshake"):
            self._socket = tls = context.wrap_socket(self._socket, server_hostname=name)
        return tls

    def leave(self, farewell: bytes) -> None:
        """Say goodbye, as servers prefer. Whether they answer does not matter."""
        self._deadline = min(self._deadline, time.monotonic() + GOODBYE_PATIENCE)
        with contextlib.suppress(WireError):
            self.send(farewell)
            self.receive()
