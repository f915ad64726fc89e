# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's server blocks: which one answers where, and with which settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.parser import Directive
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import vserver_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.redirects import looping
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import OwnLists
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web import sites as web
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.https import (
    ACME_CHALLENGES,
    HSTS,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.sites import (
    EVERY_IPV4,
    EVERYWHERE,
    HTTP_PORT,
    Line,
    Socket,
)

OUR_SETTINGS = (
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_protocols",
    "ssl_ciphers",
    "ssl_ecdh_curve",
    "ssl_prefer_server_ciphers",
)
# nginx takes these from the site that answers first on the socket, whoever is asked for
_PER_SOCKET = ("ssl_protocols", "ssl_ecdh_curve")
_COMMAND = "ssl_conf_command"
# what our redirect looks at: $uri is normalised, so that nothing else gets past the first pattern
NOT_CHALLENGES, EVERYTHING = f"^http:(?!{ACME_CHALLENGES})", "^http:"
_OUR_CONDITIONS = [("($postmaster_place", "~", pattern, ")") for pattern in (NOT_CHALLENGES, EVERYTHING)]


@dataclass(frozen=True)
class Listener:
    """A socket of a server block.

    Attributes:
        socket: where it is.
        tls: whether TLS starts at once.
        first: whether the block is set to answer clients there that name no other.
        directive: where it stands; None where nginx listens without being told.
    """

    socket: Socket
    tls: bool
    first: bool
    directive: Directive | None

    @property
    def is_ip(self) -> bool:
        """Whether its address is an IP address, and not a host name."""
        address = self.socket.address
        return address in EVERYWHERE or bool(re.fullmatch(r"[\d.]+|\[[0-9a-f:.]+\]", address))


def _listener(directive: Directive) -> Listener:
    where, options = directive.args[0] if directive.args else "", directive.args[1:]
    address, port = EVERY_IPV4, str(HTTP_PORT)
    if where.startswith("unix:"):
        address, port = where, "0"
    elif where.isdecimal():
        port = where
    elif where:
        match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+))?", where)
        if match:
            address, port = match.group(1).lower(), match.group(2) or port
    if address == "0.0.0.0":  # how an administrator can write it; nothing is bound here
        address = EVERY_IPV4
    if len(port) > 5:
        raise Problem(
            f"a 'listen' line names a port that there is not, in {directive.place}",
            "fix nginx's configuration until 'nginx -t' accepts it, then run again",
            option=directive.place,
        )
    first = "default_server" in options or "default" in options
    return Listener(Socket(address, int(port)), "ssl" in options, first, directive)


class Site(web.Site):
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
        self.listeners = told or [Listener(Socket(EVERY_IPV4, HTTP_PORT), tls=False, first=False, directive=None)]
        self.names = tuple(name.lower() for one in block.all("server_name") for name in one.args)

    @property
    def place(self) -> str:
        return self.block.place

    @property
    def vservers(self) -> Sequence[str]:
        included = (one.args[0] for one in self.block.all("include") if one.args)
        return [name for name in map(vserver_of, included) if name]

    @property
    def clear(self) -> Sequence[Socket]:
        return [one.socket for one in self.listeners if not one.tls]

    @property
    def tls(self) -> Sequence[Socket]:
        return [one.socket for one in self.listeners if one.tls]

    @property
    def told_proxied(self) -> Sequence[Socket]:
        """Where one of its lines says that load balancers come."""
        return [one.socket for one in self.listeners if one.directive and "proxy_protocol" in one.directive.args[1:]]

    @property
    def certificates(self) -> Sequence[str]:
        return [one.args[0] for one in self.block.all("ssl_certificate") if one.args]

    @property
    def redirects(self) -> bool:
        if not self.clear_ports or any(one.args in _OUR_CONDITIONS for one in self.block.all("if")):
            return True
        returned = self.block.all("return")
        return bool(returned) and returned[0].args[-1:] != () and returned[0].args[-1].startswith("https://")

    @property
    def password_prompt(self) -> Line | None:
        for one in (*self.http.all("auth_basic"), *self.block.below()):
            if one.name == "auth_basic" and one.args != ("off",):
                return _line(one)
        return None

    @property
    def clear_ports(self) -> Sequence[int]:
        return list(dict.fromkeys(one.port for one in self.clear if one.port))

    def own_tls(self, port: int) -> Line | None:
        listening = [one.directive for one in self.listeners if one.tls or one.socket.port == port]
        found = next((one for one in (*listening, *self.block.all(*OUR_SETTINGS)) if one), None)
        return _line(found) if found else None

    @property
    def only_redirects(self) -> Line | None:
        return next(map(_line, self.block.all("return")), None)

    def looping(self, tls_port: int) -> Line | None:
        return next(map(_line, looping(self.block, self.names, tls_port)), None)

    @property
    def own_names(self) -> Sequence[str]:
        return self.names

    # ---- nginx alone

    def setting(self, name: str) -> tuple[str, ...]:
        """The words of a setting in effect for the whole site; empty where there are none."""
        for around in (self.block, self.http):
            found = around.all(name)
            if found:
                return found[-1].args
        return ()

    def around(self, name: str) -> tuple[str, ...]:
        """The words of a setting that holds for all sites, unless they have one of their own; empty for none."""
        found = self.http.all(name)
        return found[-1].args if found else ()

    @property
    def commands(self) -> Sequence[web.Command]:
        """Commands for OpenSSL itself, which count in place of settings but for the lowest version of TLS."""
        found = self.block.all(_COMMAND) or self.http.all(_COMMAND)
        pairs = ((one, one.args[0]) for one in found if one.args)
        return [web.Command(name, one.args[-1], _line(one)) for one, name in pairs if name.lower() != "minprotocol"]

    def includes(self, path: str) -> bool:
        """Whether it includes a file."""
        return any(one.args == (path,) for one in self.block.all("include"))

    def without_hsts(self) -> Iterator[Directive]:
        """Parts of the site that set headers and so lose those of the whole site, HSTS among them."""
        for one in self.block.below():
            headers = one.all("add_header")
            if headers and HSTS not in headers[0].args:
                yield headers[0]


def _line(directive: Directive) -> Line:
    return Line(directive.shown, directive.place)


class Sites(web.Sites[Site]):
    """All server blocks of a configuration, in nginx's order."""

    def __init__(self, root: Directive) -> None:
        self.all = [Site(block, http) for http in root.all("http") for block in http.all("server")]

    def first_on(self, socket: Socket) -> Site | None:
        """The site that answers clients on a socket that name none, or one that there is not."""
        here = [(one.first, site) for site in self.all for one in site.listeners if one.socket == socket]
        told = [site for first, site in here if first]
        return next(iter(told or [site for _first, site in here]), None)

    @property
    def proxied(self) -> Collection[Socket]:
        return {place for one in self.all for place in one.told_proxied}

    def unnamed(self) -> Site | None:
        sockets = [one for site in self.all for one in site.clear if one.port == HTTP_PORT]
        ranks = {address: number for number, address in enumerate(EVERYWHERE)}
        for socket in sorted(dict.fromkeys(sockets), key=lambda one: ranks.get(one.address, len(ranks))):
            return self.first_on(socket)
        return None

    def named(self, vserver: Vserver) -> Site | None:
        found = [site for site in self.all if vserver.name in site.names]
        return min(found, key=lambda site: not site.clear_ports, default=None)

    def tls_setting(self, site: Site, name: str) -> tuple[str, ...]:
        first = self.first_on(site.tls[0]) if site.tls and name in _PER_SOCKET else None
        return (first or site).setting(name)

    def tls_versions(self, site: Site) -> set[str]:
        return {word.lower() for word in self.tls_setting(site, "ssl_protocols")}

    def own_versions(self, site: Site) -> set[str]:
        return {word.lower() for word in site.around("ssl_protocols")}

    def own_lists(self, site: Site) -> OwnLists:
        return OwnLists(site.around("ssl_ciphers"), site.around("ssl_ecdh_curve"))

    def staples(self, site: Site) -> bool:
        return site.setting("ssl_stapling") == ("on",)

    def commands(self, site: Site) -> Sequence[web.Command]:
        return site.commands

    def taken(self, site: Site, vserver: Vserver) -> Line | None:
        for other in self.all:
            for one in other.listeners:
                if other is site or not one.directive or one.socket.port != vserver.implicit_tls_port:
                    continue
                if not one.tls or (vserver.name == "default" and one.first) or vserver.name in other.names:
                    return _line(one.directive)
        return None

    def how_to_free(self, taken: Line) -> str:
        return f"remove that server block, or '{taken.text}' from it"

    def with_include(self, path: str) -> list[Site]:
        """The sites that include a file."""
        return [site for site in self.all if site.includes(path)]
