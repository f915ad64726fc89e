# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers as an inventory declares them, for filters that know nothing else of the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS

Declaration = Mapping[str, Any]
DEFAULT = "default"


def ports(vserver: Declaration) -> tuple[int, int]:
    """The port that starts in clear text and the one with TLS from the start; 0 for none."""
    protocol = PROTOCOLS[vserver["protocol"]]
    port, implicit = vserver.get("port"), vserver.get("implicit_tls_port")
    return (
        protocol.port if port is None else int(port),
        protocol.implicit_tls_port if implicit is None else int(implicit),
    )


def present(vservers: Sequence[Declaration]) -> list[Declaration]:
    """Those that are to be present."""
    return [one for one in vservers if one.get("state", "present") == "present"]


def clients_view(
    vserver: Declaration, host: str, names: Mapping[str, Sequence[str]] | None = None
) -> Iterator[tuple[str, str]]:
    """Where clients connect, and the name that they expect in the certificate.

    Args:
        vserver: the declaration.
        host: the host's name for clients.
        names: the DNS names of certificates. A virtual server at addresses of its own is known by the first one of its
            certificate, unless that covers the host's.

    Returns:
        Host names or addresses, each with the name to ask for: one pair for each address and each name with a
        certificate of its own. Wildcards are left out, since no client asks for them.
    """
    is_site = not PROTOCOLS[vserver["protocol"]].starttls and vserver.get("name", DEFAULT) != DEFAULT
    main = next(iter(vserver.get("server_names") or ()), vserver["name"] if is_site else host)
    own = [one for one in (names or {}).get(vserver.get("certificate") or "", ()) if not one.startswith("*")]
    if vserver.get("addresses") and not vserver.get("server_names") and not is_site and own and not covers(own, host):
        main = own[0]
    named = [one["name"] for one in vserver.get("sni") or () if not one["name"].startswith("*")]
    for place in vserver.get("addresses") or (host,):
        for name in (main, *named):
            yield place, name


def of_endpoint(
    vservers: Sequence[Declaration], host: str, protocol: str, port: int, server_name: str = ""
) -> Declaration | None:
    """The virtual server behind an endpoint; one with that name or address of its own comes first."""
    able = [one for one in present(vservers) if one["protocol"] == protocol and port in ports(one)]
    able.sort(key=lambda one: server_name not in (one.get("name"), *(one.get("server_names") or ())))
    for one in able:
        if host in (one.get("addresses") or ()):
            return one
    return next((one for one in able if not one.get("addresses")), None)


def shown_certificates(vserver: Declaration, server_name: str) -> list[str]:
    """Names of the certificates that a client may be shown which asks for a host name."""
    named = [one for one in vserver.get("sni") or () if covers([one["name"]], server_name)]
    pair = named[0] if named else vserver
    return [one for one in (pair.get("certificate"), pair.get("alternative_certificate")) if one]
