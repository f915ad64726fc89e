# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two files that slapd reads only when it starts: where it listens, and its SASL mechanisms.

Facts: /etc/default/slapd of the Debian package (a file in the shell's language), slapd(8) option ``-h``, and the SASL
library's configuration of one application (its "Options for SASL", ``mech_list``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MECHANISMS = re.compile(r"^mech_list:[ \t]*(.*)$", re.MULTILINE)


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
    match = re.fullmatch(r"(\w+)://(\[[^\]]*\]|[^:/]*)(?::(\d+))?(?:/.*)?", url)
    if not match:
        return Listener(url, url.partition(":")[0].lower(), "", 0)
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else _PORTS.get(scheme, 0)
    return Listener(url, scheme, match[2].strip("[]"), port)


def _url(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{'' if port == _PORTS[scheme] else f':{port}'}/"


def with_ports(listeners: Sequence[Listener], port: int | None, implicit_tls_port: int) -> list[str]:
    """URLs with which slapd listens on the right ports, at the addresses where it does so already.

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


def assigned(text: str, name: str) -> str:
    """The value of a variable in a file of the shell's language; empty where it is not set."""
    found = _assignments(text, name)
    return found[-1][3] if found else ""


def line_of(text: str, name: str) -> str | None:
    """The whole line that sets a variable; None where there is none."""
    found = _assignments(text, name)
    return found[-1][0] if found else None


def with_line(text: str, name: str, line: str | None) -> str:
    """The file with another line in the place of the one that sets a variable; None to remove it."""
    found = _assignments(text, name)
    if not found:
        return text if line is None else f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
    start, end = found[-1].span()
    if line is None:
        return text[:start] + text[end:].removeprefix("\n")
    return text[:start] + line + text[end:]


def _assignments(text: str, name: str) -> list[re.Match[str]]:
    pattern = rf"""^[ \t]*((?:export[ \t]+)?{name})=(["']?)(.*?)\2[ \t]*(?:#.*)?$"""
    return list(re.finditer(pattern, text, re.MULTILINE))


def running_services(arguments: str) -> list[str] | None:
    """The URLs among the arguments that a running slapd noted down (olcArgsFile); None where it did not."""
    words = arguments.split()
    if "-h" not in words:
        return None
    found = []
    for word in words[words.index("-h") + 1 :]:
        if word.startswith("-"):
            break
        found.append(word)
    return found


def mechanisms(text: str) -> set[str] | None:
    """The SASL mechanisms that a configuration of the SASL library allows; None where it allows all."""
    found = _MECHANISMS.findall(text)
    return set(found[-1].upper().split()) if found else None


def with_mechanisms(text: str, names: Sequence[str]) -> str:
    """The configuration of the SASL library with these mechanisms allowed."""
    line = f"mech_list: {' '.join(names)}"
    if _MECHANISMS.search(text):
        return _MECHANISMS.sub(line, text)
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
