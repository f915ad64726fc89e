# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's packages keep Cyrus IMAP, and what it is called there."""

from __future__ import annotations

IMAPD_CONF = "/etc/imapd.conf"
CYRUS_CONF = "/etc/cyrus.conf"
DEFAULTS = "/etc/default/cyrus-imapd"
BINARIES = "/usr/lib/cyrus/bin"

UNIT = "cyrus-imapd.service"
PACKAGES = {"imap": "cyrus-imapd", "pop3": "cyrus-pop3d", "nntp": "cyrus-nntpd"}
USER = "cyrus"
KEY_PERMISSIONS = (USER, "root", 0o400)
