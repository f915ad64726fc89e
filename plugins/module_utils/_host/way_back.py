# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways back of daemons, followed while the system runs, or while it starts and no daemon runs yet."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Failures,
    Record,
    RegisteredFile,
    WayBack,
)

Run = Callable[..., Completed]  # runs a program, with that input if any; it never raises
_JOBS = 60.0  # seconds that what a killed run has begun may take to end


def follow(record: Record, units: str, run: Run) -> Failures:
    """Bring all daemons back while the system runs.

    Args:
        record: what a killed run registered; its files have been put back.
        units: the directory of unit files.
        run: runs a program.

    Returns:
        What fails, by daemon.
    """
    files = _unit_files(record.files, units)
    made = _names(one for one in files if not one.existed)
    if made:
        run(["systemctl", "stop", *made])
    if files:
        run(["systemctl", "daemon-reload"])
    return _by_daemon(record, lambda one: _follow(one, run))


def prepare(record: Record, units: str, run: Run) -> Failures:
    """Bring the settings of all daemons back before any of them is started; answers what fails, by daemon."""
    failures = _by_daemon(record, lambda one: _changed(one, run))
    files = _unit_files(record.files, units)
    if files:
        # systemd has read the unit files as they were, and decided what to start
        back = set(_names(one for one in files if one.existed))
        made = _names(one for one in files if not one.existed)
        active = [unit for one in record.ways_back for unit in one.active if unit in back]
        run(["systemctl", "daemon-reload"])
        if made:
            run(["systemctl", "--no-block", "stop", *made])
        if active:
            run(["systemctl", "--no-block", "start", *active])
    return failures


def _by_daemon(record: Record, bring_back: Callable[[WayBack], list[str]]) -> Failures:
    found = [(one.daemon, bring_back(one)) for one in record.ways_back]
    return {daemon: complaints for daemon, complaints in found if complaints}


def _follow(way: WayBack, run: Run) -> list[str]:
    _wait_for_jobs(way.units, run)
    unmet = [shlex.join(one.argv) for one in way.conditions if run(one.argv, stdin=one.stdin).code != 0]
    if unmet and run(["systemctl", "is-active", *way.active]).code == 0:
        return [f"it goes on with what it has, and would not start again ({', '.join(unmet)})"]
    if way.units and (way.commands or way.down):
        run(["systemctl", "stop", *way.units])
    failures = _changed(way, run)
    if way.active:
        run(["systemctl", "reset-failed", *way.active])
        for verb in ("restart", "is-active"):
            done = run(["systemctl", verb, *way.active])
            failures += [f"systemctl {verb}: {done.complaint}"] if done.code != 0 else []
    return failures


def _changed(way: WayBack, run: Run) -> list[str]:
    """Run the commands; answers which of them fail."""
    done = [(one.argv[0], run(one.argv, stdin=one.stdin)) for one in way.commands]
    return [f"{program}: {one.complaint}" for program, one in done if one.code != 0]


def _wait_for_jobs(units: Sequence[str], run: Run) -> None:
    """Let a reload that the killed run has begun come to its end: a restart would cut it off in the middle."""
    end = time.monotonic() + _JOBS
    while units and time.monotonic() < end:
        if not run(["systemctl", "show", "--property=Job", "--value", *units]).out.strip():
            return
        time.sleep(0.2)


def _unit_files(files: Sequence[RegisteredFile], directory: str) -> list[RegisteredFile]:
    return [one for one in files if one.target.startswith(os.path.join(directory, ""))]


def _names(files: Iterable[RegisteredFile]) -> list[str]:
    """The units that files are of; neither parts of units nor templates."""
    names = [os.path.basename(one.target) for one in files]
    return [name for name in names if not name.endswith(".conf") and "@." not in name]
