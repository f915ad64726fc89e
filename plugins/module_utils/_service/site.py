# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host that a call works on, with its certificate store and its daemons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, listening
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import (
    DAEMONS,
    installed_providers,
)


@dataclass
class Site:
    """A managed host.

    Attributes:
        host: the machine.
        store: its certificate store.
        check_mode: whether nothing may be changed.
        known: every daemon that there is a provider for.
        find: finds the installed ones, by name.
    """

    host: Host
    store: Store
    check_mode: bool = False
    known: Sequence[type[Daemon]] = DAEMONS
    find: Callable[[Host, Store], Mapping[str, Provider]] = installed_providers

    @classmethod
    def of(cls, module: AnsibleModule, store_directory: str) -> Site:
        """The host that a module runs on."""
        host = Host()
        return cls(host, Store(host, store_directory), module.check_mode, find=installed_providers)

    def sockets(self) -> list[Listening]:
        """What listens on the host now, with the processes."""
        return list(listening(self.host, processes=True))

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """The daemons installed on the host, by name; looked for when they are first asked for."""
        return self.find(self.host, self.store)

    def providers_of(self, wanted: Callable[[type[Daemon]], bool]) -> list[Provider]:
        """The installed daemons of a kind. Providers of other ones are not even loaded."""
        return [self.providers[one.name] for one in self.known if wanted(one) and one.name in self.providers]
