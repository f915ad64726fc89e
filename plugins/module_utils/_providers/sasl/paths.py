# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the distribution's packages keep the Cyrus SASL library, its plug-ins and its databases."""

from __future__ import annotations

LIBRARY = "libsasl2.so.2"
LIBRARIES = "/usr/lib"  # the plug-ins are in sasl2 below it, or below one of its directories for an architecture
PLUGIN = f"{LIBRARIES}/*/sasl2/lib{{}}.so"
CONFIG_DIRECTORY = "/etc/sasl2"  # a file for each program, such as smtpd.conf
DATABASE = "/etc/sasldb2"

LIBRARY_PACKAGE = "libsasl2-2"
DATABASE_PACKAGE = "libsasl2-modules-db"
PLUGIN_PACKAGE = "libsasl2-modules"  # the common mechanisms
GSSAPI_PACKAGE = "libsasl2-modules-gssapi-mit"
OTP_PACKAGE = "libsasl2-modules-otp"
DOVECOT_PACKAGE = "dovecot-core"  # Dovecot, as far as other daemons ask it to check passwords
