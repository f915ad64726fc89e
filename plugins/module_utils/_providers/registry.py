# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The providers there are. A new one is a package beside this file, and its line in PROVIDERS.

The choices of the options ``provider`` and ``backend`` come from here.
"""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import refuse_strangers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.accounts import AccountBackend
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.provider import Apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.provider import Inn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.provider import Nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.provider import OpenLdap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix

# Where several could do something, the first comes first in messages.
PROVIDERS: tuple[type[Provider], ...] = (Postfix, Exim, Dovecot, Cyrus, Inn, OpenLdap, Nginx, Apache)

AUTO = "auto"  # the choice that leaves it to the host


def with_role(role: type) -> tuple[type[Provider], ...]:
    """The providers of one kind, such as DomainProvider."""
    return tuple(one for one in PROVIDERS if issubclass(one, role))


def supporting(option: str, protocol: str) -> tuple[type[Provider], ...]:
    """The providers of a protocol that support an option; see Provider.options."""
    return tuple(one for one in PROVIDERS if protocol in one.protocols and option in one.options)


def provider_choices(role: type = Provider) -> list[str]:
    """Choices of an option ``provider``: all providers of one kind."""
    return [AUTO, *sorted(one.name for one in with_role(role))]


def account_backends() -> dict[str, str]:
    """What can hold accounts, each with the package that brings it."""
    found: dict[str, str] = {}
    for one in PROVIDERS:
        if issubclass(one, AccountBackend):
            found.update(one.backends)
    return found


def backend_choices() -> list[str]:
    """Choices of the option ``backend``."""
    return [AUTO, *sorted(account_backends())]


def installed_providers(host: Host, store: Store) -> dict[str, Provider]:
    """The providers whose daemon is on this host, by name.

    None of them runs a program before it is known that nobody but root can write what root's programs read.
    """
    return {one.name: _guarded(one, host, store) for one in PROVIDERS if one.installed(host)}


_INDEPENDENT = ("getent", "ip", "openssl", "ss", "systemctl")  # they read no daemon's configuration


def _guarded(kind: type[Provider], host: Host, store: Store) -> Provider:
    waiting: list[Provider] = []

    def guard(program: str) -> None:
        if waiting and program not in _INDEPENDENT:
            provider = waiting.pop()
            try:
                refuse_strangers(provider.config_roots, provider.name)
            except BaseException:
                waiting.append(provider)  # nothing runs the next time either
                raise

    found = kind(host.guarded(guard), store)
    waiting.append(found)
    return found
