# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemon sends the host's mail."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import senders
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sending import DomainProvider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site


def sender(site: Site, name: str) -> DomainProvider:
    """The daemon that sends this host's mail.

    Args:
        site: the host.
        name: the one that is asked for; ``auto`` for the one that runs.

    Raises:
        Problem: it is not installed, or does not run.
    """
    wanted = site.providers_of(lambda daemon: daemon.sends_mail and name in ("auto", daemon.name))
    able = [one for one in wanted if isinstance(one, DomainProvider)]
    for provider in able:
        if provider.running():
            provider.refuse_halted()
            return provider
    if able:
        raise Down(able[0], option="provider" if name != "auto" else "")
    if name != "auto":
        raise Problem(f"{name} is not installed on this host", "install it, or leave provider out", option="provider")
    packages = [one.packages["smtp"] for one in senders()]
    raise Problem("no daemon that sends mail is installed on this host", f"install one ({how_to_install(*packages)})")
