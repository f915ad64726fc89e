# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What depends on the distribution, where it belongs to no single daemon: paths, packages, how to install one.

Nothing else in ``module_utils`` knows such a thing, except for the ``paths.py`` of each provider. The values are those
of Debian 12 and 13.
"""

from __future__ import annotations

FAMILY = "Debian"

# ---- paths

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT_HOME = "/root"
SYSTEM_TRUST_STORE = "/etc/ssl/certs/ca-certificates.crt"
HOW_TO_TRUST = f"on {FAMILY}: into /usr/local/share/ca-certificates/, then update-ca-certificates"
RESOLV_CONF = "/etc/resolv.conf"
HOSTS = "/etc/hosts"  # names that are known without DNS
HOSTNAME = "/etc/hostname"
GROUP_FILE = "/etc/group"  # the groups that are the host's own
SYSTEMD_UNITS = "/etc/systemd/system"  # the administrator's own; systemd.unit(5)

STORE_DIRECTORY = "/etc/postmaster"
STATE_DIRECTORY = "/var/lib/postmaster-secure-channel"
LOCK_FILE = "/run/postmaster-secure-channel.lock"  # not below /run/lock, where everybody may make files
SHELL = "/bin/sh"
# What editors and the package manager put beside a file, as a regular expression; no daemon reads it.
COPIES_BESIDE = r".*(?:~|\.(?:bak|old|orig|save|dpkg-[a-z]+|ucf-[a-z]+))"

# ---- systemd

SYSTEMD_RUNS = "/run/systemd/system"  # there where systemd is the first process; sd_booted(3)
SYSLOG_NAME = "postmaster-secure-channel"
RECOVERY_UNIT = "postmaster-secure-channel-recovery.service"
BEFORE_ANY_DAEMON = "sysinit.target"  # which every ordinary service and socket waits for
SYSTEM_ENDS = "shutdown.target"
FILES_ARE_THERE = "local-fs.target systemd-tmpfiles-setup.service"

# ---- packages

CA_CERTIFICATES = "ca-certificates"
LIBCRYPT = "libcrypt1"
PYTHON_CRYPTOGRAPHY = "python3-cryptography"
VALIDATING_RESOLVER = "unbound"


def how_to_install(*packages: str) -> str:
    """The command that installs a package, or one of several, to stand in parentheses in a remedy."""
    return f"{FAMILY}: apt install {' or '.join(packages)}"
