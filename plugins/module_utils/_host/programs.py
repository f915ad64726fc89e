# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running programs: each has a deadline, and is ended together with all that it has started.

A program that works is given the time that it needs, however slow the host. One that hangs is not: what tells the two
apart is how much of the time a processor is used or waited for, by the program or on its behalf. Some hang by looking
again and again for what never comes, so a little work now and then is none. A disk is waited for longer.
"""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import (
    WORKING,
    Process,
    process,
    processes,
)

IDLE = 10.0  # seconds that a program may do nothing, where the host is not busy
WORK = 15.0  # seconds of processor time; no tool that is run here takes more than a few
LONGEST = 120.0  # seconds, whatever it does
AFTER_A_HANG = 8.0  # seconds for all that is put back once something has hung; a guard goes on with what is left
LARGEST_OUTPUT = 32 * 1024 * 1024  # bytes, of either output
_SHORTEST = 1.0  # seconds that a program may do nothing after others have hung
_COUNTS = (
    5  # times longer than it lasts that work makes up for doing nothing: less than a fifth of the time is too little
)
_DISK = 2  # times longer than for anything else that a disk is waited for
_LOOK = 0.25  # seconds between two looks at a program
_LAST_WORDS = 1.0  # seconds for what is left in its pipes once it has ended
_PIECE = 65536
_BUSIEST = 1.5  # times longer than usual that anything is waited for on a busy host
_ON_A_PROCESSOR = "R"  # or waiting for one
_INIT = 1  # process that starts and stops services for others
_TICKS = os.sysconf("SC_CLK_TCK")


def slowness(most: float = _BUSIEST) -> float:
    """How many times longer than usual anything is waited for: once where every process finds a processor.

    What waits for a processor is seen, so this is for what is seen less well, such as work of others for a program.

    Args:
        most: it is never more than that.
    """
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), most)


class Patience:
    """How long the programs of one call are waited for: less after each one that has hung."""

    def __init__(self) -> None:
        self.idle = IDLE
        self.end = math.inf  # of all patience, by the monotonic clock

    def lost(self) -> None:
        """A program was waited for in vain."""
        self.idle = max(self.idle / 2, _SHORTEST)

    def hasten(self) -> None:
        """From here on there is little time, if a program has hung: others will wait for the same."""
        if self.idle < IDLE:
            self.end = min(self.end, time.monotonic() + AFTER_A_HANG)


class Hanging(Exception):
    """A program was killed because it did not go on.

    Attributes:
        why: what it did, the end of a sentence about it.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class TooMuch(Exception):
    """A program was killed because of all that it wrote."""


@dataclass(frozen=True)
class Surroundings:
    """What a program finds.

    Attributes:
        stdin: descriptor of its standard input.
        environment: its whole environment.
        keep_open: further descriptors that it may read.
    """

    stdin: int
    environment: Mapping[str, str]
    keep_open: Sequence[int] = ()


class _Watch:
    """Looks at a program from time to time, and says when it has waited long enough."""

    def __init__(self, program: subprocess.Popen[bytes], argv: Sequence[str], patience: Patience) -> None:
        self._pid = program.pid
        self._units = frozenset(word for word in argv[1:] if not word.startswith("-"))
        itself = process(program.pid)
        self._born = itself.started if itself else 0
        self._patience = patience
        self._idle_limit = patience.idle
        self._began = self._last = time.monotonic()
        self._idle = self._used_before = 0.0

    def fault(self) -> str | None:
        """Why the program has to end; None while it goes on."""
        now = time.monotonic()
        passed, self._last = now - self._last, now
        own, helping, init = self._at_work()
        used = sum(one.ticks for one in (*own, *helping)) / _TICKS  # also of ended ones, if their parents are here
        states = {one.state for one in (*own, *helping)}
        worked = max(used - self._used_before, 0.0)  # less than nothing once a helper has ended
        self._used_before = used
        # systemd may be at work for somebody else
        if _ON_A_PROCESSOR not in states and (init is None or init.state not in WORKING):
            self._idle += passed / slowness() / (_DISK if states & WORKING else 1)
        self._idle = max(self._idle - worked * _COUNTS, 0.0)
        if self._idle >= self._idle_limit:
            return f"did nothing for {self._idle_limit:g} seconds"
        if now >= max(self._patience.end, self._began + _SHORTEST):
            return "was not done soon after another program had hung"
        if used >= WORK:
            return f"took more than {WORK:g} seconds of processor time"
        if now - self._began >= LONGEST:
            return f"did not end within {LONGEST:g} seconds"
        return None

    def _at_work(self) -> tuple[list[Process], list[Process], Process | None]:
        """The program's own processes, what systemd has started meanwhile for a unit that is named, and systemd.

        What a daemon that ran before starts for its clients is no work for the program.
        """
        found = list(processes())
        own = [one for one in found if one.group == self._pid]
        by_systemd = {_INIT}
        helping = []
        for one in sorted(found, key=lambda one: (one.started, one.pid)):
            if one.started >= self._born and one.parent in by_systemd and one.group != self._pid:
                by_systemd.add(one.pid)
                if self._units & one.control_groups():
                    helping.append(one)
        return own, helping, next((one for one in found if one.pid == _INIT), None)


def run(argv: Sequence[str], surroundings: Surroundings, patience: Patience) -> tuple[int, bytes, bytes]:
    """Run a program until it ends.

    Args:
        argv: program and arguments.
        surroundings: what it finds.
        patience: how long it may do nothing.

    Returns:
        Its exit code and both its outputs.

    Raises:
        Hanging: it did not go on, and was killed with all that it had started.
        TooMuch: it wrote too much, and was killed likewise.
        OSError: it cannot be started.
    """
    program = subprocess.Popen(
        list(argv),
        stdin=surroundings.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=dict(surroundings.environment),
        pass_fds=tuple(surroundings.keep_open),
        start_new_session=True,
    )
    try:
        out, err = _watched(program, argv, patience)
    except BaseException:
        _kill(program)
        raise
    finally:
        for stream in (program.stdout, program.stderr):
            if stream:
                stream.close()
    return program.returncode, out, err


def _watched(program: subprocess.Popen[bytes], argv: Sequence[str], patience: Patience) -> tuple[bytes, bytes]:
    """Both outputs of a program that ends by itself."""
    watch, looked, ended = _Watch(program, argv, patience), time.monotonic(), 0.0
    with selectors.DefaultSelector() as waiting:
        outputs = [_Output(stream.fileno()) for stream in (program.stdout, program.stderr) if stream]
        for output in outputs:
            waiting.register(output.handle, selectors.EVENT_READ, output)
        while waiting.get_map():
            ready = [key.data for key, _events in waiting.select(_LOOK)]
            for output in ready:
                if not output.read():
                    waiting.unregister(output.handle)
            now = time.monotonic()
            if program.poll() is not None:  # a process that it has left behind may hold its outputs for ever
                ended = ended or now
                if now - ended >= _LAST_WORDS:
                    break
            elif now - looked >= _LOOK:
                looked = now
                _refuse_hanging(watch, patience)
    while True:
        try:
            program.wait(_LOOK)
            return outputs[0].content(), outputs[1].content()
        except subprocess.TimeoutExpired:
            _refuse_hanging(watch, patience)


class _Output:
    """One output of a program."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._pieces: list[bytes] = []
        self._size = 0

    def read(self) -> bool:
        """Take what is there; whether there may be more."""
        piece = os.read(self.handle, _PIECE)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LARGEST_OUTPUT:
            raise TooMuch
        return bool(piece)

    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


def _refuse_hanging(watch: _Watch, patience: Patience) -> None:
    fault = watch.fault()
    if fault:
        patience.lost()
        raise Hanging(fault)


def _kill(program: subprocess.Popen[bytes]) -> None:
    """End a program and all that it has started, without waiting for what even the kernel cannot end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(_LAST_WORDS)
