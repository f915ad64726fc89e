# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Phases that are told in the background, while tests look at other hosts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Told = TypeVar("Told")


class Background:
    """Tells phases side by side, but those of the same hosts one after the other, in the order they were begun."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def begin(self, hosts: str, tell: Callable[[], Told]) -> Future[Told]:
        """Begin a phase; whoever asks for its result waits for it, and gets what it may have raised.

        Args:
            hosts: what the group of hosts is called that nobody else may use until it is told.
            tell: the phase.
        """
        return self._threads.setdefault(hosts, ThreadPoolExecutor(max_workers=1)).submit(tell)

    def end(self) -> None:
        """Wait for what has begun, and forget the rest."""
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)
