# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What patterns of lookup tables can fit."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.patterns import may_end_in


@pytest.mark.parametrize(
    "pattern",
    [
        "/@partner\\.test$/",
        "/^ceo@PARTNER\\.test$/",
        "/test$/",
        "/.*$/",
        "/partner/",
        "/^ceo@/",
        "!/@other\\.test$/",
        "/@other\\.test$|^ceo/",
        "/@(other|partner)\\.test$/",
        "/r.test$/",
        "|@partner\\.test$|",
        "/costs\\$/",
    ],
)
def test_what_may_fit(pattern):
    assert may_end_in(pattern, "@partner.test")


@pytest.mark.parametrize("pattern", ["/@other\\.test$/", "/^ceo@partner\\.example$/", "/.*rpartner\\.test$/"])
def test_what_cannot(pattern):
    assert not may_end_in(pattern, "@partner.test")
