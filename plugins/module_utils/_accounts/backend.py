# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which server the accounts are for, and where they are stored."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import (
    AccountKeeper,
    KeepingProvider,
    LoginProvider,
    PasswordCheck,
    Provider,
)


def submission_server(providers: Mapping[str, Provider]) -> LoginProvider:
    """The server at which remote hosts log in.

    Raises:
        Problem: there is none, or it does not run.
    """
    for provider in providers.values():
        if isinstance(provider, LoginProvider):
            if not provider.running():
                raise Problem(f"{provider.name} is installed but does not run", provider.remedy_where_down())
            return provider
    raise Problem(
        "this host has no submission server that accounts can be made for",
        "install one (Debian: apt install postfix), then set it up with mail_vserver_tls and protocol=submission",
    )


def account_keeper(providers: Mapping[str, Provider], check: PasswordCheck, backend: str) -> AccountKeeper:
    """Where the accounts are stored.

    Args:
        providers: the installed daemons.
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
    for provider in providers.values():
        keeper = provider.keeper(check) if isinstance(provider, KeepingProvider) else None
        if keeper:
            return keeper
    raise Problem(
        f"the submission server checks passwords with {check.backend}, which is not on this host",
        "install it (Debian: apt install dovecot-core)",
        option="backend",
    )
