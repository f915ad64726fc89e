# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps Apache, and what it is called there."""

from __future__ import annotations

import re

CONFIG_DIRECTORY = "/etc/apache2"
AVAILABLE = "conf-available"  # below CONFIG_DIRECTORY: configuration that Apache does not read by itself
ENABLED = f"{CONFIG_DIRECTORY}/sites-enabled"
COMMON = f"{CONFIG_DIRECTORY}/conf-enabled/postmaster-http.conf"
MODULE_FILE = "/usr/lib/apache2/modules/mod_{}.so"
ERROR_LOG = "/var/log/apache2/error.log"

UNIT = "apache2.service"
PACKAGES = {"http": "apache2"}

# with these its programs begin to read
FIRST = (f"{CONFIG_DIRECTORY}/apache2.conf", f"{CONFIG_DIRECTORY}/envvars")

# ---- our own files

MACRO = "postmaster-http-"  # the names of our macros, each around a virtual host, begin with this
PARTS = ("use", "clear", "tls")
_OURS = re.compile(rf"{CONFIG_DIRECTORY}/{AVAILABLE}/{MACRO}(.+)\.({'|'.join(PARTS)})\.conf")


def vserver_file(name: str, part: str) -> str:
    """A file of a virtual server: ``use`` makes it, ``clear`` and ``tls`` are included on either side."""
    return f"{CONFIG_DIRECTORY}/{AVAILABLE}/{MACRO}{name}.{part}.conf"


def vserver_of(path: str) -> str:
    """The virtual server that a file belongs to; empty where it is none of ours."""
    match = _OURS.fullmatch(path)
    return match.group(1) if match else ""
