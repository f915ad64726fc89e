# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A killed run undone without another run: the program that a transaction leaves beside its journal."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import staging, way_back
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import Journal
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.leftovers import end_leftovers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.lock import Lock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSLOG_NAME
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    sync_directory,
    unlink,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import Failures, Record

_PATIENCE = 120  # seconds that a program may take
_PAUSE = 5  # seconds until what failed is tried again
_AT_BOOT = 30.0  # seconds to wait for the lock while the system starts


def run(argv: Sequence[str], stdin: str = "") -> Completed:
    """Run a program."""
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return Completed(1, "", str(exc))
    return Completed(done.returncode, done.stdout, done.stderr)


class Recovery:
    """Undoes what a killed run left.

    Args:
        places: where things are.
        bring_back: brings the daemons back once the files are old again; answers what fails, by daemon.

    Attributes:
        undone: whether there was something to be undone, and it was.
        owed: what is left, where all files are back and only daemons are not; the journal says no more than that.
    """

    def __init__(self, places: Places, bring_back: Callable[[Record], Failures]) -> None:
        self._places = places
        self._bring_back = bring_back
        self._journal = Journal(places)
        self.undone = False
        self.owed: Record | None = None

    def attempt(self) -> list[str]:
        """Undo it, or tidy up behind a run that had succeeded; the lock is held. Answers what fails.

        Raises:
            Problem: the journal cannot be followed.
        """
        record = self._journal.read()
        left = end_leftovers() if record is not None else []
        if left:
            return left
        waiting = []
        if record is not None and record.owed is not None:
            waiting.append(record.owed)
        if record is not None and record.done:
            staging.tidy(record.files)
        elif record is not None:
            waiting += [record] if record.begun else []
            failures = staging.put_back(record)
            if failures:
                return failures
            self.undone = True
        owed, complaints = self._bring_daemons_back(waiting)
        if owed is not None:
            self.undone = False
            self.owed = owed
            self._journal.write(owed)
            return complaints
        self.undone |= bool(waiting)
        clear(self._places)
        return []

    def _bring_daemons_back(self, records: Sequence[Record]) -> tuple[Record | None, list[str]]:
        """Bring all daemons back; answers what is left of that, and what fails."""
        owed: Record | None = None
        complaints = []
        for record in records:
            failures = self._bring_back(record)
            if failures:
                complaints += [f"{daemon}: {one}" for daemon, some in failures.items() for one in some]
                owed = record.of(failures).with_owed(owed)
        return owed, complaints


def clear(places: Places) -> None:
    """Remove everything that a transaction leaves of its own; the journal first, since it demands to be followed."""
    journal = Journal(places)
    journal.close()
    if os.path.lexists(places.unit):  # it is made first, and removed last
        unlink(places.wanted)
        with contextlib.suppress(OSError):  # not made yet, or not empty
            sync_directory(os.path.dirname(places.wanted))  # else a power cut brings back a link that leads nowhere
            os.rmdir(os.path.dirname(places.wanted))
        unlink(places.unit)
        sync_directory(places.units)
    journal.remove()


# ---- the program


def watch(places: Places) -> int:
    """Wait until the run has ended, one way or another; undo it where that is due, again and again if need be."""
    recovery = Recovery(places, lambda record: way_back.follow(record, places.units, run))
    _tell_systemd("READY=1")
    said: list[str] = []
    while True:
        failures = _attempt(recovery, Lock(places.lock, math.inf))
        if not failures:
            _log_if_undone(recovery)
            return 0
        if failures != said:
            _log(f"what a killed run left could not be undone yet ({'; '.join(failures)})")
            said = failures
        time.sleep(_PAUSE)


def boot(places: Places) -> int:
    """Undo what was cut off, before any daemon is started; where that fails, leave it to another process."""
    recovery = Recovery(places, lambda record: way_back.prepare(record, places.units, run))
    failures = _attempt(recovery, Lock(places.lock, _AT_BOOT))
    if failures:
        _log(f"what a killed run left could not be undone before the daemons start ({'; '.join(failures)})")
        words = [sys.executable, "-IS", places.program, "watch"]
        where = [places.state, places.lock, places.units, places.systemd]
        name = f"--property=SyslogIdentifier={SYSLOG_NAME}"
        run(["systemd-run", "--quiet", "--collect", "--no-block", name, *words, *where])
    _log_if_undone(recovery)
    return 1 if failures else 0


def _attempt(recovery: Recovery, lock: Lock) -> list[str]:
    """One attempt with the lock held."""
    try:
        lock.take()
        return recovery.attempt()
    except Problem as exc:
        return [exc.message]
    except OSError as exc:
        return [str(exc)]
    finally:
        lock.release()


def _tell_systemd(message: str) -> None:
    """sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect("\0" + address[1:] if address.startswith("@") else address)
            notify.send(message.encode())


def _log_if_undone(recovery: Recovery) -> None:
    if recovery.undone:
        _log("a run was killed half-way; what it had changed was put back")


def _log(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def main() -> int:
    """Run as the program: which way, and the places. Answers the program's exit code."""
    how, *where = sys.argv[1:]
    return {"watch": watch, "boot": boot}[how](Places(*where))
