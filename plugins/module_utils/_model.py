# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator means, as typed values. Imports nothing of ours."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TlsLibrary:
    """The TLS library that a daemon on this host uses, such as OpenSSL 3.0."""

    name: str
    version: tuple[int, ...]


@dataclass(frozen=True)
class Vserver:
    """A virtual server: a protocol plus a name on one host.

    Attributes:
        protocol: a key of the table of protocols.
        name: ``default`` is the one that listens on every address.
        certificate: name of a live certificate in the store; when read from a host also a foreign file's path,
            or empty where no certificate is bound.
        require_secure_channel: whether use in clear text is refused.
        strength: name of a strength; empty when read from a host whose settings match none.
        implicit_tls_port: TCP port on which TLS starts at once; 0 for none.
    """

    protocol: str
    name: str = "default"
    certificate: str = ""
    require_secure_channel: bool = False
    strength: str = "intermediate"
    implicit_tls_port: int = 0

    @property
    def title(self) -> str:
        """How messages name this virtual server."""
        return f"virtual server {self.protocol}/{self.name}"

    def as_result(self) -> dict[str, t.Any]:
        """Plain data for a module's result."""
        return asdict(self)


@dataclass(frozen=True)
class Endpoint:
    """A socket that a client connects to.

    Attributes:
        address: IP address or host name.
        port: TCP port.
        protocol: a key of the table of protocols.
        implicit_tls: whether TLS starts at once; otherwise STARTTLS is asked for.
    """

    address: str
    port: int
    protocol: str
    implicit_tls: bool

    @property
    def title(self) -> str:
        """How messages name this endpoint."""
        return f"{self.protocol} on {self.address} port {self.port}"


@dataclass(frozen=True)
class SaslSocket:
    """A socket at which one daemon asks another whether an account's password is right.

    Attributes:
        path: absolute path of the UNIX socket.
        user: owner of the socket.
        group: group of the socket; both may read and write it, nobody else.
    """

    path: str
    user: str
    group: str


@dataclass(frozen=True)
class SaslAccount:
    r"""An account with which this host logs in elsewhere. Shows no password when printed.

    Attributes:
        username: kept byte for byte, also in the form ``DOMAIN\user``.
        password: an empty password is legal.
    """

    username: str
    password: str

    def __repr__(self) -> str:
        return f"SaslAccount(username={self.username!r}, password=…)"


@dataclass(frozen=True)
class DomainPolicy:
    """What this host demands when it sends mail to one remote domain.

    Attributes:
        domain: the recipients' domain in lower case, ASCII form.
        tls: ``none``, ``may``, ``encrypt``, ``verify`` or ``secure``.
        match: names or patterns of which the peer's certificate must carry one; empty for the level's own default.
        relay_host: host that takes the domain's mail; empty to leave the routing as it is.
        relay_port: TCP port of that host.
        account: the account to log in with, or None.
        present: False removes the domain's entries.
    """

    domain: str
    tls: str = "secure"
    match: tuple[str, ...] = ()
    relay_host: str = ""
    relay_port: int = 25
    account: SaslAccount | None = None
    present: bool = True

    @property
    def title(self) -> str:
        """How messages name this policy."""
        return f"domain {self.domain}"

    @property
    def encrypted(self) -> bool:
        """Whether mail never leaves in clear text."""
        return self.tls in ("encrypt", "verify", "secure")

    @property
    def authenticated(self) -> bool:
        """Whether the peer's identity is checked before mail leaves."""
        return self.tls in ("verify", "secure")
