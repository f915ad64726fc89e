# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a transaction does to single files: written for root alone, written to last, compared, removed."""

from __future__ import annotations

import contextlib
import os


def unlink(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def sync_directory(path: str) -> None:
    """Have the disk keep what was renamed, made or removed in a directory."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def same_file(one: str, other: str) -> bool:
    """Whether two names are links to one file; also on overlayfs, which shows hard links as separate files."""
    try:
        first, second = os.lstat(one), os.lstat(other)
    except FileNotFoundError:
        return False
    return (first.st_ctime_ns, first.st_mtime_ns, first.st_size, first.st_mode) == (
        second.st_ctime_ns,
        second.st_mtime_ns,
        second.st_size,
        second.st_mode,
    )


def write_private(path: str, content: bytes) -> None:
    """Write a new file that only root can read at any moment, and have the disk keep it."""
    unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
