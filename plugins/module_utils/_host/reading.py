# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only place that opens a file to read it: regular files only, at most so many bytes, within so much time.

Paths come from administrators, and files can belong to others. A path can lead to a FIFO into which nobody ever writes,
to a device on which opening alone has an effect, or to a file without an end. So a path is first opened for nothing but
its name, then it is looked at what that is, and only a regular file is opened through that very descriptor.
"""

from __future__ import annotations

import os
import stat
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes

LARGEST_FILE = 16 * 1024 * 1024  # bytes; a large main.cf or list of roots has a few hundred thousand
PATIENCE = 20.0  # seconds for one file; a network file system can be slow

_PIECE = 1024 * 1024
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_BY_DESCRIPTOR = "/proc/self/fd"


def content_of(path: str, most: int = LARGEST_FILE) -> bytes | None:
    """Content of a file, or None where there is none. A symbolic link is followed.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        Problem: it is no regular file, it is too large, or it cannot be read.
    """
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as exc:
        raise _unreadable(path, exc) from exc
    try:
        found = os.fstat(place)
        if not stat.S_ISREG(found.st_mode):
            kind = next((name for test, name in _KINDS if test(found.st_mode)), "something else")
            raise Problem(f"{path} is {kind}, not a regular file", "name a regular file, or move this away")
        if found.st_size > most:
            raise _too_large(path, most)
        handle = os.open(f"{_BY_DESCRIPTOR}/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise Problem(f"{path} cannot be read, since /proc is not there", "mount /proc (proc(5))") from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    finally:
        os.close(place)
    try:
        return _all_of(handle, path, most)
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    finally:
        os.close(handle)


def _all_of(handle: int, path: str, most: int) -> bytes:
    """Everything to the end of a file; its size may be wrong, as in /proc, or grow."""
    pieces: list[bytes] = []
    left, end = most + 1, time.monotonic() + PATIENCE
    while left > 0:
        if time.monotonic() > end:
            raise Problem(
                f"{path} could not be read to its end within {PATIENCE:.0f} seconds", "look at its file system"
            )
        piece = os.read(handle, min(left, _PIECE))
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    raise _too_large(path, most)


def _too_large(path: str, most: int) -> Problem:
    return Problem(
        f"{path} has more than {most} bytes, the most that is read of such a file",
        "name the right file, or make this one smaller",
    )


def _unreadable(path: str, exc: Exception) -> Problem:
    if isinstance(exc, OSError):
        return causes.problem(exc, "cannot be read", path)
    return Problem(f"{path} cannot be read ({exc})", "name a file that can be read on this host")
