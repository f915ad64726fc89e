# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which OpenSSL this host has. On Debian the daemons and Python share one libssl, so Python can say it."""

from __future__ import annotations

import ssl

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary


def openssl_library() -> TlsLibrary:
    """The host's OpenSSL, by major and minor version."""
    return TlsLibrary("OpenSSL", tuple(ssl.OPENSSL_VERSION_INFO[:2]))
