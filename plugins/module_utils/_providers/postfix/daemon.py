# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Postfix, as far as it is known without the provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    BACKENDS,
    PACKAGES,
    UNIT,
)


class PostfixDaemon(Daemon):
    """Postfix."""

    name = "postfix"
    protocols = frozenset({"smtp", "submission"})
    programs = ("postconf", "postfix", "postmap")
    processes = frozenset({"master", "postscreen", "smtpd"})
    packages = PACKAGES
    options = frozenset(
        {
            "name",
            "alternative_certificate",
            "sni",
            "auth_tls",
            "auth_clear",
            "inbound",
            "mta_sts",
            "preflight",
            "servername",
        }
    )
    backends = BACKENDS
    unit = UNIT
    sends_mail = True
    relays_for_accounts = True
