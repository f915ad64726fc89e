#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# mmdebstrap's essential hook: essential.sh TREE NAME PRESEED
# Runs when the essential packages are there and before all others are installed.
set -eu
tree=$1
name=$2
preseed=$3

# No daemon is started while the tree is built; customize.sh removes this again.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"

# Packages take the host's name into their configuration and certificates; each host replaces it by its own.
echo "${name%%.*}" >"$tree/etc/hostname"
echo "$name" >"$tree/etc/mailname"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s %s\n' "$name" "${name%%.*}" >"$tree/etc/hosts"

if [ -s "$preseed" ]; then
    chroot "$tree" debconf-set-selections <"$preseed"
fi
