# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the administrator's own settings demand, which ours must not let go of unless that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import kept
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.dialect import (
    CIPHERS,
    GROUPS,
    Language,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.inclusion import is_ours
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.levels import is_modern
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.overrides import (
    Connection,
    Overrides,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.parser import Files
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import MAIN
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    strength_within,
    warnings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import (
    MODERN,
    Strength,
)

_LISTS = f"{CIPHERS} or {GROUPS}"


class Demands:
    """The administrator's own settings, as they would count if ours were not there.

    Args:
        host: the machine.
        language: what the installed version speaks.
        addresses_of: the addresses of a host name, which a block may have in place of an address.
    """

    def __init__(self, host: Host, language: Language, addresses_of: Callable[[str], Collection[str]]) -> None:
        self._host = host
        entries = [one for one in Files(host, {}).entries(MAIN) if not is_ours(one.path)]
        self._overrides = Overrides(entries, language, is_ours, addresses_of)

    def _own(self, name: str, vserver: Vserver) -> list[str]:
        """Values of a setting for a virtual server, one for each address where it has some."""
        places = (Connection(vserver.protocol, one, "") for one in vserver.addresses or ("",))
        found = (self._overrides.own(name, one) for one in places)
        return [one.value for one in found if one]

    def kept(self, vserver: Vserver) -> Vserver:
        """A virtual server for which options that the declaration leaves out do not weaken what stands."""
        modern = any(is_modern(one) for one in self._own("ssl_min_protocol", vserver))
        required = "required" in self._own("ssl", vserver)
        return kept(vserver, replace(vserver, require_secure_channel=required, strength=MODERN if modern else ""))

    def strength(self, vserver: Vserver) -> Strength:
        """A virtual server's strength, without suites and groups that are barred and nobody has asked for."""
        return strength_within(self._host, vserver, self._lists(vserver))

    def warnings(self, desired: Sequence[Vserver]) -> list[str]:
        """Warnings of suites and groups that are allowed from now on, as was asked for."""
        return [text for one in desired for text in warnings(self._host, one, self._lists(one), _LISTS)]

    def _lists(self, vserver: Vserver) -> OwnLists:
        return OwnLists(self._own(CIPHERS, vserver), self._own(GROUPS, vserver))
