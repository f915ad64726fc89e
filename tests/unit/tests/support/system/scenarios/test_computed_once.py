# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is computed once is not computed again, neither after success nor after failure."""

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.computed_once import computed_once


class Scenario:
    """Counts how often it is run."""

    def __init__(self) -> None:
        self.runs = 0

    @computed_once
    def good(self) -> int:
        """Succeeds."""
        self.runs += 1
        return self.runs

    @computed_once
    def bad(self) -> int:
        """Fails."""
        self.runs += 1
        raise ValueError(f"run {self.runs}")


def test_a_value_is_kept_for_each_object() -> None:
    one, other = Scenario(), Scenario()
    assert [one.good, one.good, other.good] == [1, 1, 1]


def test_a_failure_is_kept() -> None:
    scenario = Scenario()
    for _time in range(2):
        with pytest.raises(ValueError, match="run 1"):
            assert scenario.bad
    assert scenario.runs == 1
