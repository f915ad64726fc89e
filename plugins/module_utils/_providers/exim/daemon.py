# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exim, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import PACKAGES, UNIT


class EximDaemon(Daemon):
    """Exim."""

    name = "exim"
    protocols = frozenset({"smtp", "submission"})
    programs = ("exim4",)
    processes = frozenset({"exim4"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate", "sni", "require_128_bit"})
    unit = UNIT
    sends_mail = True
