# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is killed: a call of each module and for each provider that leads from one state of a host to another, and back.

The looks at a host tell the two states apart, each of them on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    ROOT_ON_HOST,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    AT,
    MAIN,
    RSA,
    vserver,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host

FULL, EXIM, CYRUS = "full", "exim", "cyrus"
PARTNER = "partner.example"
EXPORT = "/root/reliability/main.p12"
UNITS: Mapping[str, Sequence[str]] = {
    "smtp": ("postfix",),
    "submission": ("postfix",),
    "imap": ("dovecot",),
    "pop3": ("dovecot",),
    "nntp": ("inn2", "postmaster-nntps"),
    "ldap": ("slapd",),
    "http": ("nginx",),
}
Arguments = Mapping[str, Any]
Look = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One call, in two forms.

    Attributes:
        name: what it is.
        kind: the kind of host.
        module: the module.
        states: the arguments that lead to either state.
        looks: observations that differ between them, in the words of programs/observe.py.
        units: the units to restart in place of a whole reboot.
        before: for either state, a call that has to be made before; module and arguments.
    """

    name: str
    kind: str
    module: str
    states: tuple[Arguments, Arguments]
    looks: Mapping[str, Look]
    units: Sequence[str] = field(default_factory=tuple)
    before: tuple[tuple[str, Arguments], ...] = ()


def _ports(host: Host, protocols: Sequence[str]) -> dict[str, Look]:
    """Every port of some protocols."""
    return {
        str(place.port): {"tls": place.port, "starttls": place.starttls, "name": host.fqdn}
        for protocol in protocols
        for place in AT[protocol]
    }


def _bound(certificate: str, protocols: Sequence[str]) -> Arguments:
    return {"vservers": [{**vserver(one, certificate), "require_secure_channel": one != "smtp"} for one in protocols]}


def _provider(host: Host, name: str, kind: str, protocols: Sequence[str], units: Sequence[str]) -> Target:
    """A provider's virtual servers show one certificate or the other."""
    states = (_bound(MAIN, protocols), _bound(RSA, protocols))
    return Target(name, kind, "mail_vserver_tls", states, _ports(host, protocols), units)


def _accounts(host: Host) -> Target:
    """An account has one password or the other."""
    words = ("first one's", "second one's")
    states = [{"name": "partner", "password": word, "allowed_senders": [PARTNER]} for word in words]
    looks = {word: {"login": 587, "host": host.fqdn, "user": "partner", "password": word} for word in words}
    return Target("mail_relay_account", FULL, "mail_relay_account", (states[0], states[1]), looks, ("dovecot",))


def _domain(kind: str, provider: str, looks: Mapping[str, Look], first: Arguments, second: Arguments) -> Target:
    """A partner's mail goes one way or the other."""
    states = tuple({"domain": PARTNER, "provider": provider, **one} for one in (first, second))
    units = {"postfix": "postfix", "exim": "exim4"}[provider]
    return Target(
        f"mail_domain_security {provider}", kind, "mail_domain_security", (states[0], states[1]), looks, (units,)
    )


def _relay(number: int) -> Arguments:
    return {
        "tls": "encrypt",
        "relay_host": f"relay{number}.example",
        "relay_port": 587,
        "username": f"user{number}",
        "password": f"word {number}",
    }


def _tables(pattern: str, *, but: str = "-") -> Look:
    """What lookup tables of ours say, compiled as Postfix reads them."""
    kind = "$(postconf -h default_database_type)"
    return {
        "shell": f"for one in /etc/postfix/postmaster_{pattern}; do case $one in *.db|*.lmdb|{but}) ;;"
        f" *) postmap -s {kind}:$one ;; esac; done | sort"
    }


LOOKS_OF_POSTFIX: Mapping[str, Look] = {
    "ways": _tables("*", but="*sasl_password*"),
    "passwords": _tables("*sasl_password*"),
}
LOOKS_OF_EXIM: Mapping[str, Look] = {
    "ways": {"shell": f"exim4 -bt somebody@{PARTNER} | grep -o 'relay[12].example' | sort -u"}
}
_PUBLIC = "openssl req -noout -pubkey -in $one/request.csr; openssl pkey -pubout -in $one/key.pem"


def _request(host: Host) -> Target:
    """A request is pending, with its key, or there is none."""
    states = ({"name": f"asked.{host.fqdn}"}, {"name": f"asked.{host.fqdn}", "state": "absent"})
    place = f"one=/etc/postmaster/pending/asked.{host.fqdn}; [ -d $one ] || exit 0"
    pair = f"{place}; {{ {_PUBLIC}; }} | sort | uniq -c | awk '{{print $1}}' | sort -u"
    return Target("mail_cert_request", FULL, "mail_cert_request", states, {"pair": {"shell": pair}})


def _export(installs: tuple[Arguments, Arguments]) -> Target:
    """A backup holds one certificate or the other, with its key."""
    arguments = {"name": MAIN, "path": EXPORT, "passphrase": "some words"}
    opened = f"openssl pkcs12 -in {EXPORT} -passin 'pass:some words' -passout pass:x"
    looks: Mapping[str, Look] = {
        "certificate": {"shell": f"{opened} -clcerts -nokeys | openssl x509 -noout -serial"},
    }
    before = (("mail_cert_install", installs[0]), ("mail_cert_install", installs[1]))
    return Target("mail_cert_export", FULL, "mail_cert_export", (arguments, arguments), looks, before=before)


def _full(host: Host) -> list[Target]:
    groups = {
        "postfix": ("smtp", "submission"),
        "dovecot": ("imap", "pop3"),
        "inn": ("nntp",),
        "openldap": ("ldap",),
        "nginx": ("http",),
    }
    everything = ("smtp", "submission", "imap", "pop3", "nntp", "ldap", "http")
    found = [_provider(host, name, FULL, protocols, UNITS[protocols[0]]) for name, protocols in groups.items()]
    found.append(
        _provider(host, "five daemons at once", FULL, everything, [one for key in everything for one in UNITS[key]])
    )
    gone = {"vservers": [{"protocol": "ldap", "state": "absent"}]}
    found.append(
        Target(
            "openldap absent",
            FULL,
            "mail_vserver_tls",
            (_bound(MAIN, ["ldap"]), gone),
            _ports(host, ["ldap"]),
            ["slapd"],
        )
    )
    return found


def targets(host: Host, kind: str, renewals: tuple[str, str]) -> list[Target]:
    """All targets on a host of a kind.

    Args:
        host: the host.
        kind: FULL, EXIM or CYRUS.
        renewals: two certificates for MAIN, each with chain and key, PEM.
    """
    if kind == EXIM:
        found = [
            _provider(host, "exim", EXIM, ("smtp", "submission"), ["exim4"]),
            _provider(host, "apache", EXIM, ("http",), ["apache2"]),
        ]
        protocols: Sequence[str] = ("smtp", "submission", "http")
    elif kind == CYRUS:
        found = [_provider(host, "cyrus", CYRUS, ("imap", "pop3"), ["cyrus-imapd"])]
        protocols = ("imap", "pop3")
    else:
        found = _full(host)
        protocols = ("smtp", "submission", "imap", "pop3", "nntp", "ldap", "http")
    units = [one for name in protocols for one in UNITS[name]] if kind == FULL else found[0].units
    install = tuple(
        {"name": MAIN, "content": one, "names": [host.fqdn], "trust_store": ROOT_ON_HOST} for one in renewals
    )
    found.append(
        Target("mail_cert_install", kind, "mail_cert_install", (install[0], install[1]), _ports(host, protocols), units)
    )
    if kind == EXIM:
        found.append(_domain(EXIM, "exim", LOOKS_OF_EXIM, _relay(1), _relay(2)))
    if kind == FULL:
        found += [
            _accounts(host),
            _domain(FULL, "postfix", LOOKS_OF_POSTFIX, _relay(1), _relay(2)),
            _request(host),
            _export((install[0], install[1])),
        ]
    return found
