# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a file unchangeable that no permission shows: attributes, mounts, read-only file systems."""

from __future__ import annotations

import array
import fcntl
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

_GET_FLAGS = 0x80006601 | array.array("L").itemsize << 16  # FS_IOC_GETFLAGS, ioctl_iflags(2)
_ATTRIBUTES = {0x10: ("immutable", "i"), 0x20: ("append-only", "a")}
_OCTAL_DIGITS = 3
_TABLE = "/proc/self/mountinfo"


@dataclass(frozen=True)
class Mount:
    """A mount, as proc(5) shows it.

    Attributes:
        point: where it is.
        read_only: whether nothing can be written through it.
        remount: the options with which mount(8) makes it writable again.
        whole: whether it is the very file that was asked for.
    """

    point: str
    read_only: bool
    remount: str
    whole: bool = False


def _unescaped(word: str) -> str:
    """A path in which the kernel has written blanks and the like as octal numbers."""
    first, *parts = word.split("\\")
    return first + "".join(chr(int(part[:_OCTAL_DIGITS], 8)) + part[_OCTAL_DIGITS:] for part in parts)


def _mounts() -> Iterable[Mount]:
    with open(_TABLE, encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.split()
            here = "ro" in words[5].split(",")
            everywhere = "ro" in words[-1].split(",")
            yield Mount(_unescaped(words[4]), here or everywhere, "remount,rw" if everywhere else "remount,bind,rw")


def mount_of(path: str) -> Mount | None:
    """The mount that a path is in; None where the kernel does not tell, or somebody is changing the way there."""
    try:
        real = os.path.realpath(path)
        above = [one for one in _mounts() if one.point in ("/", real) or real.startswith(one.point + "/")]
    except OSError:
        return None
    found = max(reversed(above), key=lambda one: len(one.point), default=None)  # the last of several in one place
    return found and replace(found, whole=found.point == real)


def attribute(path: str) -> tuple[str, str] | None:
    """What chattr(1) has set against any change, in words and as its letter; None for nothing."""
    try:
        # a FIFO or a device is not waited for
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        flags = array.array("L", [0])
        fcntl.ioctl(handle, _GET_FLAGS, flags)
        return next((words for bit, words in _ATTRIBUTES.items() if flags[0] & bit), None)
    except OSError:
        return None
    finally:
        os.close(handle)
