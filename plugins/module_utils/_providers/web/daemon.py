# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What web servers have in common, as far as it is known without a provider's code."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.daemon import Daemon


class WebDaemon(Daemon):
    """A web server."""

    protocols = frozenset({"http"})
    options = frozenset({"name", "alternative_certificate"})
