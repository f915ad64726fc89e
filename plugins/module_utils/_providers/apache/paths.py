# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps Apache, and what it is called there."""

from __future__ import annotations

CONFIG_DIRECTORY = "/etc/apache2"
AVAILABLE = "conf-available"  # below CONFIG_DIRECTORY: configuration that Apache does not read by itself
COMMON = f"{CONFIG_DIRECTORY}/conf-enabled/postmaster-http.conf"
MODULE_FILE = "/usr/lib/apache2/modules/mod_{}.so"
ERROR_LOG = "/var/log/apache2/error.log"

UNIT = "apache2.service"
PACKAGES = {"http": "apache2"}
