# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""INN, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import (
    NNRPD,
    PACKAGES,
    UNIT,
)


class InnDaemon(Daemon):
    """INN."""

    name = "inn"
    protocols = frozenset({"nntp"})
    processes = frozenset({"innd", "nnrpd"})
    packages = PACKAGES
    unit = UNIT
    options = frozenset({"name", "auth_tls", "auth_clear"})

    @classmethod
    def installed(cls, host: Host) -> bool:
        return host.state(NNRPD) is not None
