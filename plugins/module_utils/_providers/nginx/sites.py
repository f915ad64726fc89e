# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's sites: which server block answers where, and with which settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import Directive

EVERYWHERE = ("*", "[::]")
CLEAR_PORT = 80


@dataclass(frozen=True)
class Listener:
    """A socket of a server block.

    Attributes:
        address: IP address, one of version 6 in brackets; ``*`` for every one of version 4, ``[::]`` of version 6.
        port: TCP port; 0 for a UNIX socket.
        tls: whether TLS starts at once.
        first: whether the block is told to answer those who name no server there.
        directive: where it stands; None where nginx listens without being told.
    """

    address: str
    port: int
    tls: bool
    first: bool
    directive: Directive | None

    @property
    def socket(self) -> tuple[str, int]:
        """What tells it from other sockets."""
        return self.address, self.port

    @property
    def is_ip(self) -> bool:
        """Whether it is told by an IP address, and not by a host name."""
        return self.address in EVERYWHERE or bool(re.fullmatch(r"[\d.]+|\[[0-9a-f:.]+\]", self.address))


def _listener(directive: Directive) -> Listener:
    where, options = directive.args[0] if directive.args else "", directive.args[1:]
    address, port = "*", CLEAR_PORT
    if where.startswith("unix:"):
        address, port = where, 0
    elif re.fullmatch(r"\d+", where):
        port = int(where)
    else:
        match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+))?", where)
        if match:
            address, port = match.group(1).lower(), int(match.group(2) or CLEAR_PORT)
    if address == "0.0.0.0":  # how an administrator can write it; nothing is bound here
        address = "*"
    return Listener(address, port, "ssl" in options, "default_server" in options or "default" in options, directive)


class Site:
    """One server block.

    Args:
        block: the block.
        http: the http block around it.
    """

    def __init__(self, block: Directive, http: Directive) -> None:
        self.block = block
        self.http = http
        told = [_listener(one) for one in block.all("listen")]
        # without a listen directive nginx listens on port 80, as root at least
        self.listeners = told or [Listener("*", CLEAR_PORT, tls=False, first=False, directive=None)]
        self.names = tuple(name.lower() for one in block.all("server_name") for name in one.args)

    def setting(self, name: str) -> tuple[str, ...]:
        """The words of a setting in effect for the whole site; empty where there are none."""
        for around in (self.block, self.http):
            found = around.all(name)
            if found:
                return found[-1].args
        return ()

    def settings(self, name: str) -> list[str]:
        """The first word of a setting that can stand in the block more than once."""
        return [one.args[0] for one in self.block.all(name) if one.args]

    @property
    def clear_ports(self) -> list[int]:
        """Ports without TLS, each once."""
        return list(dict.fromkeys(one.port for one in self.listeners if one.port and not one.tls))


class Sites:
    """All sites of a configuration, in nginx's order."""

    def __init__(self, root: Directive) -> None:
        self.all = [Site(block, http) for http in root.all("http") for block in http.all("server")]

    def first_on(self, socket: tuple[str, int]) -> Site | None:
        """The site that answers those on a socket who name no server, or none that there is."""
        here = [(one.first, site) for site in self.all for one in site.listeners if one.socket == socket]
        told = [site for first, site in here if first]
        return next(iter(told or [site for _first, site in here]), None)

    def unnamed(self) -> Site | None:
        """The site that answers those who name no server, in clear text on port 80."""
        sockets = [one.socket for site in self.all for one in site.listeners if one.port == CLEAR_PORT and not one.tls]
        ranks = {address: number for number, address in enumerate(EVERYWHERE)}
        for socket in sorted(dict.fromkeys(sockets), key=lambda one: ranks.get(one[0], len(ranks))):
            return self.first_on(socket)
        return None

    def named(self, name: str) -> list[Site]:
        """The sites that carry a name, those with a port without TLS first."""
        found = [site for site in self.all if name in site.names]
        return sorted(found, key=lambda site: not site.clear_ports)

    def with_include(self, path: str) -> list[Site]:
        """The sites that include a file."""
        return [site for site in self.all if any(one.args == (path,) for one in site.block.all("include"))]


def passwords(site: Site) -> Directive | None:
    """Where a site asks for passwords by itself, or None."""
    for one in (*site.http.all("auth_basic"), *site.block.below()):
        if one.name == "auth_basic" and one.args != ("off",):
            return one
    return None


def hiding_headers(site: Site) -> Iterator[Directive]:
    """Places within a site whose own headers hide those of the whole site."""
    for one in site.block.below():
        if one.block and one.all("add_header"):
            yield one.all("add_header")[0]


def own_turn(site: Site, names: Sequence[str]) -> Directive | None:
    """The first of some directives right in the site's block, or None."""
    found = site.block.all(*names)
    return found[0] if found else None
