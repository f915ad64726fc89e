# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Dovecot listens, and where it is told to and does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import listening

_EVERYWHERE = {"*": "0.0.0.0", "::": "[::]"}  # as ss(8) shows it


def missing(host: Host, listen: str, services: Iterable[Mapping[str, Any]], key: str) -> set[str]:
    """Sockets that are not open, such as ``0.0.0.0:993``.

    Args:
        host: the machine.
        listen: the addresses for listeners that name none.
        services: the settings of login services.
        key: the setting in which a listener names addresses.
    """
    shown = {one.place for one in listening(host)}
    wanted = set()
    for service in services:
        for name, listener in service.items():
            port = int(listener.get("port") or 0) if name.startswith("inet_listener ") else 0
            for address in _words(listener.get(key) or listen) if port else ():
                wanted.add(f"{_EVERYWHERE.get(address, f'[{address}]' if ':' in address else address)}:{port}")
    with_ipv6 = any(one.startswith("[") for one in shown)  # a kernel may have none, which Dovecot takes no notice of
    return {one for one in wanted - shown if with_ipv6 or not one.startswith("[")}


def _words(addresses: str) -> list[str]:
    return addresses.replace(",", " ").split()
