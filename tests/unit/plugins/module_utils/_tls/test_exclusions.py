# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ssl

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.exclusions import (
    SUITES,
    exclusions,
    leave_no_more,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

LISTS = (
    "ALL:COMPLEMENTOFALL",
    "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH",  # Postfix 3.7, grade medium
    "aNULL:-aNULL:HIGH:MEDIUM:!SEED:!IDEA:!3DES:!RC2:!RC4:!RC5:!kDH:!kECDH:!aDSS:!MD5:+RC4:@STRENGTH",  # Postfix 3.10
)


def suites(listed):
    """What OpenSSL makes of a list, but for the suites of TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(listed)
    return {one["name"] for one in context.get_ciphers() if not one["name"].startswith("TLS_")}


@pytest.mark.parametrize("listed", LISTS)
@pytest.mark.parametrize("strength", [one for one in STRENGTHS.values() if one.ciphers], ids=lambda one: one.name)
def test_openssl_leaves_just_what_the_strength_allows(strength, listed):
    assert suites(":".join([listed, *(f"!{one}" for one in exclusions(strength)), "@SECLEVEL=0"])) == set(
        strength.ciphers
    )


def test_every_suite_is_known_to_openssl():
    assert suites(":".join([*SUITES, "@SECLEVEL=0"])) == set(SUITES)


def test_nothing_is_left_out_of_tls13():
    assert exclusions(STRENGTHS["modern"]) == ()


@pytest.mark.parametrize(
    ("words", "others", "expected"),
    [
        (exclusions(STRENGTHS["intermediate"]), exclusions(STRENGTHS["legacy"]), True),
        (exclusions(STRENGTHS["legacy"]), exclusions(STRENGTHS["intermediate"]), False),
        ((), exclusions(STRENGTHS["legacy"]), False),
        ((*exclusions(STRENGTHS["legacy"]), "AES128"), exclusions(STRENGTHS["legacy"]), True),
        (exclusions(STRENGTHS["legacy"]), (*exclusions(STRENGTHS["legacy"]), "AES128"), False),
        (("kDHE",), ("DHE-RSA-AES128-SHA",), True),
        (("DHE-RSA-AES128-SHA",), ("kDHE",), False),
    ],
)
def test_leave_no_more(words, others, expected):
    assert leave_no_more(words, others) is expected
