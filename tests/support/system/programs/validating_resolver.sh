#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# validating_resolver.sh ADDRESS <KEY : have unbound validate all names, asked of that name server and signed with that key, and
# have this host, Postfix in its chroot too, ask unbound alone.
set -eu
cd /etc/unbound
cat >root.key
rm -f unbound.conf.d/root-auto-trust-anchor-file.conf
cat >unbound.conf.d/root.conf <<END
server:
    trust-anchor-file: "/etc/unbound/root.key"
    # known to be nobody's, by default
    local-zone: "test." nodefault
    cache-max-negative-ttl: 1
stub-zone:
    name: "."
    stub-addr: $1
END
systemctl reset-failed unbound  # it has failed without a key that can be had
systemctl restart unbound
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
systemctl restart postfix
