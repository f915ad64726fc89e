# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The providers there are. Adding one means adding it here, and nowhere else."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.provider import Apache
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Provider
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.provider import Cyrus
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.provider import Dovecot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.provider import Exim
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.provider import Inn
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.provider import Nginx
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.provider import OpenLdap
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.provider import Postfix

PROVIDERS: tuple[type[Provider], ...] = (Postfix, Exim, Dovecot, Cyrus, Inn, OpenLdap, Nginx, Apache)


def installed_providers(host: Host, store: Store) -> dict[str, Provider]:
    """The providers whose daemon is on this host, by name."""
    return {provider.name: provider(host, store) for provider in PROVIDERS if provider.installed(host)}
