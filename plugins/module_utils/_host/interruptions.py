# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals that ask a run to end: they come when everything can still be put back, and never in the middle of that."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The run was asked to end.

    Args:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number).name
        super().__init__(self.signal)


class Interruptions:
    """Turns signals into Interrupted, between begin() and end()."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, object] = {}
        self._held = 0
        self._waiting = 0

    def begin(self) -> None:
        """Take the signals, but for those that are ignored (nohup)."""
        if threading.current_thread() is not threading.main_thread():
            return
        for one in _ASKED:
            if signal.getsignal(one) is not signal.SIG_IGN:
                self._before[one] = signal.signal(one, self._asked)

    def end(self) -> None:
        """Leave them to whoever had them."""
        for one in list(self._before):
            before = self._before.pop(one)
            signal.signal(one, before if callable(before) else signal.SIG_DFL)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._waiting = number
        else:
            raise Interrupted(number)

    @contextlib.contextmanager
    def held(self, *, then_raise: bool) -> Iterator[None]:
        """Let nothing be interrupted until the end.

        Args:
            then_raise: whether a signal that came meanwhile counts afterwards; not where the outcome is certain.
        """
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if then_raise and self._waiting and not self._held:
            number, self._waiting = self._waiting, 0
            raise Interrupted(number)
