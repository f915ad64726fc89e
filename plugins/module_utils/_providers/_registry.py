# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The providers there are. Adding one means adding it here, and nowhere else."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache import Apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus import Cyrus
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim import Exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn import Inn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx import Nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap import OpenLdap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import Postfix
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import Store

PROVIDERS: tuple[type[Provider], ...] = (Postfix, Exim, Dovecot, Cyrus, Inn, OpenLdap, Nginx, Apache)


def installed_providers(host: Host, store: Store) -> dict[str, Provider]:
    """The providers whose daemon is on this host, by name."""
    return {provider.name: provider(host, store) for provider in PROVIDERS if provider.installed(host)}
