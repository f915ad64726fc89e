# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things are, on this machine and on the hosts, and the labs that one run of the tests has."""

from __future__ import annotations

import os
from pathlib import Path

_SUPPORT = Path(__file__).resolve().parent
CHECKOUT = _SUPPORT.parents[2]
CALLBACKS = _SUPPORT / "callbacks"
PROGRAMS = _SUPPORT / "programs"  # run on the hosts or on the control side
LAB = CHECKOUT / "tests" / "lab" / "lab"
# On a host: in memory, and part of no snapshot.
WORK = "/run/system-tests"


def lab_state(purpose: str = "") -> Path:
    """The state directory of this run's lab, or of another lab of this run for a purpose of its own.

    tests/qa/in-lab, which has set LAB_STATE to ``/run/postmaster-SUITE-ID``, takes down all of them at the end.
    """
    state = Path(os.environ["LAB_STATE"])
    if not purpose:
        return state
    head, _dash, last = state.name.rpartition("-")
    return state.with_name(f"{head}-{purpose}-{last}")
