# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much work some code is, counted and not timed: the steps of Python's own machine in the collection's code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_OURS = "secure_channel/plugins/"


def steps_of(work: Callable[[], Any]) -> int:
    """The number of instructions that the collection's own code runs, calls of its functions included."""
    count = 0

    def local(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return local

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        if _OURS not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
