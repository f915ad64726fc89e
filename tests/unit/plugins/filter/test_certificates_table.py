# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.filter.certificates_table import (
    FilterModule,
    certificates_table,
)

LIVE = {"days_left": 89, "key_type": "RSA", "key_size": 3072, "issuer": "CN=Example CA"}
GOOD: dict[str, Any] = {
    "name": "a",
    "host": "mx1",
    "live": LIVE,
    "pending": None,
    "due": False,
    "faults": [],
    "daemons": ["postfix"],
}
ASKED = {"key_type": "ECDSA_P256"}


def test_table():
    entries = [
        {**GOOD, "name": "new", "live": None, "pending": ASKED, "daemons": []},
        GOOD,
        {**GOOD, "host": "mx2", "due": True, "pending": ASKED, "live": {**LIVE, "days_left": 9}},
        {**GOOD, "due": True, "live": {**LIVE, "days_left": -1, "key_type": "Ed25519", "key_size": 256}},
        {**GOOD, "name": "b", "live": None, "faults": ["damaged"], "daemons": ["dovecot", "postfix"]},
    ]
    assert certificates_table(entries) == [
        "host  certificate  days left  state         key         issuer         daemons",
        "mx1   a            -1         expired       Ed25519     CN=Example CA  postfix",
        "mx2   a            9          due, pending  RSA 3072    CN=Example CA  postfix",
        "mx1   a            89         good          RSA 3072    CN=Example CA  postfix",
        "mx1   b            -          FAULT         -           -              dovecot, postfix",
        "mx1   new          -          pending       ECDSA_P256  -              -",
    ]


def test_nothing():
    assert certificates_table([]) == ["host  certificate  days left  state  key  issuer  daemons"]
    assert FilterModule().filters() == {"certificates_table": certificates_table}


def test_entry_without_a_host():
    entry = {key: value for key, value in GOOD.items() if key != "host"}
    assert certificates_table([entry])[1].startswith("-     a ")
