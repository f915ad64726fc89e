#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# upgrade.sh TREE FROM TO keep|new ARCHIVES [APT-OPTION...]
# Upgrades a tree that is not running to the next release, as its administrator would do it: apt answers all questions
# about changed configuration files alike. Runs in a mount namespace of its own, with this machine's network.
set -eu
tree=$1
from=$2
to=$3
answer=$4
archives=$5
shift 5

# The lab's control side has other names than the machine, whose mirror is wanted here.
for file in /etc/hosts /etc/resolv.conf; do
    file=$(readlink -f "$file")
    if mountpoint -q "$file"; then umount "$file"; fi
done
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount --rbind /dev "$tree/dev"
mount -t tmpfs tmpfs "$tree/run"
mkdir -p "$archives/partial"
mount --bind "$archives" "$tree/var/cache/apt/archives"
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"

case $answer in
    keep) conf=old ;; # ucf keeps by itself what was changed, and is not asked; with its variable it would keep all
    new) conf=new UCF_FORCE_CONFFNEW=1 && export UCF_FORCE_CONFFNEW ;;
esac
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 APT_CONFIG="$tree/tmp/lab-upgrade-apt.conf"
printf '%s\n' "Dir \"$tree/\";" "DPkg::Chroot-Directory \"$tree\";" 'APT::Sandbox::User "root";' \
    'APT::Install-Recommends "false";' 'Acquire::Languages "none";' \
    "DPkg::Options { \"--force-conf$conf\"; \"--force-unsafe-io\"; };" >"$APT_CONFIG"

sed -i "s/ $from\( \|-\|\$\)/ $to\1/" "$tree/etc/apt/sources.list"
apt-get "$@" -qq update
# All upgrades share what is downloaded; one at a time may write there.
flock "$archives/lock.lab" apt-get "$@" -qq -y --download-only full-upgrade
apt-get "$@" -q -y --no-download -o Debug::NoLocking=true full-upgrade
rm -f "$tree/usr/sbin/policy-rc.d" "$APT_CONFIG"
