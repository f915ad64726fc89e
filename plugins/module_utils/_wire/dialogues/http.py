# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP from the client's side: RFC 9110, RFC 9112, RFC 6797 (HSTS), RFC 7617 (Basic).

It has no STARTTLS; a server redirects to https instead.
"""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.base import (
    ClearText,
    Dialogue,
    Opening,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted

# Fields that a result shows. Never cookies, which can be as good as a password.
_SHOWN = ("strict-transport-security", "www-authenticate", "location", "upgrade", "alt-svc", "server")
_MOST_FIELDS = 200
REDIRECTIONS = (301, 302, 303, 307, 308)
# The server asks for TLS: 400 is what nginx and Apache answer to clear text on their https ports, 426 requires another
# protocol (RFC 9110 section 15.5.22).
_WANTS_TLS = (400, 426)


class Http(Dialogue):
    """A web server. The greeting is the status line of its answer for ``/``, the capabilities are header fields."""

    starttls = ""
    opener = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    smuggled = b""
    farewell = b""

    def greet(self, stream: Stream) -> str:
        stream.send(_request(stream.server_name or stream.address))
        line = stream.read_line()
        _code(line)
        return quoted(line)

    def capabilities(self, stream: Stream) -> tuple[str, ...]:
        found: list[str] = []
        for _number in range(_MOST_FIELDS):
            line = stream.read_line()
            if not line:
                return tuple(found)
            name, colon, value = line.partition(":")
            if colon and name.strip().lower() in _SHOWN:
                found.append(quoted(f"{name.strip()}: {value.strip()}"))
        raise WireError("protocol", f"the server sent more than {_MOST_FIELDS} header fields")

    def offers_tls(self, opening: Opening) -> bool:
        return False

    def ask_tls(self, stream: Stream, smuggled: bytes = b"") -> None:
        raise WireError("no_starttls", "HTTP has no STARTTLS")

    def clear_text(self, stream: Stream, opening: Opening) -> ClearText:
        code = _code(opening.greeting)
        target = _field(opening, "location")
        evidence = f"GET / was answered with {opening.greeting!r}" + (f" to {target!r}" if target else "")
        if code == 401:
            schemes = _field(opening, "www-authenticate")
            return ClearText(False, True, f"{evidence}, which asks for a password ({schemes or 'unknown scheme'})")
        if (code in REDIRECTIONS and target.lower().startswith("https://")) or code in _WANTS_TLS:
            return ClearText(True, False, evidence)
        # a page may contain a login form, which cannot be seen from here
        return ClearText(None if code == 403 or code >= 500 else False, None, evidence)

    def refuses_in_clear_text(self, answer: bytes) -> bool:
        line, _end, rest = answer.decode("utf-8", "replace").partition("\r\n")
        try:
            code = _code(line)
        except WireError:
            return False
        led_on = re.search(r"^location:\s*https://", rest, re.I | re.M)
        return code in _WANTS_TLS or (code in REDIRECTIONS and bool(led_on))

    def answer_to_smuggled(self, stream: Stream) -> str:
        return ""


def _request(name: str) -> bytes:
    """A request for the root page of a host."""
    host = f"[{name.partition('%')[0]}]" if ":" in name else name
    try:
        asked = host.encode("idna") if not host.startswith("[") else host.encode("ascii")
    except UnicodeError as exc:
        raise WireError("resolve", f"{quoted(name)!r} is not a host name ({exc})") from exc
    if re.search(rb"[\x00-\x20]", asked):
        raise WireError("resolve", f"{quoted(name)!r} is not a host name")
    return b"GET / HTTP/1.1\r\nHost: " + asked + b"\r\nUser-Agent: mail_tls_info\r\nConnection: close\r\n\r\n"


def _code(line: str) -> int:
    """The code of a status line. Raises WireError where the line is something else."""
    match = re.match(r"HTTP/\d(?:\.\d)? (\d{3})(?: |$)", line)
    if not match:
        raise WireError("protocol", f"the server does not speak HTTP but says {quoted(line)!r}")
    return int(match.group(1))


def _field(opening: Opening, name: str) -> str:
    """The values of a header field."""
    pairs = (entry.partition(": ") for entry in opening.capabilities)
    return ", ".join(value for found, _colon, value in pairs if found.lower() == name)


__all__ = ("REDIRECTIONS", "Http")
