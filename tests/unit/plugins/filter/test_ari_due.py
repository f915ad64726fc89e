# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When an ACME CA's window of renewal has come."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.filter.ari_due import ari_due

NOW = datetime.now(timezone.utc)
HOUR = timedelta(hours=1)


def result(name: str, begin: datetime, end: datetime, form: str = "%Y-%m-%dT%H:%M:%SZ") -> dict[str, Any]:
    """What community.crypto.acme_ari_info returns in a loop."""
    window = {"start": begin.strftime(form), "end": end.strftime(form)}
    return {"item": name, "renewal_info": {"suggestedWindow": window}}


def test_a_window_that_is_over_is_due_and_one_to_come_is_not() -> None:
    results = [result("past", NOW - 2 * HOUR, NOW - HOUR), result("future", NOW + HOUR, NOW + 2 * HOUR)]
    assert ari_due(results) == ["past"]


def test_within_a_window_some_are_due_and_each_stays_so() -> None:
    results = [result(f"mx{number}", NOW - 50 * HOUR, NOW + 50 * HOUR) for number in range(100)]
    due = ari_due(results)
    assert 20 < len(due) < 80
    assert ari_due(results) == due


def test_what_has_no_window_is_left_out() -> None:
    assert not ari_due([{"item": "skipped", "skipped": True}, {"item": "failed", "msg": "no such URL"}])


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.123456789Z", "%Y-%m-%dT%H:%M:%S.5+00:00", "%Y-%m-%dT%H:%M:%S"])
def test_other_forms_of_a_moment_are_understood(form: str) -> None:
    assert ari_due([result("mx1", NOW - 2 * HOUR, NOW - HOUR, form)]) == ["mx1"]


def test_another_zone_counts() -> None:
    ahead = timezone(5 * HOUR)
    window = {"start": (NOW + HOUR).astimezone(ahead).isoformat(), "end": (NOW + HOUR).astimezone(ahead).isoformat()}
    assert not ari_due([{"item": "mx1", "renewal_info": {"suggestedWindow": window}}])


@pytest.mark.parametrize("window", [{"start": "soon", "end": "later"}, {"start": "2026-01-01T00:00:00Z"}])
def test_a_window_that_is_none_is_an_error(window: dict[str, str]) -> None:
    with pytest.raises(AnsibleFilterError, match="window for mx1 cannot be read"):
        ari_due([{"item": "mx1", "renewal_info": {"suggestedWindow": window}}])
