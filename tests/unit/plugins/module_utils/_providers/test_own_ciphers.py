# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary, Vserver
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.own_ciphers import (
    OwnLists,
    names_no_more,
    strength_within,
    warnings,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host

GIVEN = Vserver("nntp", certificate="main", strength="intermediate")
LEFT_OUT = replace(GIVEN, left_out=frozenset({"strength"}))
FULL = STRENGTHS["intermediate"]
LIBRARY = TlsLibrary("OpenSSL", (3, 5))
STRICT = OwnLists(["ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA"], ["P-384"], ["TLS_AES_256_GCM_SHA384"])


def test_what_is_barred_stays_barred_where_the_strength_is_left_out():
    found = strength_within(this_host(), LEFT_OUT, STRICT)
    assert found.ciphers == ("ECDHE-RSA-AES256-GCM-SHA384",)
    assert found.groups(LIBRARY) == ("secp384r1",)
    assert found.newest == ("TLS_AES_256_GCM_SHA384",)
    assert warnings(this_host(), LEFT_OUT, STRICT, "lists") == []


def test_what_is_asked_for_is_allowed_and_named():
    assert strength_within(this_host(), GIVEN, STRICT) == FULL
    (text,) = warnings(this_host(), GIVEN, STRICT, "lists")
    for one in ("ECDHE-ECDSA-AES128-GCM-SHA256", "X25519", "TLS_AES_128_GCM_SHA256", "your own lists"):
        assert one in text
    assert "ECDHE-RSA-AES256-GCM-SHA384" not in text
    assert "secp384r1" not in text


@pytest.mark.parametrize(
    "own",
    [
        OwnLists(),
        OwnLists([""], [""], [""]),
        OwnLists(["HIGH:!aNULL"], ["auto"]),
        OwnLists(["no such list"], ["DEFAULT:-P-521"], ["TLS_NO_SUCH"]),
    ],
)
def test_lists_that_bar_nothing_change_nothing(own):
    assert strength_within(this_host(), LEFT_OUT, own) == FULL
    assert warnings(this_host(), GIVEN, own, "lists") == []
    assert warnings(this_host(), LEFT_OUT, OwnLists(own.ciphers[:0], own.groups), "lists") == []


def test_lists_with_nothing_in_common_with_the_strength_are_told():
    own = OwnLists(["AES256-SHA"], ["secp521r1"])
    assert strength_within(this_host(), LEFT_OUT, own) == FULL
    found = warnings(this_host(), LEFT_OUT, own, "lists")
    assert [one for one in ("(AES256-SHA)", "(secp521r1)") if any(one in text for text in found)] == [
        "(AES256-SHA)",
        "(secp521r1)",
    ]


@pytest.mark.parametrize("groups", ["P-384:P-256", "secp384r1:prime256v1", "?secp384r1/secp256r1", "SECP384R1:P-256"])
def test_groups_are_known_by_all_their_names(groups):
    found = strength_within(this_host(), LEFT_OUT, OwnLists(groups=[groups]))
    assert found.groups(LIBRARY) == ("prime256v1", "secp384r1")


def test_suites_of_the_newest_version_count_in_a_list_of_all():
    found = strength_within(this_host(), LEFT_OUT, OwnLists(["TLS_AES_256_GCM_SHA384:ECDHE+AESGCM"]))
    assert found.newest == ("TLS_AES_256_GCM_SHA384",)
    assert "ECDHE-RSA-CHACHA20-POLY1305" not in found.ciphers


@pytest.mark.parametrize(
    ("found", "wanted", "fewer"),
    [("a:b", "a:b:c", True), ("", "a", False), ("a:d", "a:b", False), ("b:a", "a:b", True)],
)
def test_fewer_names(found, wanted, fewer):
    assert names_no_more(found, wanted) is fewer
