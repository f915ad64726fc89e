# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connecting to a server: which of its addresses, and from which of this host's."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import time
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._wire.stream import (
    Stream,
    WireError,
    explained,
    quoted,
)

_LOOPBACK, _LOOPBACK_IPV6 = "127.0.0.1", "::1"
_IPV6_ADDRESSES = "/proc/net/if_inet6"  # one line per address: 32 hex digits, interface, prefix, scope, flags, name


def connect_stream(host: str, port: int, *, timeout: float, source: str = "") -> Stream:
    """Connect to the first of a server's addresses that answers, in the resolver's order.

    A host with IPv6 alone is reached at ``::1`` where ``127.0.0.1`` is asked for.

    To a server on this host, the connection comes from another address than the server's own if there is one, because
    Dovecot and others treat a session within one address as secure even in clear text.

    Args:
        host: host name or IP address.
        port: TCP port.
        timeout: seconds for the whole conversation, not counting the resolver.
        source: address of this host to connect from; empty to leave it to the system and the rule above.

    Raises:
        WireError: the connection failed.
        Problem: the source is not an address of this host.
    """
    deadline = time.monotonic() + timeout
    return Stream(_dial(_LOOPBACK_IPV6 if _has_no_ipv4(host) else host, port, deadline, source), deadline)


def _has_no_ipv4(host: str) -> bool:
    """Whether a server is looked for at the usual address of this host, which has none of IPv4."""
    if host != _LOOPBACK:
        return False
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trying:
            trying.bind((host, 0))
    except OSError as exc:
        return exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return False


def other_local_address(address: str) -> str:
    """An address of this host other than the given one; empty where there is none."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 4:
        return "127.0.0.2" if address != "127.0.0.2" else "127.0.0.3"
    if not ip.is_loopback:
        return "::1"
    for words in map(str.split, (content_of(_IPV6_ADDRESSES) or b"").decode("ascii").splitlines()):
        if words[3] == "00":  # a global address, neither link-local nor loopback
            return str(ipaddress.IPv6Address(int(words[0], 16)))
    return ""


def _dial(host: str, port: int, deadline: float, source: str) -> socket.socket:
    """A connected socket. Each route gets a share of the time, so that a dead one does not use it up."""
    family, origin = _checked_source(source) if source else (socket.AF_UNSPEC, None)
    try:
        found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as exc:
        words = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise WireError("resolve", f"{quoted(host)!r} has no address ({words})") from exc
    ways = [
        (kin, address, start)
        for kin, _kind, _protocol, _name, address in found
        for start in ([origin] if origin else _starts(kin, address))
    ]
    failures = []
    for number, (kin, address, start) in enumerate(ways):
        patience = max((deadline - time.monotonic()) / (len(ways) - number), 0.001)
        try:
            return _dial_address(kin, address, start, patience)
        except ConnectionRefusedError as exc:
            failures.append(explained(exc, f"by {address[0]}"))
        except socket.timeout:
            failures.append(WireError("unreachable", f"no answer in time from {address[0]}"))
        except OSError as exc:
            failures.append(explained(exc, f"on the way to {address[0]}"))
    raise WireError(failures[-1].code, "; ".join(dict.fromkeys(failure.text for failure in failures)))


def _dial_address(family: int, address: Any, start: Any, patience: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if start:
            sock.bind(start)
        sock.settimeout(patience)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _starts(family: int, address: Any) -> list[Any]:
    """Where to connect from: the system decides, but another address is tried first if it chose the server's own."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect(address)  # sends nothing, but shows the system's choice
        elsewhere = other_local_address(address[0]) if asking.getsockname()[0] == address[0] else ""
        if elsewhere:
            return [(elsewhere, 0), None]
    return [None]


def _checked_source(source: str) -> tuple[int, Any]:
    """Family and socket address of an IP address of this host."""
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(
            source, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
    except (OSError, ValueError) as exc:
        raise Problem(f"{source!r} is not an IP address", "give an IP address of this host", option="source") from exc
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trying:
            trying.bind(address)
    except OSError as exc:
        raise Problem(
            f"{source} is not an address of this host ({exc.strerror})",
            "give an address of this host",
            option="source",
        ) from exc
    return family, address
