# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of this machine, as proc(5) shows them."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

# Refusals that say nothing of what was asked for, but that this process or the host has reached a limit.
OF_LIMITS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
WORKING = frozenset("RD")  # it has a processor or waits for one, or it waits for a disk
_STOPPED = frozenset("Tt")  # by a signal, or by somebody who traces it
_GONE = frozenset("ZX")


@dataclass(frozen=True)
class Process:
    """A process.

    Attributes:
        pid: its number.
        name: its program's name, cut to 15 bytes by the kernel.
        state: a letter of proc(5).
        parent: number of the process that made it.
        group: its process group.
        ticks: processor time that it and those of its children that have ended have used, in ticks of the clock.
        started: when it was made, in ticks since the boot.
    """

    pid: int
    name: str
    state: str
    parent: int
    group: int
    ticks: int
    started: int

    def control_groups(self) -> frozenset[str]:
        """Names of the control groups that it is in; a service's group has the name of its unit."""
        return frozenset(part for line in self._lines("cgroup") for part in line.partition("::")[2].split("/") if part)

    def frozen(self) -> bool:
        """Whether its control group is frozen, as by ``systemctl freeze``."""
        for line in self._lines("cgroup"):
            path = line.partition("::")[2]
            if path:
                return "frozen 1" in _lines(f"/sys/fs/cgroup{path}/cgroup.events")
        return False

    def beside_us(self) -> bool:
        """Whether it is in the same system as this program, and not in a container that this one can see into."""
        try:
            return os.readlink(f"/proc/{self.pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
        except OSError:
            return True

    def variable(self, name: str) -> str:
        """A variable of the environment that it was started with; empty where there is none."""
        words = "\n".join(self._lines("environ")).split("\0")
        return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), "")

    def users(self) -> frozenset[int]:
        """Numbers of the users as whom it acts, or can."""
        return self._numbers("Uid:")

    def groups(self) -> frozenset[int]:
        """Numbers of the groups that it is in, or can be."""
        return self._numbers("Gid:") | self._numbers("Groups:")

    def _numbers(self, name: str) -> frozenset[int]:
        lines = (line.split() for line in self._lines("status"))
        return frozenset(int(word) for words in lines if words[:1] == [name] for word in words[1:])

    def _lines(self, file: str) -> list[str]:
        return _lines(f"/proc/{self.pid}/{file}")


def _lines(path: str) -> list[str]:
    """Lines of one of the kernel's files; none where it is gone or closed to us."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().splitlines()
    except OSError as exc:
        if exc.errno in OF_LIMITS:
            raise
        return []


def processes() -> Iterator[Process]:
    """All processes but those that have ended."""
    for number in filter(str.isdecimal, os.listdir("/proc")):
        found = process(int(number))
        if found:
            yield found


def process(pid: int) -> Process | None:
    """One process; None where it has ended."""
    name, closed, rest = "\n".join(_lines(f"/proc/{pid}/stat")).partition("(")[2].rpartition(")")
    words = rest.split()
    if not closed or words[0] in _GONE:
        return None
    ticks = sum(int(word) for word in words[11:15])
    return Process(pid, name, words[0], int(words[1]), int(words[2]), ticks, int(words[19]))


@dataclass(frozen=True)
class Halt:
    """A daemon that somebody has halted: it keeps its sockets open and answers nobody.

    Attributes:
        process: its main process.
        how: what was done to it, the end of a sentence.
        remedy: the command that has it go on.
    """

    process: Process
    how: str
    remedy: str


def halt(names: Collection[str]) -> Halt | None:
    """Why a daemon stands still; None where it does not.

    Args:
        names: names of its processes. Only those count that none of the others has made.
    """
    ours = {one.pid: one for one in processes() if one.name in names}
    for one in ours.values():
        if one.parent in ours or not one.beside_us():
            continue
        if one.state in _STOPPED:
            return Halt(one, "is stopped (as by SIGSTOP)", f"kill -CONT {one.pid}")
        if one.frozen():
            units = sorted(name for name in one.control_groups() if name.endswith(".service"))
            thaw = f"systemctl thaw {units[0]}" if units else f"thaw the control group of process {one.pid}"
            return Halt(one, "is frozen (as by 'systemctl freeze')", thaw)
    return None
