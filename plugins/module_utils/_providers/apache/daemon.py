# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apache, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.apache.paths import PACKAGES, UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.web.daemon import WebDaemon


class ApacheDaemon(WebDaemon):
    """Apache."""

    name = "apache"
    programs = ("apache2ctl", "a2enmod")
    processes = frozenset({"apache2"})
    packages = PACKAGES
    unit = UNIT
