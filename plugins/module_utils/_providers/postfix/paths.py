# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps Postfix, and what it is called there."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl import paths as sasl

CONFIG_DIRECTORY = "/etc/postfix"
# what programs take instructions from; everything else in the directory is data
CONFIGURATION = ("main.cf", "master.cf", "dynamicmaps.cf*", "postfix-*", "post-install", "makedefs.out", "sasl")
MAIN_CF = f"{CONFIG_DIRECTORY}/main.cf"
MASTER_CF = f"{CONFIG_DIRECTORY}/master.cf"
# with these its programs begin to read
FIRST = (MAIN_CF, f"{CONFIG_DIRECTORY}/dynamicmaps.cf", f"{CONFIG_DIRECTORY}/dynamicmaps.cf.d/*.cf")

# tables of ours
TRANSPORT = f"{CONFIG_DIRECTORY}/postmaster_transport"
TLS_POLICY = f"{CONFIG_DIRECTORY}/postmaster_tls_policy"
SASL_ACCOUNTS = f"{CONFIG_DIRECTORY}/postmaster_sasl_password"
SNI_TABLE = CONFIG_DIRECTORY + "/postmaster-sni-{}-{}"  # protocol and name of a virtual server
INBOUND = f"{CONFIG_DIRECTORY}/postmaster_inbound_"  # how the paths of the tables for incoming mail begin
LIMITED_LOGINS = f"{CONFIG_DIRECTORY}/postmaster_limited_logins"
SENDER_OWNERS = f"{CONFIG_DIRECTORY}/postmaster_sender_owners"

# where the package's build looks for smtpd.conf
SASL_CONFIGURATIONS = f"{CONFIG_DIRECTORY}/sasl:{sasl.LIBRARIES}/sasl2:{sasl.CONFIG_DIRECTORY}"
MTA_STS_PORT = 8461  # where the packaged resolver of MTA-STS policies listens
MTA_STS_RESOLVER = f"socketmap:inet:127.0.0.1:{MTA_STS_PORT}:postfix"

UNIT = "postfix.service"
INSTANCE_UNIT = "postfix@-.service"  # holds the daemon where UNIT is an empty shell, as on Debian 12
PACKAGES = {"smtp": "postfix", "submission": "postfix"}
BACKENDS = {"sasldb": sasl.LIBRARY_PACKAGE}
MTA_STS_PACKAGE = "postfix-mta-sts-resolver"
