# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where readers.conf lets this host itself in, so that a virtual server can be proven from here."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_addresses import (
    ELSEWHERE,
    own_addresses,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import AuthGroup
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import Effective

_LOOPBACK = "127.0.0.1"


def admitted_addresses(
    host: Host, addresses: Sequence[str], settings: Effective, groups: Sequence[AuthGroup], title: str
) -> tuple[str, str]:
    """An address of the server, and one of this host from which readers.conf lets clients in.

    A client at another address than the server's is preferred, as that proves more.

    Args:
        host: the machine.
        addresses: those that the server listens on; none for all.
        settings: INN's.
        groups: the auth groups of the server.
        title: the virtual server, for messages.

    Raises:
        Problem: there is no such address.
    """
    if addresses:
        ways = [(one, client) for one in addresses for client in (ELSEWHERE, one, _LOOPBACK, "::1")]
    else:
        ways = [(_LOOPBACK, ELSEWHERE), *((one, one) for one in own_addresses(host)), (_LOOPBACK, _LOOPBACK)]
    names: dict[str, set[str]] = {}
    for server, client in ways:
        if (":" in server) != (":" in client):
            continue
        for one in (server, client):
            if one not in names:
                names[one] = {one, *_names(host, one)}
        if any(group.admits(names[client], names[server]) for group in groups):
            return server, client
    raise Problem(
        f"{settings.readers} lets in none of this host's own addresses, so that nothing could be proven",
        f"add {ELSEWHERE} to the hosts of an auth group",
        subject=title,
        option=settings.readers,
    )


def _names(host: Host, address: str) -> list[str]:
    """The host names of an address."""
    return host.query(["getent", "hosts", address]).out.split()[1:]
