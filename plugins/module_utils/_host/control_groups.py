# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of this process's control groups, cgroups(7), which bind root as well."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_GROUPS, _MOUNTS = "/proc/self/cgroup", "/proc/self/mountinfo"
_CONTROLLER = "pids"
_OF_SYSTEMD = re.compile(r"[\w:.@\\-]+\.(?:service|scope|slice)", re.ASCII)  # the name of a unit


@dataclass(frozen=True)
class Group:
    """A control group that can have no more processes.

    Attributes:
        name: what to call it: the unit that it is of, or its directory.
        limit: how many processes and threads it may have.
        remedy: the command that raises the limit.
    """

    name: str
    limit: int
    remedy: str


def full_group() -> Group | None:
    """The nearest group of this process that is full, else one that has been; None if nobody knows of any."""
    try:
        limited = [one for top, path in _hierarchies() for one in _limited(top, path)]
    except (OSError, ValueError):
        return None
    full = [one for one in limited if one.now >= one.most] or [one for one in limited if one.refused]
    return full[0].named() if full else None


@dataclass(frozen=True)
class _Limited:
    """A control group with a limit, how many processes it has now, and how often it has refused another one."""

    directory: str
    most: int
    now: int
    refused: int

    def named(self) -> Group:
        """What to call it, and how to raise its limit."""
        unit = os.path.basename(self.directory)
        if _OF_SYSTEMD.fullmatch(unit):
            return Group(unit, self.most, f"systemctl set-property --runtime {shlex.quote(unit)} TasksMax=infinity")
        file = f"{self.directory}/pids.max"
        return Group(f"the control group {self.directory}", self.most, f"echo max >{shlex.quote(file)}")


def _hierarchies() -> Iterator[tuple[str, str]]:
    """Where the hierarchies are mounted that may count processes, and this process's group in each."""
    with open(_GROUPS, encoding="utf-8", errors="surrogateescape") as stream:
        groups = [line.rstrip("\n").split(":", 2) for line in stream]
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as table:
        for words in (line.split() for line in table):
            kind, options = words[words.index("-") + 1], words[-1].split(",")
            for number, controllers, path in groups:
                unified = number == "0" and kind == "cgroup2"
                if unified or (kind == "cgroup" and _CONTROLLER in options and _CONTROLLER in controllers.split(",")):
                    yield words[4], path


def _limited(top: str, path: str) -> Iterator[_Limited]:
    """The group at a path and those above it, as far as they have limits."""
    while path.strip("/"):
        directory = top + path
        most = _number(f"{directory}/pids.max")
        if most is not None:
            events = f"{directory}/pids.events"
            yield _Limited(directory, most, _number(f"{directory}/pids.current") or 0, _number(events, "max") or 0)
        path = os.path.dirname(path)


def _number(path: str, name: str = "") -> int | None:
    """The number in a file, or behind a name in it; None if there is none, as where there is no limit."""
    try:
        with open(path, encoding="ascii") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return None
    words = [line.split() for line in lines]
    found = [one[-1] for one in words if one[:-1] == ([name] if name else [])]
    return int(found[0]) if found and found[0].isdecimal() else None
