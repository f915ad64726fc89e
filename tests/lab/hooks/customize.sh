#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# mmdebstrap's customize hook: customize.sh TREE
# Runs when all packages are installed.
set -eu
tree=$1

# Work in the background that would disturb a test, and consoles nobody sits at.
chroot "$tree" systemctl --quiet mask getty.target console-getty.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer

# Client tools whose packages bring a daemon that nothing here wants.
chroot "$tree" sh -c '[ ! -e /etc/init.d/fetchmail ] || systemctl --quiet disable fetchmail'

# What has to be different on each host, and what only the building needed.
rm -f "$tree/usr/sbin/policy-rc.d" "$tree"/etc/ssh/ssh_host_* "$tree/etc/apt/apt.conf.d/99mmdebstrap"
: >"$tree/etc/machine-id"
