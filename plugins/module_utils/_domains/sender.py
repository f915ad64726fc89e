# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemon sends the host's mail."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import DomainProvider, Provider


def sender(providers: Mapping[str, Provider], name: str) -> DomainProvider:
    """The daemon that sends this host's mail.

    Args:
        providers: the installed daemons.
        name: the one that is asked for; ``auto`` for the one that runs.

    Raises:
        Problem: it is not installed, or does not run.
    """
    able = [one for one in providers.values() if isinstance(one, DomainProvider) and name in ("auto", one.name)]
    for provider in able:
        if provider.running():
            return provider
    if able:
        raise Problem(
            f"{able[0].name} is installed but does not run",
            able[0].remedy_where_down(),
            option="provider" if name != "auto" else "",
        )
    if name != "auto":
        raise Problem(f"{name} is not installed on this host", "install it, or leave provider out", option="provider")
    raise Problem("no daemon that sends mail is installed on this host", "install one (Debian: apt install postfix)")
