# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator wants, as typed values. Imports nothing of ours."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TlsLibrary:
    """The TLS library that a daemon on this host uses, such as OpenSSL 3.0."""

    name: str
    version: tuple[int, ...]


@dataclass(frozen=True)
class NamedCertificate:
    """The certificate that clients get who ask for one host name (SNI, RFC 6066 section 3).

    Attributes:
        name: host name in lower case, ASCII form; ``*`` may be the whole left-most label.
        certificate: name of a live certificate in the store.
        alternative_certificate: a second one for the name with a key of another type; empty for none.
    """

    name: str
    certificate: str
    alternative_certificate: str = ""

    @property
    def certificates(self) -> tuple[str, ...]:
        """Names of its certificates, the main one first."""
        return tuple(filter(None, (self.certificate, self.alternative_certificate)))


@dataclass(frozen=True)
class Vserver:
    """A virtual server: a protocol plus a name on one host.

    Attributes:
        protocol: a key of the table of protocols.
        name: ``default`` is the daemon's own; any other is one that this collection added.
        certificate: name of a live certificate in the store. When read from a host, it may also be the path of a file
            that is not ours, or empty where there is no certificate.
        alternative_certificate: a second one for the same names with a key of another type; likewise.
        sni: certificates for clients that ask for a host name, sorted by name.
        require_secure_channel: whether use in clear text is refused.
        strength: name of a strength; empty when read from a host whose settings match none of them.
        addresses: IP addresses that it listens on; empty for every address.
        port: TCP port on which the conversation starts in clear text; 0 for none; None to leave that to the daemon.
        implicit_tls_port: TCP port on which TLS starts at once; 0 for none.
        auth_clear: SASL mechanisms offered before TLS, in upper case, sorted.
        auth_tls: SASL mechanisms offered inside TLS, likewise; None to leave that to the daemon.
        present: False undoes all of this. Meaningless in what is read from a host.
        provider: the daemon that is to serve it; empty for the one that already does.
        require_128_bit: whether keys with less than 128 bits of security are refused.
        server_names: host names that the certificates must cover; empty to check none.
        left_out: names of the options that the declaration does not give, of those that could weaken what stands.
    """

    protocol: str
    name: str = "default"
    certificate: str = ""
    alternative_certificate: str = ""
    sni: tuple[NamedCertificate, ...] = ()
    require_secure_channel: bool = False
    strength: str = "intermediate"
    addresses: tuple[str, ...] = ()
    port: int | None = None
    implicit_tls_port: int = 0
    auth_clear: tuple[str, ...] = ()
    auth_tls: tuple[str, ...] | None = None
    present: bool = True
    provider: str = ""
    require_128_bit: bool = False
    server_names: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """What distinguishes it from the host's other virtual servers."""
        return self.protocol, self.name

    @property
    def title(self) -> str:
        """How messages name this virtual server."""
        return f"virtual server {self.protocol}/{self.name}"

    @property
    def certificates(self) -> tuple[str, ...]:
        """Names of all its certificates, each once, the main one first."""
        named = (certificate for one in self.sni for certificate in one.certificates)
        return tuple(dict.fromkeys(filter(None, (self.certificate, self.alternative_certificate, *named))))

    def as_result(self) -> dict[str, t.Any]:
        """Plain data for a module's result: what can be seen on a host."""
        shown = asdict(self)
        for intention in ("present", "provider", "require_128_bit", "server_names", "left_out"):
            del shown[intention]
        shown["sni"] = [asdict(one) for one in self.sni]
        for several in ("addresses", "auth_clear", "auth_tls"):
            shown[several] = None if shown[several] is None else list(shown[several])
        return shown


@dataclass(frozen=True)
class Endpoint:
    """A socket that a client connects to.

    Attributes:
        address: IP address or host name.
        port: TCP port.
        protocol: a key of the table of protocols.
        implicit_tls: whether TLS starts at once; otherwise with STARTTLS.
        server_name: host name to ask for (SNI); empty for none.
        source: address of this host to connect from, where the server admits only some; empty for any.
        proxy_protocol: version of the PROXY protocol, 1 or 2, in which the server wants to be told who connects before
            anything else is said; 0 where it does not want that.
        wants_certificate: whether the server ends the session of a client that has no certificate, once TLS is there.
    """

    address: str
    port: int
    protocol: str
    implicit_tls: bool
    server_name: str = ""
    source: str = ""
    proxy_protocol: int = 0
    wants_certificate: bool = False

    @property
    def title(self) -> str:
        """How messages name this endpoint."""
        asked = f" as {self.server_name}" if self.server_name else ""
        return f"{self.protocol} on {self.address} port {self.port}{asked}"


@dataclass(frozen=True)
class SaslSocket:
    """A socket through which one daemon has another check passwords.

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


EVERYTHING = "*"  # all domains without an entry of their own


@dataclass(frozen=True)
class InboundRequirement:
    """What incoming sessions of a partner must use: TLS, and perhaps the partner's certificate.

    A session counts as the partner's by the domain of the envelope sender, or by the client's address or name.

    Attributes:
        networks: addresses and networks that the partner sends from, sorted.
        hosts: names of hosts that the partner sends from, sorted; a leading full stop means all names below.
        fingerprints: as in DomainPolicy, of the certificates of the partner's hosts, sorted; empty to require none.
    """

    networks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True)
class DomainPolicy:
    """What this host requires when it sends mail to one remote domain.

    Attributes:
        domain: the recipients' domain in lower case, ASCII form; or ``*`` for all outgoing mail.
        tls: ``none``, ``may``, ``encrypt``, ``verify``, ``secure``, ``fingerprint``, ``dane`` or ``dane-only``.
        match: names or patterns, one of which the peer's certificate must have; empty for the level's default.
        fingerprints: SHA-256 digests of certificates or public keys, one of which must be the peer's: 32 pairs of
            hexadecimal digits in upper case, separated by colons.
        subdomains: whether the policy also applies to all names below the domain.
        relay_host: host that takes the domain's mail; empty to leave routing as it is.
        relay_port: TCP port of that host.
        implicit_tls: whether TLS starts at once there; otherwise with STARTTLS.
        servername: the name that the peer is told (SNI): ``hostname`` for the name under which it was found,
            ``nexthop`` for that of the next hop, or a name; empty to leave that as it is.
        account: the account to log in with, or None.
        keep_password: whether a password that is already stored for that account stays.
        auth_cleartext: whether the password may be sent in clear text.
        strength: how strong TLS must be where it is demanded; it counts for nothing at other levels.
        require_128_bit: whether keys of the peer's certificates with less than 128 bits of security are refused.
        inbound: what the domain's own incoming mail must use; None for no requirement.
        present: False removes the domain's entries.
    """

    domain: str
    tls: str = "secure"
    match: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    subdomains: bool = False
    relay_host: str = ""
    relay_port: int = 25
    implicit_tls: bool = False
    servername: str = ""
    account: SaslAccount | None = None
    keep_password: bool = False
    auth_cleartext: bool = False
    strength: str = "intermediate"
    require_128_bit: bool = False
    inbound: InboundRequirement | None = None
    present: bool = True

    @property
    def title(self) -> str:
        """How messages name this policy."""
        return f"domain {self.domain}"

    @property
    def encrypted(self) -> bool:
        """Whether mail never leaves in clear text. With ``dane`` it does if the peer publishes no records."""
        return self.tls in ("encrypt", "verify", "secure", "fingerprint", "dane-only")

    @property
    def authenticated(self) -> bool:
        """Whether the peer's identity is always checked before mail leaves."""
        return self.tls in ("verify", "secure", "fingerprint", "dane-only")


@dataclass(frozen=True)
class TlsRequirement:
    """What the servers that take one domain's mail must offer.

    Attributes:
        domain: the recipients' domain; ``*`` for all outgoing mail.
        next_hop: where the mail goes, as the daemon writes it.
        host: name or address of the next hop.
        port: TCP port there.
        exchangers: whether the servers are those in the MX records of the host.
        implicit_tls: whether TLS starts at once there.
        level: as in DomainPolicy; one that encrypts.
        names: names of which the peer's certificate must carry one; a leading full stop stands for all names below.
        own_name: whether the name under which a server was found counts as well.
        fingerprints: as in DomainPolicy.
        server_name: the name that the server is told (SNI), ``hostname`` for the one under which it was found; empty
            for none.
        mechanisms: SASL mechanisms, in lower case, of which a server that offers a login must offer one; empty for any.
        named_in: where the daemon's configuration names the next hop, if mail of any domain may be sent there.
        versions: the TLS versions that the daemon speaks there, such as ``TLSv1.3``; empty for any.
        versions_set_by: what has the daemon speak those alone, as messages name it.
        ciphers: the cipher suites of TLS 1.2 that the daemon offers there, as a list for OpenSSL; empty for any.
    """

    domain: str
    next_hop: str
    host: str
    port: int = 25
    exchangers: bool = True
    implicit_tls: bool = False
    level: str = "encrypt"
    names: tuple[str, ...] = ()
    own_name: bool = False
    fingerprints: tuple[str, ...] = ()
    server_name: str = ""
    mechanisms: tuple[str, ...] = ()
    named_in: str = ""
    versions: tuple[str, ...] = ()
    versions_set_by: str = ""
    ciphers: str = ""


@dataclass(frozen=True)
class QueuedMail:
    """A message in the queue, for one recipient.

    Attributes:
        queue_id: the daemon's name for it.
        domain: the recipient's domain in lower case.
        reason: why it waits, in the daemon's words; empty where it has not been tried.
        wants_tls: whether it waits because TLS was not available as required.
    """

    queue_id: str
    domain: str
    reason: str
    wants_tls: bool


@dataclass(frozen=True)
class RelayAccount:
    r"""An account with which a remote host logs in here. Shows no password when printed.

    Attributes:
        name: kept byte for byte, also in the form ``DOMAIN\user``.
        password: an empty password is legal; None was not given.
        always: whether the password of an existing account is set as well.
        realm: realm of the account, for stores that have realms; empty for the one of the server.
        allowed_senders: domains and addresses that it may use as envelope sender, lower case, ASCII form, sorted;
            ``*`` alone for any; None leaves that as it is.
        present: False removes the account.
    """

    name: str
    password: str | None = None
    always: bool = True
    realm: str = ""
    allowed_senders: tuple[str, ...] | None = None
    present: bool = True

    @property
    def title(self) -> str:
        """How messages name this account."""
        return f"account {self.name}"

    def __repr__(self) -> str:
        return f"RelayAccount(name={self.name!r}, password=…)"
