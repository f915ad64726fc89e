# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps nginx, and what it is called there."""

from __future__ import annotations

import re

CONFIG_DIRECTORY = "/etc/nginx"
PREFIX = "/usr/share/nginx"  # where relative paths of modules begin
SNIPPETS = f"{CONFIG_DIRECTORY}/snippets"  # parts of configuration, which nginx does not read by itself
DEFAULT_SITE = f"{CONFIG_DIRECTORY}/sites-available/default"
ERROR_LOG = "/var/log/nginx/error.log"

UNIT = "nginx.service"
PACKAGES = {"http": "nginx"}

# with these its programs begin to read
FIRST = (f"{CONFIG_DIRECTORY}/nginx.conf",)

# ---- our own files

_OURS = re.compile(re.escape(SNIPPETS) + r"/postmaster-http-([A-Za-z0-9._-]+)\.conf")


def vserver_file(name: str) -> str:
    """The file of a virtual server, which its server block includes."""
    return f"{SNIPPETS}/postmaster-http-{name}.conf"


def vserver_of(path: str) -> str:
    """The virtual server that a file belongs to; empty where it is none of ours."""
    match = _OURS.fullmatch(path)
    return match.group(1) if match else ""
