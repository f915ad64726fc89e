# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts: what is declared for each kind, and where clients then find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host

HOSTS = (
    "full1:bookworm:full",
    "full2:trixie:full",
    "odd1:bookworm:full",
    "odd2:trixie:full",
    "ex1:bookworm:exim",
    "ex2:trixie:exim",
    "cy1:bookworm:cyrus",
    "cy2:trixie:cyrus",
)
# The hosts by pairs, one of each release. Nothing but faults happens to the last pair.
FULL, EXIM, CYRUS, ODD = ("full1", "full2"), ("ex1", "ex2"), ("cy1", "cy2"), ("odd1", "odd2")
PAIRS = (FULL, EXIM, CYRUS, ODD)
LIVING = (*FULL, *EXIM, *CYRUS)

# The certificates, by their names in the store, and the names that they are for.
MAIN, RSA, SECOND, WILD, WILD_RSA = "main", "rsa", "second", "wild", "wild-rsa"
SPARE = "spare"  # which no virtual server has
SECOND_NAME, ANY_NAME, ASKED_NAME = "second.example.test", "*.a.example.test", "x.a.example.test"

Options = Mapping[str, Any]


def names_of(certificate: str, host: Host) -> tuple[str, ...]:
    """The names that a certificate is for."""
    return {SECOND: (SECOND_NAME,), WILD: (ANY_NAME,), WILD_RSA: (ANY_NAME,)}.get(certificate, (host.fqdn,))


def peer_of(host: Host) -> str:
    """The other host of its pair: a server is looked at from another address."""
    return next(pair[1 - pair.index(host.name)] for pair in PAIRS if host.name in pair)


def second_address(host: Host) -> str:
    """The address that a host gets beside its own."""
    network, _dot, number = host.address.rpartition(".")
    return f"{network}.{100 + int(number)}"


# ---- what is declared

# One name with a pair of its own, and others that must not get the second certificate of the virtual server.
NAMES = (
    {"name": ASKED_NAME, "certificate": WILD, "alternative_certificate": WILD_RSA},
    {"name": ANY_NAME, "certificate": WILD},
)


def vserver(protocol: str, certificate: str = MAIN, **options: Any) -> Options:
    """A virtual server that refuses clear text."""
    if certificate == SECOND:
        options["server_names"] = [SECOND_NAME]
    return {"protocol": protocol, "certificate": certificate, "require_secure_channel": True, **options}


def _mx(**options: Any) -> Options:
    """A public mail exchanger takes mail in clear text too."""
    return {**vserver("smtp", **options), "require_secure_channel": False}


def _everything(host: Host) -> Sequence[Options]:
    """Postfix, Dovecot, INN, slapd and nginx, with several virtual servers of those that can have them."""
    beside = [second_address(host)]
    return (
        _mx(alternative_certificate=RSA, sni=NAMES),
        vserver("smtp", SECOND, name="inside", addresses=beside, refuse_strangers_in_clear=True),
        vserver("submission", alternative_certificate=RSA, server_names=[host.fqdn]),
        vserver("submission", SECOND, name="partners", port=0, implicit_tls_port=2465),
        # Dovecot 2.3 cannot have names beside a certificate of its own for an address
        vserver("imap", alternative_certificate=RSA, sni=NAMES if host.release == "trixie" else []),
        vserver("imap", SECOND, name="second", addresses=beside),
        vserver("pop3"),
        vserver("pop3", SECOND, name="third", addresses=beside, port=1110, implicit_tls_port=1995),
        vserver("nntp"),
        vserver("nntp", SECOND, name="second", addresses=beside, port=1119, implicit_tls_port=1563),
        vserver("ldap"),
        vserver("http", alternative_certificate=RSA),
    )


def declared(host: Host) -> Sequence[Options]:
    """All virtual servers of a host, with the strength "intermediate"."""
    if host.name in FULL:
        return _everything(host)
    if host.name in ODD:
        return (_mx(), *(vserver(name) for name in ("submission", "imap", "pop3", "nntp", "ldap", "http")))
    if host.name in EXIM:
        return (
            _mx(alternative_certificate=RSA, sni=NAMES),
            vserver("submission", alternative_certificate=RSA),
            vserver(
                "smtp",
                SECOND,
                name="partners",
                addresses=[second_address(host)],
                port=2525,
                refuse_strangers_in_clear=True,
            ),
            vserver("http", alternative_certificate=RSA),
        )
    return (
        vserver("imap", alternative_certificate=RSA),
        vserver("imap", SECOND, name="internal", addresses=[second_address(host)], port=1143, implicit_tls_port=1993),
        vserver("pop3"),
        vserver("nntp", port=0),  # on port 119 Cyrus refuses to nobody what servers ask each other
    )


def stronger(host: Host) -> Sequence[Options]:
    """The same with TLS 1.3 only, and keys of at least 128 bits."""
    return tuple({**one, "strength": "modern", "require_128_bit": True} for one in declared(host))


def weaker(host: Host) -> Sequence[Options]:
    """The same for clients of long ago, with another certificate wherever one is enough."""
    return tuple(
        {**one, "strength": "legacy"} if "alternative_certificate" in one else {**one, "strength": "legacy", **_OTHER}
        for one in declared(host)
    )


_OTHER = {"certificate": RSA, "server_names": []}


def _is_closed(one: Options) -> bool:
    return one["protocol"] not in {"smtp", "http"} and "name" not in one and one.get("port") != 0


def closed(host: Host) -> Sequence[Options]:
    """The same without the ports on which TLS starts at once, where a daemon's own virtual server has one."""
    return tuple({**one, "implicit_tls_port": 0} if _is_closed(one) else one for one in stronger(host))


def absent(host: Host) -> Sequence[Options]:
    """None of them."""
    return tuple(
        {"protocol": one["protocol"], "name": one.get("name", "default"), "state": "absent"} for one in declared(host)
    )


# ---- where clients find it


@dataclass(frozen=True)
class Place:
    """A port at which TLS can be had.

    Attributes:
        port: its number.
        starttls: what openssl calls the conversation before TLS; empty where TLS starts at once.
        beside: whether it is at the host's second address.
        asked: the name that the client asks for, the one that it expects unless given.
        certificate: which one is shown.
    """

    port: int
    starttls: str = ""
    beside: bool = False
    asked: str = ""
    certificate: str = MAIN

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.port}{' beside' if self.beside else ''}{' ' + self.asked if self.asked else ''}"

    def address(self, host: Host) -> str:
        """Where it is on a host."""
        return second_address(host) if self.beside else host.address

    def expected(self, host: Host) -> str:
        """The name that the certificate has to be for."""
        return self.asked or names_of(self.certificate, host)[0]


def _beside(*places: Place) -> tuple[Place, ...]:
    return tuple(replace(one, beside=True, certificate=SECOND) for one in places)


MAIL = (Place(25, "smtp"), Place(587, "smtp"), Place(465))
IMAP, POP3 = (Place(143, "imap"), Place(993)), (Place(110, "pop3"), Place(995))
NEWS, LDAP, WEB = (Place(119, "nntp"), Place(563)), (Place(389, "ldap"), Place(636)), (Place(443),)
ALL = (*MAIL, *IMAP, *POP3, *NEWS, *LDAP, *WEB)


def _asked(one: Place) -> Place:
    """The same for clients that ask for a name."""
    return replace(one, asked=ASKED_NAME, certificate=WILD)


PLACES: Mapping[tuple[str, str], Sequence[Place]] = {
    FULL: (
        *ALL,
        _asked(Place(25, "smtp")),
        Place(2465, certificate=SECOND),
        *_beside(Place(25, "smtp"), *IMAP, Place(1110, "pop3"), Place(1995), Place(1119, "nntp"), Place(1563)),
    ),
    ODD: ALL,
    EXIM: (*MAIL, *WEB, _asked(Place(25, "smtp")), *_beside(Place(2525, "smtp"))),
    CYRUS: (*IMAP, *POP3, *NEWS[1:], *_beside(Place(1143, "imap"), Place(1993))),
}
NAMES_OF_DOVECOT = tuple(_asked(one) for one in IMAP)


# Where the daemons' own virtual servers are, by protocol.
AT: Mapping[str, Sequence[Place]] = {
    "smtp": MAIL[:1],
    "submission": MAIL[1:],
    "imap": IMAP,
    "pop3": POP3,
    "nntp": NEWS,
    "ldap": LDAP,
    "http": WEB,
}


def with_two_certificates(host: Host) -> Sequence[Place]:
    """Where a host shows a certificate with an RSA key to those who want one, also to those who ask for a name."""
    found = [place for one in declared(host) if "alternative_certificate" in one for place in AT[one["protocol"]]]
    return [*found, *(place for place in places(host) if place.asked)]


def closed_places(host: Host) -> Sequence[Place]:
    """Where nothing listens any more after closed()."""
    return [place for one in declared(host) if _is_closed(one) for place in AT[one["protocol"]] if not place.starttls]


def places(host: Host) -> Sequence[Place]:
    """Where clients find what is declared for a host."""
    pair = next(pair for pair in PAIRS if host.name in pair)
    return (*PLACES[pair], *(NAMES_OF_DOVECOT if host.name == "full2" else ()))


def protocols(host: Host) -> Sequence[str]:
    """The protocols that begin in clear text on a host and refuse to be used so."""
    return sorted({one["protocol"] for one in declared(host) if one.get("port") != 0} - {"smtp"})
