# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The providers there are. A new one is a package beside this file, a function here, and its line in PROVIDERS.

The choices of the options ``provider`` and ``backend`` come from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import refuse_strangers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.daemon import ApacheDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.daemon import CyrusDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.daemon import DovecotDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.daemon import EximDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.daemon import InnDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.daemon import NginxDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.daemon import OpenLdapDaemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.daemon import PostfixDaemon

# Each provider is imported in a function: loading the code of all of them takes longer than most calls' work.


def _postfix() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix

    return Postfix


def _exim() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim

    return Exim


def _dovecot() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot

    return Dovecot


def _cyrus() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus

    return Cyrus


def _inn() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.provider import Inn

    return Inn


def _openldap() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.provider import OpenLdap

    return OpenLdap


def _nginx() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.provider import Nginx

    return Nginx


def _apache() -> type[Provider]:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.provider import Apache

    return Apache


# Where several could do something, the first comes first in messages.
PROVIDERS: dict[type[Daemon], Callable[[], type[Provider]]] = {
    PostfixDaemon: _postfix,
    EximDaemon: _exim,
    DovecotDaemon: _dovecot,
    CyrusDaemon: _cyrus,
    InnDaemon: _inn,
    OpenLdapDaemon: _openldap,
    NginxDaemon: _nginx,
    ApacheDaemon: _apache,
}
DAEMONS: tuple[type[Daemon], ...] = tuple(PROVIDERS)

AUTO = "auto"  # the choice that leaves it to the host


def provider_of(daemon: type[Daemon]) -> type[Provider]:
    """The provider of a daemon; its code is loaded now."""
    return PROVIDERS[daemon]()


def senders() -> tuple[type[Daemon], ...]:
    """The daemons that send mail to other hosts."""
    return tuple(one for one in DAEMONS if one.sends_mail)


def submission_servers() -> tuple[type[Daemon], ...]:
    """The daemons at which remote hosts log in."""
    return tuple(one for one in DAEMONS if one.relays_for_accounts)


def supporting(option: str, protocol: str) -> tuple[type[Daemon], ...]:
    """The daemons of a protocol that support an option; see Daemon.options."""
    return tuple(one for one in DAEMONS if protocol in one.protocols and option in one.options)


def provider_choices(daemons: Iterable[type[Daemon]] = DAEMONS) -> list[str]:
    """Choices of an option ``provider``."""
    return [AUTO, *sorted(one.name for one in daemons)]


def account_backends() -> dict[str, str]:
    """What can hold accounts, each with the package that brings it."""
    return {backend: package for one in DAEMONS for backend, package in one.backends.items()}


def backend_choices() -> list[str]:
    """Choices of the option ``backend``."""
    return [AUTO, *sorted(account_backends())]


class _Installed(Mapping[str, Provider]):
    """The providers whose daemon is on a host, by name. The code of one is loaded when it is asked for."""

    def __init__(self, host: Host, store: Store) -> None:
        self._host, self._store = host, store
        self._daemons = {one.name: one for one in DAEMONS if one.installed(host)}
        self._made: dict[str, Provider] = {}

    def __getitem__(self, name: str) -> Provider:
        if name not in self._made:
            self._made[name] = _guarded(provider_of(self._daemons[name]), self._host, self._store)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._daemons

    def __iter__(self) -> Iterator[str]:
        return iter(self._daemons)

    def __len__(self) -> int:
        return len(self._daemons)


def installed_providers(host: Host, store: Store) -> Mapping[str, Provider]:
    """The providers whose daemon is on this host, by name; each is loaded when it is asked for.

    None of them runs a program before it is known that nobody but root can write what root's programs read.
    """
    return _Installed(host, store)


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
