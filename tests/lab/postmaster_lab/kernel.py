# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few kernel calls that Python 3.11 does not offer itself, and facts read from /proc."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library that returns -1 on failure."""
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces (CLONE_NEWPID: its next child)."""
    _call("unshare", flags)


def setns(namespace: int, kind: int = 0) -> None:
    """Move this process into the namespace behind a file descriptor."""
    _call("setns", namespace, kind)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Process ids of the children of a single-threaded process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def is_init(pid: int) -> bool:
    """Whether a process is number 1 of its own pid namespace."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in lines)


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name, which may hold blanks and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int

    @classmethod
    def from_pid(cls, pid: int) -> Process:
        """Take down a process that runs now."""
        return cls(pid, int(_stat_fields(pid)[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie that nobody reaps yet does not."""
        try:
            fields = _stat_fields(self.pid)
        except OSError:
            return False
        return fields[0] not in "ZX" and int(fields[19]) == self.started

    def signal(self, number: int) -> None:
        """Send a signal if it still runs."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def close_descriptors(keep: Iterable[int]) -> None:
    """Close every file descriptor above standard error except those to keep."""
    kept = set(keep)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number not in kept:
            with suppress(OSError):  # the descriptor that listed the directory
                os.close(number)


def cgroup2_mount() -> Path | None:
    """Where the unified cgroup hierarchy is mounted, if it is."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _source, target, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(target)
    return None


def own_cgroup() -> str:
    """Path of this process in the unified cgroup hierarchy, without the leading slash."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line[3:].lstrip("/")
    return ""
