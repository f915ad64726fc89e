# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and addresses that are this host itself."""

from __future__ import annotations

import json

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.own_names import OwnNames, leads_here
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import RecordedHost

ADDRESSES = [
    {
        "addr_info": [
            {"scope": "global", "local": "192.0.2.7"},
            {"scope": "global", "local": "2001:db8::7"},
            {"scope": "host", "local": "127.0.0.1"},
        ]
    }
]
ALWAYS = [
    "localhost",
    "LOCALHOST.",
    "localhost.localdomain",
    "ip6-localhost",
    "scanner.localhost",
    "127.0.0.1",
    "[127.45.6.7]",
    "::1",
    "[IPv6:::1]",
    "0.0.0.0",
    "::",
    "::ffff:127.0.0.1",
]


@pytest.fixture
def host():
    found = RecordedHost("postfix-3.10")
    found.answers["ip -j address"] = json.dumps(ADDRESSES)
    found.files["/etc/hostname"] = b"mx\n"
    found.files["/etc/hosts"] = (
        b"127.0.0.1 localhost\n127.0.1.1 mx.example.test mx\n192.0.2.7\tScanner # ours\n192.0.2.8 other\nno here\n"
    )
    return found


@pytest.mark.parametrize(
    "given",
    [*ALWAYS, "mx", "MX.example.test.", "scanner", "192.0.2.7", "[2001:DB8:0::7]", "::ffff:192.0.2.7", "told.test"],
)
def test_what_is_this_host(given, host):
    assert OwnNames(host, lambda: ["Told.test"]).has(given)


@pytest.mark.parametrize("given", ["", "other", "192.0.2.8", "2001:db8::8", "mx.example", "notlocalhost", "here"])
def test_what_is_not(given, host):
    assert not OwnNames(host).has(given)


def test_the_host_is_asked_only_where_need_be_and_once(host):
    own = OwnNames(host, lambda: pytest.fail("it has asked"))
    assert all(own.has(one) for one in ALWAYS)
    assert host.asked == []
    assert own.has("192.0.2.7")
    assert not own.has("192.0.2.8")
    assert host.asked == ["ip -j address"]


@pytest.mark.parametrize("given", ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"])
def test_what_leads_here(given):
    assert leads_here(given)


@pytest.mark.parametrize("given", ["192.0.2.7", "host.invalid", "x" * 300])
def test_what_leads_elsewhere(given):
    assert not leads_here(given)
