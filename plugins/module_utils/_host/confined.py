# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on bytes of others in a child process that has only so much processor time, memory and patience.

A library cannot be trusted to end: a file itself names the iterations of its key derivation, the size of its numbers
and the depth of its nesting. What hangs, crashes or grows in the child does so there alone.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable
from typing import NoReturn

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

PROCESSOR_TIME = 20  # seconds
PATIENCE = 60.0  # seconds, also on a machine with much else to do
MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space, most of which is the program's own
LARGEST_RESULT = 16 * 1024 * 1024  # bytes

_DONE, _PROBLEM = b"d", b"p"
_REMEDY = "get the file again from where it was made, with usual settings"


def confined(work: Callable[[], bytes], what: str) -> bytes:
    """Do some work in a child process.

    Args:
        work: what is done there; its result, and any Problem it raises, come back.
        what: what it works on, for the message.

    Raises:
        Problem: from the work itself; or the work takes too much, or ends the process.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which no module has at this point
        child = os.fork()
    if child == 0:
        _in_the_child(work, reading, writing)
    os.close(writing)
    status = None
    try:
        answer, in_time = _answer(reading)
        if in_time:
            status = os.waitpid(child, 0)[1]
    finally:
        os.close(reading)
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
        raise Problem(f"{what} takes more than {PROCESSOR_TIME} seconds of work, as no proper file does", _REMEDY)
    if answer[:1] == _DONE and status == 0:
        return answer[1:]
    if answer[:1] == _PROBLEM:
        found, remedy, subject, option = json.loads(answer[1:])
        raise Problem(found, remedy, subject=subject, option=option)
    raise Problem(f"{what} cannot be read: the library that does so ended ({_how(status)})", _REMEDY)


def _answer(reading: int) -> tuple[bytes, bool]:
    """What the child writes until it ends, and whether it did so in time."""
    pieces: list[bytes] = []
    received, end = 0, time.monotonic() + PATIENCE
    while received <= LARGEST_RESULT:
        left = end - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b"", False
        piece = os.read(reading, 65536)
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        received += len(piece)
    return b"", False


def _in_the_child(work: Callable[[], bytes], reading: int, writing: int) -> NoReturn:
    """Do the work, write its result and end, without a word of what the parent would say at its own end."""
    code = 1
    try:
        os.close(reading)
        for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU):
            signal.signal(signal_number, signal.SIG_DFL)
        for limit, most in (
            (resource.RLIMIT_CPU, PROCESSOR_TIME),
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(limit)[1]
            resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        _write(writing, _outcome(work))
        code = 0
    finally:
        os._exit(code)


def _outcome(work: Callable[[], bytes]) -> bytes:
    try:
        return _DONE + work()
    except Problem as exc:
        return _PROBLEM + json.dumps([exc.found, exc.remedy, exc.subject, exc.option]).encode()


def _write(writing: int, answer: bytes) -> None:
    while answer:
        answer = answer[os.write(writing, answer[:65536]) :]


def _how(status: int) -> str:
    return (
        f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.waitstatus_to_exitcode(status)}"
    )
