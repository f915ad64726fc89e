#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# signed_zone.sh ADDRESS : serve the records in /etc/nsd/records/*, signed, as the whole of DNS; again where they have changed.
set -eu
address=$1
cd /etc/nsd
if [ ! -e root.key ]; then
    key=$(ldns-keygen -a ECDSAP256SHA256 -k .)
    for end in key private ds; do mv "$key.$end" "root.$end"; done
    cat >nsd.conf.d/root.conf <<END
server:
    ip-address: $address
zone:
    name: "."
    zonefile: /etc/nsd/root.signed
END
fi
{
    # remembered for a second, so that nobody waits for long
    echo "\$TTL 1"
    echo ". SOA ns.root.test. nobody.root.test. $(date +%s) 60 60 600 1"
    echo '. NS ns.root.test.'
    echo "ns.root.test. A $address"
    cat records/*
} >root.zone
ldns-signzone -o . -f root.signed root.zone root
if [ ! -e known ]; then
    systemctl restart nsd
    touch known
fi
nsd-control reload .
