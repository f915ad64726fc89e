# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power is cut at each step of a transaction: the next one finds the old state or the new, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support import power_cut_transaction


@pytest.mark.parametrize("ending", ["names", "torn", "data"])
@pytest.mark.parametrize(("when", "least"), [("running", 40), ("recovering", 10)])
def test_old_or_new_after_a_power_cut_at_any_step(tmp_path: Path, ending: str, when: str, least: int) -> None:
    program = Path(power_cut_transaction.__file__)
    done = subprocess.run(
        [sys.executable, program, tmp_path, ending, when], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    *cut, finished = outcomes
    assert len(cut) > least
    assert finished["finished"]
    for one in cut:
        assert not one["problem"], one
        assert one["old"] or one["after"] == finished["after"], one
        assert one["left"] == [], one
