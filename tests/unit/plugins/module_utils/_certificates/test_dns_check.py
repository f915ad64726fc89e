# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import dns_check
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host

LINKS = [
    {"addr_info": [{"local": "127.0.0.1"}, {"local": "::1"}]},
    {"addr_info": [{"local": "192.0.2.1"}, {"local": "2001:db8::1"}, {"local": "fe80::1"}]},
]


class Resolving(Host):
    """Answers as ip(8) and getent(1) do."""

    def __init__(self, links="", names=None, code=2):
        super().__init__()
        self.links = links or json.dumps(LINKS)
        self.names = names or {}
        self.code = code
        self.asked = []

    def query(self, argv, **_more):
        if argv[0] == "ip":
            return Completed(0, self.links, "")
        assert argv[:-1] == ["getent", "-s", "hosts:dns", "ahosts"]
        self.asked.append(argv[-1])
        lines = [f"{one}  {kind}\n" for one in self.names.get(argv[-1], ()) for kind in ("STREAM mx", "DGRAM ", "RAW ")]
        return Completed(0 if lines else self.code, "".join(lines), "")


def test_own_addresses():
    found = dns_check.expected_addresses(Resolving(), None)
    assert dns_check.shown(found) == "192.0.2.1, 2001:db8::1"


def test_given_addresses():
    found = dns_check.expected_addresses(Resolving("!"), ["198.51.100.1 ", "2001:DB8:0::2"])
    assert dns_check.shown(found) == "198.51.100.1, 2001:db8::2"


@pytest.mark.parametrize("text", ["mx1", "192.0.2.0/24", ""])
def test_no_address(text):
    with pytest.raises(Problem, match="not an IP address") as caught:
        dns_check.expected_addresses(Resolving(), [text])
    assert caught.value.option == "expected_addresses"


@pytest.mark.parametrize("answer", ["nothing", "[{}]", "[1]"])
def test_host_that_does_not_tell_its_addresses(answer):
    with pytest.raises(Problem, match="own addresses") as caught:
        dns_check.expected_addresses(Resolving(answer), None)
    assert caught.value.option == "expected_addresses"


def test_faults():
    names = {
        "good": ["192.0.2.1", "2001:db8::1"],
        "one": ["192.0.2.1"],
        "elsewhere": ["198.51.100.7", "198.51.100.6"],
        "both": ["192.0.2.1", "198.51.100.7"],
    }
    host = Resolving(names=names)
    expected = dns_check.expected_addresses(host, None)
    assert dns_check.dns_faults(host, ["*.example.test", *names, "missing"], expected) == [
        "elsewhere resolves to 198.51.100.6, 198.51.100.7",
        "both resolves to 198.51.100.7",
        "missing does not resolve",
    ]
    assert host.asked == [*names, "missing"]


def test_dns_that_cannot_be_asked():
    with pytest.raises(Problem, match="cannot be asked") as caught:
        dns_check.dns_faults(Resolving(code=3), ["a"], set())
    assert caught.value.option == "check_dns"
