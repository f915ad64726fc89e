# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a web server's redirects lead a browser that comes by https (RFC 9110 section 15.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_names import leads_here
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.contexts import unverifying
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.conversation import TIMEOUT, connect
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.dialogues.http import REDIRECTIONS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import Stream, WireError, quoted

_MOST = 20  # redirects that browsers follow
_MOST_FIELDS = 200
_HTTPS_PORT = 443


@dataclass(frozen=True)
class _Answer:
    """What a server says to one request.

    Attributes:
        location: where it redirects to; empty where it does not.
        sets_cookie: whether it may answer otherwise the next time.
    """

    location: str
    sets_cookie: bool


def redirect_loop(endpoint: Endpoint, *, clear_text_redirected: bool, timeout: float = TIMEOUT) -> str:
    """The URL at which a browser that asks for the root page goes round in circles; empty where it does not.

    Args:
        endpoint: a web server, with TLS from the start.
        clear_text_redirected: whether whoever is sent to http is sent back to https.
        timeout: seconds for each connection.

    Raises:
        WireError: the server was not reached, or does not speak HTTP.
    """
    asked = endpoint.server_name or endpoint.address
    origin = f"[{asked}]" if ":" in asked else asked
    if endpoint.port != _HTTPS_PORT:
        origin += f":{endpoint.port}"
    url = f"https://{origin}/"
    seen = []
    while url not in seen:
        seen.append(url)
        answer = _ask(endpoint, url, timeout)
        target = _followed(endpoint, url, answer.location, clear_text_redirected=clear_text_redirected)
        if not answer.location or answer.sets_cookie or not target:
            return ""
        if len(seen) > _MOST:
            return target
        url = target
    return url


def _followed(endpoint: Endpoint, url: str, location: str, *, clear_text_redirected: bool) -> str:
    """The URL with which a browser comes to the same endpoint again; empty where it goes elsewhere."""
    try:
        parts = urlsplit(urljoin(url, location))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme == "http" and clear_text_redirected and port in (None, 80):
        place = parts.netloc.rpartition(":80")[0] if port else parts.netloc
        parts = parts._replace(
            scheme="https", netloc=place if endpoint.port == _HTTPS_PORT else f"{place}:{endpoint.port}"
        )
    elif parts.scheme != "https" or (port or _HTTPS_PORT) != endpoint.port:
        return ""
    if host not in (endpoint.server_name, endpoint.address) and not leads_here(host):
        return ""
    return parts._replace(fragment="", path=parts.path or "/").geturl()


def _ask(endpoint: Endpoint, url: str, timeout: float) -> _Answer:
    parts = urlsplit(url)
    name = parts.hostname or endpoint.address
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: mail_vserver_tls\r\nConnection: close\r\n\r\n"
    )
    if re.search(r"[^\x21-\x7e]", path + parts.netloc):
        return _Answer("", sets_cookie=False)  # no browser would send it in this way
    with connect(endpoint, timeout=timeout, source=endpoint.source, server_name=name) as stream:
        stream.start_tls(unverifying(), name)
        stream.send(request.encode("ascii"))
        return _answer(stream)


def _answer(stream: Stream) -> _Answer:
    status = re.match(r"HTTP/\d(?:\.\d)? (\d{3})(?: |$)", stream.read_line())
    if not status:
        raise WireError("protocol", "the server does not speak HTTP")
    location, sets_cookie = "", False
    for _number in range(_MOST_FIELDS):
        line = stream.read_line()
        if not line:
            break
        name, _colon, value = line.partition(":")
        if name.lower() == "location" and int(status[1]) in REDIRECTIONS:
            location = quoted(value.strip())
        sets_cookie |= name.lower() == "set-cookie"
    return _Answer(location, sets_cookie)
