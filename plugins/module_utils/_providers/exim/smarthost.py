# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Exim sends mail by Debian's settings (update-exim4.conf(8)), and how well that is protected by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# may stand behind a list of hosts
_WORDS = frozenset(("byname", "bydns", "randomize", "no_randomize", "ipv4_only", "ipv4_prefer"))
_LEVELS = {"hosts_avoid_tls": "none", "hosts_require_tls": "encrypt"}


@dataclass(frozen=True)
class Smarthost:
    """The way of all mail that no entry of ours sends elsewhere.

    Attributes:
        hosts: names of the hosts that take all of it; none where each domain's own mail exchangers do.
        next_hop: the first of them as mail_domain_security writes it; empty for none.
        implicit_tls: whether TLS starts at once there.
        none: whether it is no way that the distribution knows: this host sends no mail at all, or by routers of the
            administrator's alone.
    """

    hosts: tuple[str, ...] = ()
    next_hop: str = ""
    implicit_tls: bool = False
    none: bool = False

    @classmethod
    def from_macros(cls, macros: Mapping[str, str]) -> Smarthost:
        """What the macros say that update-exim4.conf has made of the settings."""
        if not {"DCconfig_smarthost", "DCconfig_satellite"} & set(macros):
            # of another kind, or with a template without these macros, it has no router that ours could do the same as
            return cls(none="DCconfig_internet" not in macros)
        implicit = macros.get("REMOTE_SMTP_SMARTHOST_PROTOCOL", "") == "smtps"
        return cls.from_route(macros.get("DCsmarthost", ""), implicit_tls=implicit)

    @classmethod
    def from_route(cls, listed: str, *, implicit_tls: bool = False) -> Smarthost:
        """What a list of hosts for a router says, with words behind it or without."""
        separator, listed = (listed[1], listed[2:]) if re.match(r"<\S", listed) else (":", listed)
        doubled = _without_words(listed).replace(separator * 2, "\0")
        hosts, hops = [], []
        for one in (word.strip().replace("\0", ":") for word in doubled.split(separator)):
            host, port = _host_and_port(one)
            if host:
                hosts.append(host)
                hops.append(f"[{host}]:{port or 25}")
        return cls(tuple(hosts), hops[0] if hops else "", implicit_tls)


def _without_words(listed: str) -> str:
    """A list of hosts without the words behind it."""
    words = list(re.finditer(r"\S+", listed))
    while words and words[-1][0] in _WORDS and words[-1].start():
        words.pop()
    return listed[: words[-1].end()] if words else ""


def _host_and_port(word: str) -> tuple[str, str]:
    """Host, without brackets, and port of an item of such a list; either can be empty."""
    host, colon, port = word.rpartition(":")
    if not (colon and host.strip(":") and port.isascii() and port.isdecimal()):
        host, port = word, ""
    host = host.rstrip(":") or host
    return (host.removeprefix("[").removesuffix("]") or host).lower(), port


def default_level(shown: str, *, authentic: bool) -> str:
    """The level of mail that no entry is about.

    Args:
        shown: what ``exim4 -bP transport NAME`` prints of the transport that sends it.
        authentic: whether Exim sees that an answer of the resolver is authentic.
    """
    options = dict(line.split(" = ", 1) for line in shown.splitlines() if " = " in line)
    for option, level in _LEVELS.items():
        if options.get(option, "").strip() == "*":
            return level
    return "dane" if options.get("hosts_try_dane", "").strip() == "*" and authentic else "may"
