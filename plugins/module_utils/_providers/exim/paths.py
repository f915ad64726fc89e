# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps Exim, and what it is called there."""

from __future__ import annotations

CONFIG_DIRECTORY = "/etc/exim4"
# what programs take instructions from; everything else in the directory is data
CONFIGURATION = ("exim4.conf*", "update-exim4.conf*", "conf.d")
SETTINGS = f"{CONFIG_DIRECTORY}/update-exim4.conf.conf"
TEMPLATE = f"{CONFIG_DIRECTORY}/exim4.conf.template"
LOCALMACROS = f"{CONFIG_DIRECTORY}/exim4.conf.localmacros"
MONOLITH = f"{CONFIG_DIRECTORY}/exim4.conf"  # takes the place of everything else
SPLIT_DIRECTORY = f"{CONFIG_DIRECTORY}/conf.d"
MAIN_DIRECTORY = f"{SPLIT_DIRECTORY}/main"
ROUTER_DIRECTORY = f"{SPLIT_DIRECTORY}/router"
TRANSPORT_DIRECTORY = f"{SPLIT_DIRECTORY}/transport"
AUTH_DIRECTORY = f"{SPLIT_DIRECTORY}/auth"
HUBBED_HOSTS = f"{CONFIG_DIRECTORY}/hubbed_hosts"
DEFAULTS = "/etc/default/exim4"
# with these its programs begin to read
FIRST = (f"{CONFIG_DIRECTORY}/*exim4.conf*", f"{SPLIT_DIRECTORY}/*/*", DEFAULTS)
LOGS = "/var/log/exim4"

# files of ours; the first is read after the administrator's 000_localmacros and before the package's files, of which
# the first sets an option
FIRST_FILE = f"{MAIN_DIRECTORY}/000_localmacros"  # the administrator's own, before ours
MAIN_FILE = f"{MAIN_DIRECTORY}/00_zz_postmaster-secure-channel"
AUTH_FILE = f"{AUTH_DIRECTORY}/20_postmaster-secure-channel"
SECTION_FILES = {  # the routers go before the package's
    "routers": f"{ROUTER_DIRECTORY}/050_postmaster-secure-channel",
    "transports": f"{TRANSPORT_DIRECTORY}/40_postmaster-secure-channel",
    "authenticators": f"{AUTH_DIRECTORY}/21_postmaster-secure-channel",
}
DOMAINS = f"{CONFIG_DIRECTORY}/postmaster_domains"
ACCOUNTS = f"{CONFIG_DIRECTORY}/postmaster_accounts"
SASL_SOCKET = "/var/spool/exim4/postmaster-auth"

UNIT = "exim4.service"
PACKAGES = {"smtp": "exim4-daemon-light", "submission": "exim4-daemon-heavy"}
RECONFIGURE = "dpkg-reconfigure exim4-config"
USER = GROUP = "Debian-exim"  # as whom Exim receives and delivers
KEY_PERMISSIONS = ("root", GROUP, 0o640)
