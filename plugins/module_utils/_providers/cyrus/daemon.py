# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cyrus IMAP, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import PACKAGES, UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon


class CyrusDaemon(Daemon):
    """Cyrus IMAP."""

    name = "cyrus"
    protocols = frozenset({"imap", "pop3", "nntp"})
    programs = ("cyrmaster", "cyrus")
    processes = frozenset({"cyrmaster", "imapd", "pop3d", "nntpd"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate", "auth_tls", "auth_clear"})
    unit = UNIT
