# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    BACKENDS,
    PACKAGES,
    UNIT,
)


class DovecotDaemon(Daemon):
    """Dovecot."""

    name = "dovecot"
    protocols = frozenset({"imap", "pop3"})
    programs = ("dovecot", "doveconf")
    processes = frozenset({"dovecot", "imap-login", "pop3-login"})
    packages = PACKAGES
    options = frozenset({"name", "alternative_certificate", "sni", "auth_tls", "auth_clear"})
    backends = BACKENDS
    unit = UNIT
