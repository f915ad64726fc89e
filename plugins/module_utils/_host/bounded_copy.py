# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of a tree that others may be changing: by descriptor, of regular files only, and of a bounded size."""

from __future__ import annotations

import os
import stat

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.staging import is_ours
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.writers import writer

MOST_BYTES = 256 * 1024 * 1024
MOST_NAMES = 50_000
_DEEPEST = 32
_PIECE = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class BoundedCopy:
    """One copy of a directory, or of a single file. It has no links, so what is laid into it stays in it.

    Where only root can make files, a link is root's wish and what it leads to is copied; links that lead back up or
    nowhere, pipes and sockets are left out. Elsewhere they are refused. Our own staged and saved files are left out.

    Args:
        source: what is copied.
        trusted: whether it belongs to root. Otherwise it is copied by whoever can write it: what this user cannot read
            is left out, and nobody else can read the copy.
    """

    def __init__(self, source: str, *, trusted: bool) -> None:
        self._source = source
        self._trusted = trusted
        self._bytes = 0
        self._names = 0

    def to(self, target: str) -> None:
        """Make the copy.

        Raises:
            Problem: there is something other than files and directories, or too much of them.
            OSError: there is nothing to copy, or no room for it.
        """
        real = os.path.realpath(self._source)
        handle = os.open(real, _READ)
        try:
            self._copy(handle, real, target, 0)
        finally:
            os.close(handle)

    def _copy(self, handle: int, path: str, target: str, depth: int) -> None:
        state = os.fstat(handle)
        if stat.S_ISDIR(state.st_mode):
            self._directory(handle, path, target, depth)
        elif stat.S_ISREG(state.st_mode):
            self._file(handle, path, state, target)
        else:
            raise self._refused(path, state.st_mode)

    def _directory(self, handle: int, path: str, target: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise self._too_much(f"directories more than {_DEEPEST} deep")
        os.mkdir(target, 0o700)
        open_to_strangers = not self._trusted or writer(handle, os.fstat(handle)) is not None
        for name in sorted(os.listdir(handle)):
            self._names += 1
            if self._names > MOST_NAMES:
                raise self._too_much(f"more than {MOST_NAMES} files")
            here = os.path.join(path, name)
            kind = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
            if is_ours(name):
                continue
            if stat.S_ISDIR(kind) or stat.S_ISREG(kind):
                self._entry(name, handle, here, os.path.join(target, name), depth)
            elif open_to_strangers:
                raise self._refused(here, kind)
            elif stat.S_ISLNK(kind) and _leads_somewhere(path, here):
                self._entry(os.path.realpath(here), None, here, os.path.join(target, name), depth)

    def _entry(self, name: str, directory: int | None, path: str, target: str, depth: int) -> None:
        try:
            handle = os.open(name, _READ, dir_fd=directory)
        except PermissionError:
            if self._trusted:
                raise
            return
        try:
            self._copy(handle, path, target, depth + 1)
        finally:
            os.close(handle)

    def _file(self, handle: int, path: str, state: os.stat_result, target: str) -> None:
        if state.st_size > MOST_BYTES - self._bytes:
            raise self._too_much(f"more than {MOST_BYTES} bytes, with {path}")
        copy = os.open(target, _WRITE, 0o600)
        try:
            while piece := os.read(handle, _PIECE):
                self._bytes += len(piece)
                if self._bytes > MOST_BYTES:
                    raise self._too_much(f"more than {MOST_BYTES} bytes, with {path}")
                while piece:
                    piece = piece[os.write(copy, piece) :]
            if self._trusted:
                # what not everybody can read is for root alone, since the group is another one here
                mode = stat.S_IMODE(state.st_mode) & 0o777
                os.fchmod(copy, mode if mode & stat.S_IROTH else mode & 0o700)
                os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))  # tables must not look older than they are
        finally:
            os.close(copy)

    def _refused(self, path: str, mode: int) -> Problem:
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        return Problem(
            f"{path} is {kind}, in a directory that others than root can write",
            f"see who has put it there ('ls -ld {path}'), and remove it ('rm {path}')",
            option=path,
        )

    def _too_much(self, what: str) -> Problem:
        return Problem(
            f"{self._source} is too large for a configuration to test it: {what}",
            f"move away what does not belong there ('du -a {self._source} | sort -n' shows it), then run again",
            option=self._source,
        )


def _leads_somewhere(directory: str, link: str) -> bool:
    """Whether a link leads to a file or directory, and not back up."""
    here, real = os.path.join(os.path.realpath(directory), ""), os.path.realpath(link)
    return not here.startswith(os.path.join(real, "")) and (os.path.isfile(real) or os.path.isdir(real))
