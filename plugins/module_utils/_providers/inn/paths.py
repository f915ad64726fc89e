# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps INN, and what it is called there."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEMD_UNITS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl import paths as sasl

CONFIG_DIRECTORY = "/etc/news"
INN_CONF = f"{CONFIG_DIRECTORY}/inn.conf"
TOOLS = "/usr/lib/news/bin"
NNRPD = f"{TOOLS}/nnrpd"
SPOOL = "/var/spool/news/"
SASL_DIRECTORY = sasl.CONFIG_DIRECTORY
SASL_FILE = "INN.conf"  # by this name INN introduces itself to libsasl2
SASL_CONF = f"{SASL_DIRECTORY}/{SASL_FILE}"
# what has systemd open our sockets when the system starts
BOOT_DIRECTORY = f"{SYSTEMD_UNITS}/sockets.target.d"

UNIT = "inn2.service"
PACKAGES = {"nntp": "inn2"}
USER = GROUP = "news"
KEY_PERMISSIONS = ("root", GROUP, 0o640)
