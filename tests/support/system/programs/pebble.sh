#!/bin/sh
# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# pebble.sh NAME ADDRESS : on its host, run Debian's pebble, and the name server that it looks names up at.
set -eu
name=$1
address=$2
mkdir -p /run/pebble
cd /run/pebble
openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out cert.pem -days 9 \
    -subj "/CN=$name" -addext "subjectAltName=DNS:$name" 2>/dev/null
cat >config.json <<END
{"pebble": {
    "listenAddress": "$address:14000",
    "managementListenAddress": "$address:15000",
    "certificate": "/run/pebble/cert.pem",
    "privateKey": "/run/pebble/key.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": false,
    "certificateValidityPeriod": 7776000
}}
END
# Names that it has not been told of are at an address where nothing listens.
systemd-run --quiet --unit=challtestsrv pebble-challtestsrv -dns01 127.0.0.1:8053 -management "$address:8055" \
    -http01 '' -https01 '' -tlsalpn01 '' -doh '' -defaultIPv4 127.0.0.1 -defaultIPv6 ''
systemd-run --quiet --unit=pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_AUTHZREUSE=0 \
    pebble -config /run/pebble/config.json -dnsserver 127.0.0.1:8053
for url in "https://$address:14000/dir" "https://$address:15000/roots/0"; do
    until curl --silent --fail --insecure --output root.pem "$url"; do sleep 0.1; done
done
cat root.pem
