# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which server the accounts are for, and where they are stored."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import how_to_install
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import (
    AccountBackend,
    AccountDatabase,
    PasswordCheck,
    SubmissionProvider,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import (
    account_backends,
    submission_servers,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site


def submission_server(site: Site) -> SubmissionProvider:
    """The server at which remote hosts log in.

    Raises:
        Problem: there is none, or it does not run.
    """
    for provider in site.providers_of(lambda daemon: daemon.relays_for_accounts):
        if isinstance(provider, SubmissionProvider):
            if not provider.running():
                raise Down(provider)
            provider.refuse_halted()
            return provider
    packages = [one.packages["submission"] for one in submission_servers()]
    raise Problem(
        "this host has no submission server that accounts can be made for",
        f"install one ({how_to_install(*packages)}), then set it up with mail_vserver_tls and protocol=submission",
    )


def account_database(site: Site, check: PasswordCheck, backend: str) -> AccountDatabase:
    """Where the accounts are stored.

    Args:
        site: the host.
        check: whom the submission server asks.
        backend: where they should be, as the administrator says; ``auto`` for where the server looks.

    Raises:
        Problem: the server would not see accounts there, or what it asks is not on this host.
    """
    if backend not in ("auto", check.backend):
        raise Problem(
            f"the submission server checks passwords with {check.backend} ({check.place}), and would not see accounts"
            f" in {backend}",
            "leave the option out, or set the server up for it first",
            option="backend",
        )
    for provider in site.providers_of(lambda daemon: check.backend in daemon.backends):
        database = provider.account_database(check) if isinstance(provider, AccountBackend) else None
        if database:
            if not provider.running() and provider.refused():
                raise Down(provider)
            return database
    raise Problem(
        f"the submission server checks passwords with {check.backend}, which is not on this host",
        f"install it ({how_to_install(account_backends()[check.backend])})",
        option="backend",
    )
