# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a transaction does to single files: written for root alone, written to last, compared, removed.

A file is named by its path, or by its name in a directory that is held open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity

_REMOVAL = 30.0  # seconds; somebody may go on making files in what is removed


def unlink(name: str, directory: int | None = None) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(name, dir_fd=directory)


def sync_directory(path: str) -> None:
    """Have the disk keep what was renamed, made or removed in a directory."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exists(name: str, directory: int) -> bool:
    """Whether anything has a name in a directory, be it a link that leads nowhere."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def same_file(one: str, other: str, directory: int) -> bool:
    """Whether two names are links to one file; also on overlayfs, which shows hard links as separate files."""
    try:
        first, second = (os.stat(name, dir_fd=directory, follow_symlinks=False) for name in (one, other))
    except FileNotFoundError:
        return False
    return (first.st_ctime_ns, first.st_mtime_ns, first.st_size, first.st_mode) == (
        second.st_ctime_ns,
        second.st_mtime_ns,
        second.st_size,
        second.st_mode,
    )


def make_private(path: str, identity: Identity | None) -> None:
    """Make a directory that only one user can enter, through those above it that are the transaction's own."""
    os.mkdir(path, 0o700)
    if identity:
        os.chown(path, identity.uid, identity.gid)
        directory = os.path.dirname(path)
        for above in (directory, os.path.dirname(directory)):
            os.chmod(above, 0o701)  # the way to it; whatever else is there is for root alone


def read_regular(path: str, most: int) -> bytes:
    """The content of a file that somebody else may have made. Raises OSError where it is something else, or larger."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return content


def create(name: str, directory: int | None = None) -> int:
    """Make a new file that only root can read at any moment; whatever has its name already is an error.

    Returns:
        A file descriptor, for writing.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=directory)


def write_private(path: str, content: bytes) -> None:
    """Write a new file that only root can read at any moment, in a directory of root's, and have the disk keep it."""
    unlink(path)
    with os.fdopen(create(path), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def remove_tree(path: str) -> None:
    """Remove a directory with all that is below it, however deep; no link is followed, and what resists stays."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(path)


def _empty(top: int) -> None:
    """Remove what is in a directory: directories below one of its own come up beside it, until there are none."""
    end = time.monotonic() + _REMOVAL
    while (names := os.listdir(top)) and time.monotonic() < end:
        for name in names:
            if _unlinked(name, top):
                continue
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for one in os.listdir(below):
                    if not _unlinked(one, below):
                        os.rename(one, os.urandom(16).hex(), src_dir_fd=below, dst_dir_fd=top)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=top)


def _unlinked(name: str, directory: int) -> bool:
    """Whether it was no directory, and is gone."""
    try:
        os.unlink(name, dir_fd=directory)
    except IsADirectoryError:
        return False
    return True
