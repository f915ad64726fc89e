# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps slapd, and what it is called there."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl import paths as sasl

ROOT = "/etc/ldap"
CONFIG_DIRECTORY = f"{ROOT}/slapd.d"
DEFAULTS_FILE = "/etc/default/slapd"
MODULES = "/usr/lib/ldap"  # where slapd looks for modules unless it is told
SASL_FILE = f"{ROOT}/sasl2/slapd.conf"  # where slapd looks first

# What cn=config needs once slapd is linked with another TLS library.
WAITING = f"{ROOT}/postmaster-openssl.ldif"

UNIT = "slapd.service"
PACKAGES = {"ldap": "slapd"}
CLIENT_PACKAGE = "ldap-utils"  # ldapsearch, ldapmodify
SASL_PLUGIN_PACKAGES = f"{sasl.PLUGIN_PACKAGE}*"
