# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps nginx, and what it is called there."""

from __future__ import annotations

CONFIG_DIRECTORY = "/etc/nginx"
SNIPPETS = f"{CONFIG_DIRECTORY}/snippets"  # parts of configuration, which nginx does not read by itself
DEFAULT_SITE = f"{CONFIG_DIRECTORY}/sites-available/default"
ERROR_LOG = "/var/log/nginx/error.log"

UNIT = "nginx.service"
PACKAGES = {"http": "nginx"}
