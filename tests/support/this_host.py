# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This machine, as a module would see it."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


def this_host() -> Host:
    """This machine; programs are run as on a managed host."""
    return Host()
