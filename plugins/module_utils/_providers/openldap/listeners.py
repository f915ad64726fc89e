# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where slapd listens: the URLs of its option ``-h`` (slapd(8))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Listener:
    """One URL that slapd listens on.

    Attributes:
        url: as it was written.
        scheme: ``ldap``, ``ldaps``, ``ldapi`` or another.
        host: address or name; empty for every address.
        port: TCP port; 0 where the scheme has none.
    """

    url: str
    scheme: str
    host: str
    port: int


_PORTS = {"ldap": 389, "ldaps": 636}


def listener(url: str) -> Listener:
    """A URL as it stands among slapd's services."""
    match = re.fullmatch(r"(\w+)://(\[[^\]]*\]|[^:/]*)(?::(\d{1,5}))?(?:/.*)?", url)
    if not match:
        return Listener(url, url.partition(":")[0].lower(), "", 0)
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else _PORTS.get(scheme, 0)
    return Listener(url, scheme, match[2].strip("[]"), port)


def services(urls: str) -> list[Listener]:
    """The URLs that Debian's unit starts slapd with."""
    return [listener(url) for url in urls.split() or ["ldap:///"]]


def _url(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{'' if port == _PORTS[scheme] else f':{port}'}/"


def with_ports(listeners: Sequence[Listener], port: int | None, implicit_tls_port: int) -> list[str]:
    """URLs that have slapd listen on the right ports, at the addresses where it listens already.

    Args:
        listeners: as they are.
        port: port that starts in clear text; 0 for none; None to leave that as it is.
        implicit_tls_port: port on which TLS starts at once; 0 for none.
    """
    hosts = list(dict.fromkeys(one.host for one in listeners if one.scheme in _PORTS)) or [""]
    wanted = {"ldap": port, "ldaps": implicit_tls_port}
    kept, missing = [], dict(wanted)
    for one in listeners:
        asked = wanted.get(one.scheme, one.port)
        if asked is None or asked == one.port:
            kept.append(one.url)
            missing.pop(one.scheme, None)
    return kept + [_url(scheme, host, asked) for scheme, asked in missing.items() if asked for host in hosts]


def running_services(arguments: str) -> list[str] | None:
    """The URLs among the arguments that a running slapd wrote down (olcArgsFile); None where it did not."""
    words = arguments.split()
    if "-h" not in words:
        return None
    found = []
    for word in words[words.index("-h") + 1 :]:
        if word.startswith("-"):
            break
        found.append(word)
    return found
