# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's package keeps Dovecot, and what it is called there."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEMD_UNITS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.sasl import paths as sasl

CONFIG_DIRECTORY = "/etc/dovecot"
# what programs take instructions from; everything else in the directory is data
CONFIGURATION = ("*.conf", "*.ext", "conf.d")
MAIN = f"{CONFIG_DIRECTORY}/dovecot.conf"
FIRST = (MAIN,)  # with this its programs begin to read
# Read after the package's own files; what comes later still or counts for more is looked for, and named.
DROP_IN = CONFIG_DIRECTORY + "/conf.d/99-postmaster-{}.conf"
ACCOUNTS = f"{CONFIG_DIRECTORY}/postmaster-accounts"
ACCOUNTS_DROP_IN = DROP_IN.format("accounts")

UNIT = "dovecot.service"
UNIT_DIRECTORIES = ("/usr/lib/systemd/system", "/run/systemd/system", SYSTEMD_UNITS)  # the last one counts most
PACKAGES = {"imap": "dovecot-imapd", "pop3": "dovecot-pop3d"}
BACKENDS = {"dovecot": sasl.DOVECOT_PACKAGE}
