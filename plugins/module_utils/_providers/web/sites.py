# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a web server's sites, however its configuration is written."""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import OwnLists

HTTP_PORT = 80
EVERY_IPV4, EVERY_IPV6 = EVERYWHERE = "*", "[::]"


class Socket(NamedTuple):
    """Where a site is reached.

    Attributes:
        address: IP address, one of version 6 in brackets; or one of EVERYWHERE.
        port: TCP port; 0 for a UNIX socket.
    """

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def everywhere(addresses: Iterable[str]) -> bool:
    """Whether these are all addresses of a host."""
    return any(one in EVERYWHERE for one in addresses)


def addresses_to_bind(vserver: Vserver, *, ipv6: bool) -> list[str]:
    """The addresses of a virtual server as web servers write them.

    Args:
        vserver: what is desired.
        ipv6: whether all addresses of the host means those of version 6 as well.
    """
    own = [f"[{one}]" if ":" in one else one for one in vserver.addresses]
    return own or list(EVERYWHERE[: 1 + ipv6])


def asked_names(name: str) -> list[str]:
    """The names in ASCII that a name of a site stands for; none for one that no certificate can have.

    These are catch-alls, addresses, and patterns other than a wildcard as the first label.
    """
    some = [name[1:], f"*{name}"] if name.startswith(".") else [name]
    try:
        return [] if name in ("localhost", "") else [ascii_name(one, "name") for one in some]
    except Problem:
        return []


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Line:
    """A line of the administrator's.

    Attributes:
        text: the line, for messages.
        place: its file and number.
    """

    text: str
    place: str


@dataclass(frozen=True)
class Command:
    """A command for OpenSSL itself that holds for a site (SSL_CONF_cmd(3)).

    Attributes:
        name: what it sets, as it is written.
        value: to what.
        line: the line.
    """

    name: str
    value: str
    line: Line


class Site(ABC):
    """One site, such as a server block of nginx or a virtual host of Apache."""

    @property
    @abstractmethod
    def place(self) -> str:
        """File and line on which it begins, for messages."""

    @property
    @abstractmethod
    def vservers(self) -> Sequence[str]:
        """Names of the virtual servers that this collection has made of it."""

    @property
    @abstractmethod
    def clear(self) -> Sequence[Socket]:
        """Where it is reached without TLS."""

    @property
    @abstractmethod
    def tls(self) -> Sequence[Socket]:
        """Where it is reached with TLS; of a site that is not ours only where its own lines say so."""

    @property
    @abstractmethod
    def certificates(self) -> Sequence[str]:
        """Paths of the certificates that it shows."""

    @property
    @abstractmethod
    def redirects(self) -> bool:
        """Whether all that comes without TLS is redirected to https."""

    @property
    @abstractmethod
    def password_prompt(self) -> Line | None:
        """Where it asks for passwords by itself; None where it does not."""

    @property
    @abstractmethod
    def own_names(self) -> Sequence[str]:
        """The names that its lines give it, in lower case, patterns among them."""

    # ---- what the administrator's own lines say

    @property
    @abstractmethod
    def clear_ports(self) -> Sequence[int]:
        """Ports without TLS that its own lines name."""

    @abstractmethod
    def own_tls(self, port: int) -> Line | None:
        """A line about TLS that is not ours, or one that takes the port that TLS is to have."""

    @property
    @abstractmethod
    def only_redirects(self) -> Line | None:
        """The line that redirects everybody elsewhere; None where the site has content of its own."""

    @abstractmethod
    def looping(self, tls_port: int) -> Line | None:
        """The line that would redirect to https for ever, were the site reached by TLS on that port."""


SiteT = TypeVar("SiteT", bound=Site)


class Sites(ABC, Generic[SiteT]):
    """All sites of a web server.

    Attributes:
        all: the sites, in the web server's order.
    """

    all: Sequence[SiteT]

    @property
    @abstractmethod
    def proxied(self) -> Collection[Socket]:
        """Where load balancers have to say first who connects (PROXY protocol), whichever site they ask for."""

    @abstractmethod
    def unnamed(self) -> SiteT | None:
        """The site that answers on port 80, without TLS, to clients that name no other."""

    @abstractmethod
    def named(self, vserver: Vserver) -> SiteT | None:
        """The site that carries a virtual server's name; of several the one that TLS is best added to."""

    @abstractmethod
    def tls_setting(self, site: SiteT, name: str) -> tuple[str, ...]:
        """The words of a TLS setting that is in effect for a site; empty for none."""

    @abstractmethod
    def tls_versions(self, site: SiteT) -> set[str]:
        """The TLS versions that a site has, or would have with TLS, by the settings around it; empty for any."""

    @abstractmethod
    def own_versions(self, site: SiteT) -> set[str]:
        """The TLS versions that a site would have by the administrator's own settings alone; empty for any."""

    @abstractmethod
    def own_lists(self, site: SiteT) -> OwnLists:
        """The cipher suites and groups that a site would have by the administrator's own settings alone."""

    @abstractmethod
    def commands(self, site: SiteT) -> Iterable[Command]:
        """The administrator's commands for OpenSSL itself that count for a site, whatever a file of ours says."""

    def wants_certificate(self, _site: SiteT) -> bool:
        """Whether a site ends the session of a client without a certificate, and does not answer instead."""
        return False

    @abstractmethod
    def staples(self, site: SiteT) -> bool:
        """Whether a site sends OCSP responses by the administrator's own settings."""

    @abstractmethod
    def taken(self, site: SiteT, vserver: Vserver) -> Line | None:
        """The line of another site that has the socket on which TLS is to be; None where it is free."""

    def beside(self, site: SiteT, name: str) -> Iterator[tuple[SiteT, Socket]]:
        """Sites that answer in clear text in a site's place, each with the socket on which they do.

        Web servers prefer the sites of an address to those of all addresses. Nobody else can reach a loopback address.

        Args:
            site: the site of a virtual server.
            name: the virtual server's name.
        """
        ports = {one.port for one in site.clear}
        for other in self.all:
            named = name != "default" and name in other.own_names
            for one in () if other is site or other.redirects or other.only_redirects else other.clear:
                if one in site.clear or one.port not in ports - {0} or _is_loopback(one.address):
                    continue
                if named or (name == "default" and not everywhere([one.address])):
                    yield other, one

    @abstractmethod
    def how_to_free(self, taken: Line) -> str:
        """How the administrator has the other site give up the port, as a part of a remedy."""

    def of(self, name: str) -> SiteT | None:
        """The site that a virtual server is now."""
        if name == "default":
            return self.unnamed()
        return next((site for site in self.all if name in site.vservers), None)
