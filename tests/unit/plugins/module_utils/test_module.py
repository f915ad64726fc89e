# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import seen_in

WORDS = st.text("abc", min_size=1, max_size=9)


@given(st.sets(WORDS), st.lists(WORDS), WORDS)
def test_no_secret_that_is_in_a_result_is_missed(secrets, texts, key):
    result = {"list": texts, key: [{"deep": "".join(texts)}], "number": 1234567}
    everything = [*texts, "".join(texts), key, "list", "deep", "number", "1234567"]
    there = {secret for secret in secrets if any(secret in text for text in everything)}
    assert there <= seen_in(result, secrets) <= secrets


def test_secret_number():
    assert seen_in({"port": 1234567}, {"1234567", "7654321"}) == {"1234567"}


def test_many_secrets_and_many_strings():
    secrets = {f"a secret {number}" for number in range(10_000)}
    result = {"domains": [{"domain": f"d{number}.example"} for number in range(10_000)]}
    start = time.process_time()
    assert seen_in(result, secrets) == set()
    assert time.process_time() - start < 30  # looking for each in each would take minutes
