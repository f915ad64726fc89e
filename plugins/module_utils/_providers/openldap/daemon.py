# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.openldap.paths import PACKAGES, UNIT


class OpenLdapDaemon(Daemon):
    """slapd."""

    name = "openldap"
    protocols = frozenset({"ldap"})
    programs = ("slapd", "slapcat")
    processes = frozenset({"slapd"})
    packages = PACKAGES
    unit = UNIT
    options = frozenset({"auth_tls", "auth_clear"})
