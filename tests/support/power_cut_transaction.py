# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cuts the power at each step of a transaction, and looks at what the next one makes of that.

A process of its own, since it forks. The arguments are an empty directory; what is lost of all that was not synced, in
the words of tests/reliability/programs/dying_module.py; and "running" or "recovering". It prints the outcomes as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.reliability.programs.dying_module import Steps
from ansible_collections.postmaster.secure_channel.tests.support.killed_transaction import (
    Daemon,
    build,
    changes,
    shape,
    transaction,
)

HALF_WAY = 52  # a step between two renames of the commit


def until(root: Path, daemon: Daemon, step: int, ending: str, *, begin: bool) -> bool:
    """Whether a child process comes to its end before a step of a transaction, or of what undoes one."""
    child = os.fork()
    if child == 0:
        steps = Steps(f"{root}.attic", step, ending)
        steps.install()
        with transaction(root, daemon, []) as running:
            if begin:
                running.apply(changes(root), [daemon])
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def cut_at(root: Path, step: int, ending: str, *, recovering: bool) -> dict[str, Any]:
    """What is found after the power was cut, and another transaction was begun.

    Args:
        root: where the tree is to be.
        step: the step before which it is cut.
        ending: what is lost.
        recovering: whether it is cut while a killed transaction is undone.
    """
    root.mkdir()
    build(root)
    daemon = Daemon(root)
    before = shape(root, identity=False)
    if recovering:
        assert not until(root, daemon, HALF_WAY, "kill", begin=True)
        assert shape(root, identity=False) != before
    finished = until(root, daemon, step, ending, begin=not recovering)
    problem = ""
    try:
        with transaction(root, daemon, []):
            pass
    except Exception as error:
        problem = repr(error)
    return {
        "step": step,
        "finished": finished,
        "old": shape(root, identity=False) == before,
        "after": shape(root, identity=False),
        "problem": problem,
        "left": sorted(os.listdir(f"{root}.state")) if os.path.exists(f"{root}.state") else [],
    }


def main(directory: str, ending: str, when: str) -> None:
    """Go on until it comes to its end."""
    outcomes: list[dict[str, Any]] = []
    while not outcomes or not outcomes[-1]["finished"]:
        step = len(outcomes) + 1
        outcomes.append(cut_at(Path(directory, str(step)), step, ending, recovering=when == "recovering"))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
