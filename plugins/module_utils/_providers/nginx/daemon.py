# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.nginx.paths import PACKAGES, UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.daemon import WebDaemon


class NginxDaemon(WebDaemon):
    """nginx."""

    name = "nginx"
    programs = ("nginx",)
    processes = frozenset({"nginx"})
    packages = PACKAGES
    unit = UNIT
