# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declarations for outgoing mail on hosts that have other settings for it: mail arrives, or the call is refused."""

from __future__ import annotations

import re

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_sending import (
    CASES,
    NAMES,
    ForeignSending,
    Outcome,
)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    """Each case."""
    return str(request.param)


@pytest.fixture(params=NAMES, ids=["bookworm", "trixie"])
def outcome(request: pytest.FixtureRequest, case: str, foreign_sending: ForeignSending) -> Outcome:
    """What came of it on a host of each release."""
    return foreign_sending.of(case)[str(request.param)]


def test_declarations_on_top_of_settings_of_others(case: str, outcome: Outcome) -> None:
    what = CASES[case]
    if what.refused:
        assert re.search(what.refused, outcome.refused), outcome.refused
        assert outcome.untouched
    assert outcome.result.get("changed"), outcome.result
    assert outcome.again.get("changed") is False, outcome.again
    assert re.search(what.warned, " ".join(outcome.result.get("warnings", ()))), outcome.result
    if what.recipient:
        assert "status=sent" in outcome.status.splitlines()[0], outcome.status
    if "username" in what.call:
        assert outcome.logins == ["relay"], outcome.status
    assert outcome.put_back
