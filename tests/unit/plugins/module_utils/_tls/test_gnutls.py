# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.gnutls import (
    barred,
    holds_to,
    priorities,
    strength_of,
    within,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS

MODERN, INTERMEDIATE, LEGACY = (STRENGTHS[one] for one in ("modern", "intermediate", "legacy"))


@pytest.mark.parametrize("strength", STRENGTHS.values(), ids=list(STRENGTHS))
def test_a_strength_by_itself_is_its_own_string(strength):
    assert within(strength, "") == priorities(strength)
    assert within(strength, priorities(strength)) == priorities(strength)
    assert holds_to(strength, priorities(strength))


@pytest.mark.parametrize("own", ["NORMAL", "SECURE256:-VERS-TLS1.1", "NORMAL:%SERVER_PRECEDENCE", "NONE:+VERS-TLS1.3"])
def test_from_a_list_of_somebody_elses_things_are_only_taken(own):
    found = within(INTERMEDIATE, own)
    assert found.startswith(f"{own}:")
    added = found[len(own) + 1 :].split(":")
    assert {one[0] for one in added} == {"-"}
    assert {"-RSA", "-AES-128-CBC", "-VERS-TLS1.1", "-SIGN-RSA-SHA1"} <= set(added)
    assert not {"-AES-128-GCM", "-VERS-TLS1.2", "-GROUP-X25519", "-AEAD"} & set(added)
    assert holds_to(INTERMEDIATE, found)
    assert not holds_to(MODERN, found)


def test_the_strictest_does_without_older_versions():
    found = within(MODERN, "NORMAL")
    assert "-VERS-TLS1.2" in found.split(":")
    assert next(one for one in STRENGTHS if holds_to(STRENGTHS[one], found)) == "modern"


def test_the_widest_keeps_what_it_needs():
    assert not {"-RSA", "-SHA1", "-SIGN-RSA-SHA1", "-AES-256-CBC"} & set(within(LEGACY, "NORMAL").split(":"))


@pytest.mark.parametrize(
    ("own", "more"),
    [
        ("NORMAL", []),
        ("NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-3DES-CBC:!MD5:%SAFE_RENEGOTIATION", []),
        ("NORMAL:-AES-128-GCM", ["AES-128-GCM"]),
        ("NORMAL:!AES-128-GCM:+AES-128-GCM", []),
        ("SECURE256", ["AES-128-GCM"]),
        ("NORMAL:-VERS-ALL:+VERS-TLS1.3", ["VERS-TLS1.2"]),
        ("NORMAL:-GROUP-ALL:+GROUP-SECP384R1", ["GROUP-SECP256R1", "GROUP-X25519"]),
    ],
)
def test_what_is_barred_is_named(own, more):
    assert barred(INTERMEDIATE, own) == more


def test_a_list_that_begins_with_nothing_bars_all_that_it_does_not_name():
    assert "VERS-TLS1.2" in barred(INTERMEDIATE, "NONE:+VERS-TLS1.3")
    assert "VERS-TLS1.3" not in barred(INTERMEDIATE, "NONE:+VERS-TLS1.3")


@pytest.mark.parametrize("strength", STRENGTHS.values(), ids=list(STRENGTHS))
def test_a_strength_is_known_by_its_words(strength):
    assert strength_of(priorities(strength)) is strength
    assert strength_of(within(strength, "NORMAL")) is strength
    # as another release of ours may have put it
    assert strength_of(priorities(strength).replace(":+COMP-NULL", "").replace("-SIGN-", "-OTHER-")) is strength
