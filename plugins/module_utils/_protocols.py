# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mail protocols: ports, the word that starts TLS, whom they serve.

Sources: RFC 8314 (cleartext considered obsolete; ports 465, 993, 995), RFC 3207 (SMTP STARTTLS),
RFC 3501/9051 and 2595 (IMAP and POP3 STARTTLS), RFC 6409 (submission), RFC 4642 and 8143 (NNTP), RFC 4511 (LDAP),
RFC 9110 and 6797 (HTTP, which has a redirection to https and HSTS instead of STARTTLS).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """One protocol that a virtual server can speak.

    Attributes:
        name: the word used in module options.
        port: TCP port of the conversation that starts in clear text.
        implicit_tls_port: TCP port on which TLS starts at once; 0 where none is registered.
        strangers: whether anyone on the Internet must be able to use it without TLS (RFC 3207 section 4).
        starttls: whether a session can switch from clear text to TLS.
    """

    name: str
    port: int
    implicit_tls_port: int
    strangers: bool = False
    starttls: bool = True


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("smtp", 25, 0, strangers=True),
        Protocol("submission", 587, 465),
        Protocol("imap", 143, 993),
        Protocol("pop3", 110, 995),
        Protocol("nntp", 119, 563),
        Protocol("ldap", 389, 636),
        Protocol("http", 80, 443, starttls=False),
    )
}

__all__ = ("PROTOCOLS", "Protocol")
