# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host-wide lock: one transaction at a time."""

from __future__ import annotations

import fcntl
import os
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSLOG_NAME
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.programs import slowness
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import resolved

LOCK_PATIENCE = 60.0  # seconds that a second run waits for the first
_BUSIEST = 5.0  # times longer on a host whose processors all have others waiting: there the first one takes longer too


class Lock:
    """An flock(2) on one file.

    Args:
        path: the file; it stays, since a removed one would not exclude anybody.
        patience: seconds to wait for it; None for those of a run.
    """

    def __init__(self, path: str, patience: float | None = None) -> None:
        self._path = path
        self._patience = LOCK_PATIENCE * slowness(_BUSIEST) if patience is None else patience
        self._handle: int | None = None

    def take(self) -> None:
        """Wait for the lock and take it.

        Raises:
            Problem: another run does not give it up, the file cannot be opened, or others could replace it.
        """
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
            resolved(self._path)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise causes.problem(exc, "cannot be opened", self._path) from exc
        end = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                if time.monotonic() >= end:
                    os.close(handle)
                    raise Problem(
                        "another run, or the guard of one that was cut off, has been changing this host for over"
                        f" {self._patience:.0f} seconds",
                        f"wait until it ends ('journalctl -t {SYSLOG_NAME}' shows what a guard says), then run again",
                    ) from exc
                time.sleep(0.1)
            else:
                self._handle = handle
                return

    def release(self) -> None:
        """Give up the lock, if it is held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
