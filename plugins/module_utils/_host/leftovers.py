# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that a killed run has left behind: they must not write any more while everything is put back.

Each program carries the name of its run in its environment, and so does all that it starts. A run that is no more has
nothing to do with them; what systemd starts is no part of a run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import (
    Process,
    process,
    processes,
)

VARIABLE = "POSTMASTER_RUN"
PATIENCE = 10.0  # seconds in which they may end by themselves
_LAST = 2.0  # seconds for the kernel to end them
_PAUSE = 0.1
_NAMESPACE = "/proc/self/ns/pid"  # numbers of processes mean nothing in another one


def this_run() -> str:
    """The name of the run that this process is: its number, when it was made, and where these count."""
    found = process(os.getpid())
    return f"{os.getpid()} {found.started if found else 0} {os.readlink(_NAMESPACE)}"


def end_leftovers() -> list[str]:
    """Wait for programs of runs that are no more, then end them. Answers what even the kernel cannot end."""
    end = time.monotonic() + PATIENCE
    while _left() and time.monotonic() < end:
        time.sleep(_PAUSE)
    for one in _left():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
    end = time.monotonic() + _LAST
    while _left() and time.monotonic() < end:
        time.sleep(_PAUSE)
    return [f"{one.name} (process {one.pid}) of the killed run does not end" for one in _left()]


def _left() -> list[Process]:
    return [one for one in processes() if _is_left(one.variable(VARIABLE).split())]


def _is_left(run: list[str]) -> bool:
    """Whether a run with this name is no more."""
    if len(run) != len(this_run().split()) or run[-1] != os.readlink(_NAMESPACE) or not run[0].isdecimal():
        return False
    found = process(int(run[0]))
    return found is None or str(found.started) != run[1]
