# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of Postfix' by which mail takes another way than its domain's: through a filter, as a copy, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import ways
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair, booted

CASES = ways.cases("postfix")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A host of each release."""
    with booted("full", tmp_path_factory.mktemp("full")) as pair:
        yield pair


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_through_or_is_refused(pair: Pair, case: str) -> None:
    ways.live(pair, case, CASES[case])
