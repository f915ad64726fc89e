# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What INN cannot do, and what its administrator should know."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.auth_groups import AuthGroup
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import Effective

DEFAULT = "default"


def refuse_sockets(vserver: Vserver, settings: Effective) -> None:
    """Raise Problem where innd cannot give up a socket, or already has the one that is asked for."""
    if vserver.name == DEFAULT:
        if vserver.port not in (None, settings.port):
            raise Problem(
                f"innd listens on port {settings.port}, for other servers as well as for readers",
                "leave the option out",
                subject=vserver.title,
                option="port",
            )
    elif vserver.port == settings.port and (not settings.address or settings.address in vserver.addresses):
        raise Problem(
            f"innd itself listens on port {vserver.port} of {settings.address or 'every address'}",
            "give another port, or 0 for none; or bind innd to one address (bindaddress in inn.conf)",
            subject=vserver.title,
            option="port",
        )


def warnings_about(groups: Sequence[AuthGroup]) -> list[str]:
    """What the administrator should know before clear text is refused."""
    return [
        f"{group.place}: programs on this host, such as inews, can no longer read or post in clear text"
        for group in groups
        if group.reachable and group.local and not group.encrypted
    ]
