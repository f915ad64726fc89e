# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import Endpoint
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.ways_in import WaysIn

IMAP = Endpoint("127.0.0.1", 143, "imap", implicit_tls=False)
HTTP = Endpoint("127.0.0.1", 80, "http", implicit_tls=False)
V4, OTHER, V6 = "192.0.2.1", "192.0.2.9", "2001:db8::1"


class Machine:
    """A host with some addresses, on which something listens."""

    def __init__(self, *sockets, addresses=(V4, OTHER, V6)):
        self.sockets = sockets
        self.asked = []
        self.addresses = addresses

    def query(self, argv):
        self.asked.append(argv[0])
        if argv[0] == "ss":
            return Completed(0, "".join(f"LISTEN 0 100 {one} 0.0.0.0:*\n" for one in self.sockets), "")
        shown = [{"local": one, "scope": "global"} for one in self.addresses]
        shown += [
            {"local": "127.0.0.1", "scope": "host"},
            {"local": "2001:db8::2", "scope": "global", "tentative": True},
        ]
        return Completed(0, json.dumps([{"addr_info": shown}]), "")


def machine(*sockets, **more) -> Any:
    return Machine(*sockets, **more)


def ways(*sockets, endpoint=IMAP, elsewhere=(), **more):
    """Addresses and connections of the ways to a server."""
    found = WaysIn(machine(*sockets, **more)).to(endpoint, elsewhere)
    return {one.endpoint.address: one.connections for one in found}


@pytest.mark.parametrize(
    ("sockets", "expected"),
    [
        ((), {"127.0.0.1": 1}),
        (("0.0.0.0:25",), {"127.0.0.1": 1}),
        (("0.0.0.0:143",), {V4: 1, OTHER: 1}),
        (("[::]:143",), {V6: 1}),
        (("*:143",), {V4: 1, OTHER: 1, V6: 1}),
        (("0.0.0.0:143", "[::]:143"), {V4: 1, OTHER: 1, V6: 1}),
        (("0.0.0.0:143", "0.0.0.0:143", "[::]:143"), {V4: 10, OTHER: 10, V6: 1}),
        (("0.0.0.0:143", f"{V4}:143"), {V4: 1, OTHER: 1}),
        (("0.0.0.0%eth0:143",), {V4: 1, OTHER: 1}),
        (("127.0.0.1:143",), {"127.0.0.1": 1}),
        (("[::ffff:192.0.2.1]:143",), {V4: 1}),
        (("[fe80::1]%eth0:143", "[::]:143"), {V6: 1}),
    ],
)
def test_each_address_at_which_a_port_is_open(sockets, expected):
    assert ways(*sockets) == expected


def test_the_only_address_of_ipv6_is_left_out_where_there_is_another_way():
    assert ways("0.0.0.0:143", "[::]:143", addresses=(V4,)) == {V4: 1}
    assert ways("[::]:143", addresses=()) == {"::1": 1}
    assert ways("*:143", addresses=()) == {"127.0.0.1": 1}


def test_another_server_of_the_daemon_at_one_address():
    assert ways("0.0.0.0:143", elsewhere={(OTHER, 143), (V4, 993)}) == {V4: 1}


def test_more_addresses_than_anybody_waits_for():
    many = [f"192.0.2.{number}" for number in range(1, 21)]
    found = WaysIn(machine("0.0.0.0:143", addresses=many)).to(IMAP)
    assert [bool(one.closed) for one in found] == [False] * 16 + [True] * 4


def test_a_load_balancer_of_one_version_of_ip():
    proxied = replace(IMAP, source="127.0.0.2", proxy_protocol=1)
    found = WaysIn(machine("*:143")).to(proxied)
    assert {one.endpoint.address: bool(one.closed) for one in found} == {V4: False, OTHER: False, V6: True}


@pytest.mark.parametrize(("address", "connections"), [(OTHER, 10), (V4, 1)])
def test_a_server_with_an_address_of_its_own(address, connections):
    way = WaysIn(machine("0.0.0.0:143", "192.0.2.9:143", "192.0.2.9:143")).at(replace(IMAP, address=address))
    assert (way.endpoint.address, way.connections) == (address, connections)


def test_a_web_site_for_those_who_name_none_is_asked_for_no_name_at_any_address():
    (one,) = WaysIn(machine("192.0.2.1:80")).to(HTTP)
    assert (one.endpoint.address, one.endpoint.server_name) == (V4, "127.0.0.1")


@pytest.mark.parametrize(("remember", "looks"), [(True, 1), (False, 2)])
def test_how_often_the_sockets_are_looked_at(remember, looks):
    host = machine("0.0.0.0:143")
    ways_in = WaysIn(host, remember=remember)
    assert ways_in.to(IMAP) == ways_in.to(IMAP)
    assert host.asked.count("ss") == looks
