# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phases that run in the background, while tests look at other hosts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Outcome = TypeVar("Outcome")


class Background:
    """Runs phases side by side, but those of the same hosts one after the other, in the order they were begun."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def begin(self, hosts: str, run: Callable[[], Outcome]) -> Future[Outcome]:
        """Begin a phase. Its result waits for it, and raises what it has raised.

        Args:
            hosts: a name for the group of hosts, which nobody else may use until the phase is over.
            run: the phase.
        """
        return self._threads.setdefault(hosts, ThreadPoolExecutor(max_workers=1)).submit(run)

    def end(self) -> None:
        """Wait for what is running, and drop the rest."""
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)
