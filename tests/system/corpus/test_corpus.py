# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations in the style of real ones go through check mode, a run, the same again, and absent.

Each comes through whole, or is refused before anything is changed, with a message that names the file. Nothing else
will do: no success that is not true, no mail that stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import RELEASES, sources
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.life import (
    FALSE,
    REFUSED,
    WHOLE,
    Verdict,
    table,
)

GOAL = 0.9  # of all come through whole
CASES = [
    (source.name, release, str(about.get("refused", "")))
    for source in sources()
    for about in [source.about()]
    for release in about.get("releases", RELEASES)
]
ENOUGH = 40


@pytest.mark.parametrize(("name", "release", "refused"), CASES, ids=[f"{one[0]}-{one[1]}" for one in CASES])
def test_a_configuration_comes_through_or_is_refused(
    verdicts: Mapping[tuple[str, str], Verdict], name: str, release: str, refused: str
) -> None:
    verdict = verdicts[name, release]
    assert verdict.outcome != FALSE, str(verdict)
    assert verdict.outcome == (REFUSED if refused else WHOLE), str(verdict)
    assert re.search(refused, verdict.message), str(verdict)


def test_nearly_all_come_through_whole(verdicts: Mapping[tuple[str, str], Verdict]) -> None:
    assert len(sources()) >= ENOUGH
    whole = sum(one.outcome == WHOLE for one in verdicts.values())
    assert whole >= GOAL * len(verdicts), table(list(verdicts.values()))
