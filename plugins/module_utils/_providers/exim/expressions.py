# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that tell Exim one virtual server from another: macros with tables, and the options that look into them.

Exim has one set of options for all ports, but it expands them for each connection. So every option looks up by
the connection's own address and port which virtual server it belongs to, and by that what holds there. A connection
that belongs to none gets what the administrator had set before.

Facts: Exim specification, chapters 6 (macros), 11 (``extract``), 14 (main options), 43 (TLS), 44 (ACLs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.ports import port_number
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import within_a_line

# Options that are ours while any virtual server of ours exists, and the macro by which Debian's files set them.
DEBIAN_MACROS: dict[str, str] = {
    "tls_certificate": "MAIN_TLS_CERTIFICATE",
    "tls_privatekey": "MAIN_TLS_PRIVATEKEY",
    "tls_advertise_hosts": "MAIN_TLS_ADVERTISE_HOSTS",
    "acl_smtp_mail": "MAIN_ACL_CHECK_MAIL",
    "local_interfaces": "MAIN_LOCAL_INTERFACES",
}
EXPANDED = (
    "tls_certificate",
    "tls_privatekey",
    "tls_require_ciphers",
    "tls_advertise_hosts",
    "auth_advertise_hosts",
    "acl_smtp_mail",
)
# Lists for what else may be asked before mail. Nobody is let in where they are not set; ours are those that are.
OTHER_LISTS = ("acl_smtp_vrfy", "acl_smtp_expn", "acl_smtp_etrn")
LISTS = ("daemon_smtp_ports", "tls_on_connect_ports", "local_interfaces")
OPTIONS = EXPANDED + OTHER_LISTS + LISTS

VSERVER = "POSTMASTER_VSERVER"
AUTHENTICATOR = "postmaster_"  # how the names of our authenticators begin
_FORMER = "POSTMASTER_FORMER_"
_TABLES = {
    "listeners": "POSTMASTER_LISTENERS",
    "certificates": "POSTMASTER_CERTIFICATES",
    "named": "POSTMASTER_NAMED",
    "ciphers": "POSTMASTER_CIPHERS",
    "demanding": "POSTMASTER_DEMANDING",
}
_NO_TLS = "Must issue a STARTTLS command first"  # RFC 3207 section 4
_NO_LOGIN = "Authentication required"  # RFC 4954 section 6


def former_macro(option: str) -> str:
    """The macro that keeps what the administrator had set."""
    return _FORMER + option.upper()


def endpoint(address: str, port: int) -> str:
    """How the tables name a listener; no address stands for every one."""
    return f"[{address or '*'}]:{port}"


def address_and_port(place: str) -> tuple[str, int]:
    """What an endpoint in the tables means."""
    address, _bracket, port = place[1:].rpartition("]:")
    return ("" if address == "*" else address), port_number(port) or 0


@dataclass
class Tables:
    """All virtual servers of ours, as Exim looks them up. Their identifiers are ``PROTOCOL/NAME``.

    Attributes:
        listeners: virtual server by endpoint.
        certificates: certificate files, separated by colons, by virtual server.
        named: the same for those who ask for a host name, by ``VSERVER/HOSTNAME``.
        ciphers: priority string by virtual server.
        demanding: ``yes`` for each virtual server that refuses mail in clear text.
    """

    listeners: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    ciphers: dict[str, str] = field(default_factory=dict)
    demanding: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_macros(cls, macros: Mapping[str, str]) -> Tables:
        """What the macros say."""
        tables = cls()
        for attribute, macro in _TABLES.items():
            pairs = (word.partition("=") for word in macros.get(macro, "").split())
            getattr(tables, attribute).update({key: value for key, _equals, value in pairs})
        return tables

    def forget(self, vserver: str) -> None:
        """Take a virtual server out of all tables but the one of listeners."""
        for table in (self.certificates, self.ciphers, self.demanding):
            table.pop(vserver, None)
        for key in [one for one in self.named if one.startswith(f"{vserver}/")]:
            del self.named[key]

    def macros(self) -> dict[str, str]:
        """The tables as macros, in the order in which Exim must read them."""
        return {
            macro: " ".join(f"{key}={value}" for key, value in sorted(getattr(self, attribute).items()))
            for attribute, macro in _TABLES.items()
        }


def _look_up(table: str, key: str, otherwise: str) -> str:
    """What a table says of a key."""
    return f"${{extract{{{key}}}{{{_TABLES[table]}}}{{$value}}{{{otherwise}}}}}"


def _if(condition: str, then: str, otherwise: str) -> str:
    return f"${{if {condition}{{{then}}}{{{otherwise}}}}}"


def _both(one: str, other: str) -> str:
    return f"and{{{{{one}}}{{{other}}}}}"


def vserver_expression() -> str:
    """Which virtual server the connection belongs to; a hyphen for none. A single address counts before all."""
    anywhere = _look_up("listeners", "[*]:$received_port", "-")
    return _look_up("listeners", "[$received_ip_address]:$received_port", anywhere)


_IN_CLEAR = "eq{$tls_in_cipher}{}"
_ON_SUBMISSION = rf"match{{{VSERVER}}}{{\N^submission/\N}}"
_FOREIGN = f"eq{{{VSERVER}}}{{-}}"


def option_values(*, named: bool) -> dict[str, str]:
    """The options that are expanded for each connection, in terms of the macros.

    Args:
        named: whether clients may get a certificate by the host name that they ask for. Exim works out the
            certificate a second time, once it knows that name, where an option speaks of it.
    """
    former = {option: former_macro(option) for option in EXPANDED}

    def file(option: str) -> str:
        value = _look_up("certificates", VSERVER, former[option])
        if named:
            value = _look_up("named", VSERVER + r"/${sg{${lc:$tls_in_sni}}{\N^[^.]+\N}{*}}", value)
            value = _look_up("named", VSERVER + "/${lc:$tls_in_sni}", value)
        return value

    stranger = _both(_ON_SUBMISSION, "!def:sender_host_authenticated")
    acl = _if(stranger, _refusal(_NO_LOGIN), former["acl_smtp_mail"])
    # a login is offered inside TLS only: everywhere on submission, elsewhere to whom it was offered before
    login = _if(_IN_CLEAR, "", _if(_ON_SUBMISSION, "*", former["auth_advertise_hosts"]))
    return {
        "tls_certificate": file("tls_certificate"),
        "tls_privatekey": file("tls_privatekey"),
        "tls_require_ciphers": _look_up("ciphers", VSERVER, former["tls_require_ciphers"]),
        "tls_advertise_hosts": _if(_FOREIGN, former["tls_advertise_hosts"], "*"),
        "auth_advertise_hosts": _if(_FOREIGN, former["auth_advertise_hosts"], login),
        "acl_smtp_mail": _if(_refused_in_clear(), _refusal(_NO_TLS), acl),
    }


def _refused_in_clear() -> str:
    """The condition that a client is to be refused because it does not use TLS."""
    return _both(_IN_CLEAR, f"eq{{{_look_up('demanding', VSERVER, 'no')}}}{{yes}}")


def others_in_clear(former: Mapping[str, str]) -> dict[str, str]:
    """The lists of the administrator's that let clients do more than to send mail, as they must be.

    The refusal has no code: Exim has another one for each command, and complains of those that do not fit.
    """
    refusal = f"deny message = {_NO_TLS}"
    return {one: _if(_refused_in_clear(), refusal, former_macro(one)) for one in OTHER_LISTS if former.get(one)}


def _refusal(words: str) -> str:
    """An access control list that refuses."""
    return f"deny message = 530 5.7.0 {words}"


def render(tables: Tables, former: Mapping[str, str], lists: Mapping[str, str]) -> str:
    """The lines for the main section, read after the administrator's macros and before Debian's options.

    Args:
        tables: the virtual servers.
        former: what the options were before they became ours.
        lists: options that are not expanded.
    """
    lines = [_assign("MAIN_TLS_ENABLE", "yes")]
    lines += [within_a_line(f"{macro} = {value}", macro).rstrip() for macro, value in tables.macros().items()]
    lines.append(f"{VSERVER} = {vserver_expression()}")
    lines += [f"{former_macro(option)} = {former[option]}".rstrip() for option in OPTIONS if option in former]
    values = {**option_values(named=bool(tables.named)), **others_in_clear(former), **lists}
    # Debian's macro for a file with both key and certificate, where it is used, hides the other two
    lines.append(f".ifdef MAIN_TLS_CERTKEY\nMAIN_TLS_CERTKEY == {values['tls_certificate']}\n.endif")
    for option, value in values.items():
        macro = DEBIAN_MACROS.get(option)
        lines.append(_assign(macro, value) if macro else f"{option} = {value}".rstrip())
    return "".join(line + "\n" for line in lines)


def _assign(macro: str, value: str) -> str:
    """Give a macro a value, whether it has one already or not."""
    return f".ifdef {macro}\n{macro} == {value}\n.else\n{macro} = {value}\n.endif"


def resolved(text: str, macros: Mapping[str, str]) -> str:
    """A value with our macros replaced by theirs, as Exim shows it."""
    ours = {name: value for name, value in macros.items() if name.startswith("POSTMASTER_")}
    names = "|".join(sorted(map(re.escape, ours), key=len, reverse=True))
    return re.sub(names, lambda match: ours[match[0]], text) if names else text


def authenticators(socket: str) -> str:
    """The lines with which Dovecot is asked for the passwords of those who log in to submission.

    PLAIN is the mechanism that Dovecot offers unless it is told otherwise, and Exim cannot find out about others.
    """
    condition = _if(_ON_SUBMISSION, _if(_IN_CLEAR, "", "yes"), "")
    place = within_a_line(socket, AUTHENTICATOR)
    return (
        f"{AUTHENTICATOR}plain:\n  driver = dovecot\n  public_name = PLAIN\n  server_socket = {place}\n"
        f"  server_set_id = $auth1\n  server_advertise_condition = {condition}\n"
    )
