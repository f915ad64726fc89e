# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.sockets import Listening, is_open


def at(place):
    return Listening(place, frozenset())


@pytest.mark.parametrize(
    ("place", "taken", "not_taken"),
    [
        ("0.0.0.0:25", "192.0.2.1", "2001:db8::1"),
        ("[::]:25", "2001:db8::1", "192.0.2.1"),
        ("192.0.2.1:25", "192.0.2.1", "192.0.2.2"),
        ("[2001:db8::1]:25", "2001:db8:0::1", "2001:db8::2"),
        ("[::ffff:192.0.2.1]:25", "192.0.2.1", "192.0.2.2"),
        ("[fe80::1]%eth0:25", "fe80::1", "fe80::2"),
        ("0.0.0.0%eth0:25", "192.0.2.1", "::1"),
    ],
)
def test_who_gets_to_a_socket(place, taken, not_taken):
    assert at(place).takes(taken)
    assert not at(place).takes(not_taken)
    assert at("*:25").takes(taken)
    assert at("*:25").takes(not_taken)


@pytest.mark.parametrize(
    ("address", "places", "expected"),
    [
        ("", ["127.0.0.1:25"], False),
        ("", ["[::]:25"], True),
        ("0.0.0.0", ["[::]:25"], False),
        ("0.0.0.0", ["*:25"], True),
        ("::", ["*:25"], True),
        ("::", ["[2001:db8::1]:25"], False),
        ("192.0.2.1", ["0.0.0.0:25"], True),
        ("192.0.2.1", ["192.0.2.1:26", "192.0.2.2:25"], False),
        ("mail.example.test", ["192.0.2.1:25"], True),
        ("mail.example.test", ["192.0.2.1:26"], False),
    ],
)
def test_whether_somebody_listens(address, places, expected):
    assert is_open(address, 25, map(at, places)) == expected
