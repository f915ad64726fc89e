# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot cannot do, though it has all that is asked for: combinations of virtual servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    LANGUAGES,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.drop_in import (
    DEFAULT,
    not_plain,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.listeners import shared_ports
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import PACKAGES

Vservers = Mapping[tuple[str, str], Vserver]  # by protocol and name


def refuse_impossible(
    language: Language, vserver: Vserver, final: Vservers, found: Vservers, served: Collection[str]
) -> None:
    """Raise Problem where Dovecot cannot serve a virtual server as it is desired.

    Args:
        language: that of the installed version.
        vserver: what is desired.
        final: all virtual servers as they will be.
        found: all virtual servers as they are.
        served: the protocols that Dovecot is told to serve.
    """
    protocol = vserver.protocol
    if protocol not in served:
        raise Problem(
            f"Dovecot does not serve {protocol} on this host",
            f"install the package {PACKAGES[protocol]}, or add {protocol} to Dovecot's protocols setting",
            subject=vserver.title,
            option="protocol",
        )
    if vserver.name != DEFAULT and not vserver.addresses:
        raise Problem(
            "Dovecot tells virtual servers of one protocol apart by their addresses, and this one has none",
            "give it addresses of its own",
            subject=vserver.title,
            option="addresses",
        )
    present = [one for one in final.values() if one.present and one.protocol == protocol]
    if language is LANGUAGES[2, 3] and len(present) > 1 and any(one.sni for one in present if one.name == DEFAULT):
        raise Problem(
            "Dovecot 2.3 drops connections where both an address and a name have certificates of their own",
            "leave sni out for the default virtual server, or have no other one of this protocol",
            subject=vserver.title,
            option="sni",
        )
    registered = PROTOCOLS[protocol]
    shared = shared_ports(final.get((protocol, DEFAULT)), found.get((protocol, DEFAULT)))
    for port, own, option in (
        (registered.port, vserver.port, "port"),
        (registered.implicit_tls_port, vserver.implicit_tls_port, "implicit_tls_port"),
    ):
        if vserver.name != DEFAULT and own == 0 and port in shared:
            raise Problem(
                f"port {port} cannot be closed at some addresses: Dovecot's own listener serves all of them",
                "leave the option out, or close that port for the default virtual server too",
                subject=vserver.title,
                option=option,
            )


def refuse_mechanisms(vserver: Vserver, others: Sequence[Vserver]) -> None:
    """Raise Problem where Dovecot cannot offer the mechanisms that are asked for.

    Args:
        vserver: what is desired.
        others: all that Dovecot will serve, with the mechanisms that our files choose.
    """
    for other in others:
        if other.present and None not in (other.auth_tls, vserver.auth_tls) and other.auth_tls != vserver.auth_tls:
            raise Problem(
                f"Dovecot offers the same mechanisms everywhere, and {other.title} has others"
                f" ({', '.join(other.auth_tls or ())})",
                "give the same ones for all virtual servers that Dovecot serves, in one call",
                subject=vserver.title,
                option="auth_tls",
            )
    if vserver.require_secure_channel or (vserver.auth_tls is None and not vserver.auth_clear):
        return
    offered = vserver.auth_tls or ()
    if vserver.auth_clear not in (offered, not_plain(offered)):
        raise Problem(
            "before TLS, Dovecot offers either all of its mechanisms or all but PLAIN and LOGIN"
            f" ({', '.join(not_plain(offered)) or 'none'})",
            "give exactly these in auth_clear and all mechanisms in auth_tls, or require the secure channel",
            subject=vserver.title,
            option="auth_clear",
        )
