# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where root may write: reached step by step, through directories in which nobody else can put anything.

Whoever can write in a directory can put a link, a pipe or another directory in place of what root has looked at
just before. So each directory on the way is held open while the next one is looked up in it, a link is followed only
where it is root's own, and a directory that somebody else can change is refused. The one exception is the user that a
file is meant for, who gets it anyway.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import name_of_user
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.writers import (
    Writer,
    trusted_users,
    writer,
    writer_besides_owner,
)

_ANY_FILE = ".postmaster"  # stands for a file in a directory
_LINKS = 40  # as many as the kernel follows; path_resolution(7)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def uid_of(user: str) -> int | None:
    """Number of a user, None where there is none; a file may belong to a number without a name."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return int(user) if user.isdecimal() else None


class _Walk:
    """A way through the tree, on which the directory that it has reached is held open."""

    def __init__(self) -> None:
        self.handle = os.open("/", _DIRECTORY)
        self.path = "/"

    def look(self, name: str) -> os.stat_result | None:
        """What has a name in this directory, None where nothing has."""
        try:
            return os.stat(name, dir_fd=self.handle, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def enter(self, name: str) -> None:
        """Go on into a directory; never through a link."""
        path = os.path.dirname(self.path) if name == ".." else os.path.join(self.path, name)
        try:
            handle = os.open(name, _DIRECTORY, dir_fd=self.handle)
        except OSError as exc:
            found = self.look(name) if exc.errno in (errno.ENOTDIR, errno.ELOOP) else None
            code = errno.ELOOP if found and stat.S_ISLNK(found.st_mode) else exc.errno
            raise OSError(code, os.strerror(code or 0), path) from exc
        os.close(self.handle)
        self.handle, self.path = handle, path

    def restart(self) -> None:
        """Go back to the root directory."""
        os.close(self.handle)
        self.handle, self.path = os.open("/", _DIRECTORY), "/"

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.handle)


@dataclass(frozen=True)
class _Directory:
    """A directory on the way: its path, what is known of it, and who else may change it."""

    path: str
    state: os.stat_result
    friends: Collection[int]
    is_shared: bool  # whether somebody else can make files in it, friends too
    others: Writer | None  # who can, besides its owner and the friends

    @property
    def mode(self) -> str:
        """Its permission bits, as a message shows them."""
        return f"mode {stat.S_IMODE(self.state.st_mode):04o}"

    def check(self) -> None:
        """Refuse a directory in which somebody else can replace what is root's.

        In a sticky directory such as ``/tmp`` nobody can.

        Raises:
            Problem: somebody can.
        """
        owner, others = name_of_user(self.state.st_uid), self.others
        if self.state.st_uid not in {*trusted_users(), *self.friends}:
            raise Problem(
                f"the directory {self.path} belongs to {owner} ({self.mode}), who can put links and other files in"
                " place of those that root writes",
                f"choose a place that only root can write, or give the directory to root: chown root {self.path}",
            )
        if others and not self.state.st_mode & stat.S_ISVTX:
            raise Problem(
                f"the directory {self.path} of {owner} can be written by {others} ({self.mode}), who can put links and"
                " other files in place of those that root writes",
                f"choose a place that only root can write, or close the directory: chmod go-w {self.path}",
            )


def _check(walk: _Walk, friends: Collection[int]) -> _Directory:
    state = os.fstat(walk.handle)
    found = _Directory(
        walk.path,
        state,
        friends,
        writer(walk.handle, state) is not None,
        writer_besides_owner(walk.handle, state, friends),
    )
    found.check()
    return found


def _check_link(directory: _Directory, path: str, link: os.stat_result) -> None:
    """Refuse a link that somebody else has made, or could have.

    Raises:
        Problem: it is such a link.
    """
    if directory.is_shared or link.st_uid not in trusted_users():
        raise Problem(
            f"{path} is a symbolic link of {name_of_user(link.st_uid)} in a directory of"
            f" {name_of_user(directory.state.st_uid)} ({directory.mode}); only links of root are followed, in"
            " directories that nobody else can write",
            f"see where it leads: readlink {path}; then remove it, or choose another place",
        )


def _check_file(directory: _Directory, path: str, file: os.stat_result) -> None:
    """Refuse what cannot be replaced by a file of ours, or has been put there by somebody else.

    Raises:
        Problem: it is that.
    """
    if not stat.S_ISREG(file.st_mode):
        kind = _KINDS.get(stat.S_IFMT(file.st_mode), "something else")
        raise Problem(f"{path} is {kind}, not a regular file", "move it away, or choose another place")
    if not directory.is_shared:
        return
    if file.st_uid not in {*trusted_users(), *directory.friends}:
        raise Problem(
            f"{path} belongs to {name_of_user(file.st_uid)}, in a directory that others can write ({directory.path})",
            "move it away, or choose another place",
        )
    if file.st_nlink > 1:
        raise Problem(
            f"{path} has {file.st_nlink} names (hard links), in a directory that others can write ({directory.path})",
            "move it away, or choose another place",
        )


def resolved(path: str, friends: Collection[int] = ()) -> str:
    """Where a path leads once links are followed. The file, and directories above it, may be missing.

    Args:
        path: an absolute path.
        friends: numbers of users whom the file is meant for.

    Raises:
        Problem: somebody else can change what is on the way, or there is something other than a file.
    """
    if not os.path.isabs(path):
        raise Problem(f"{path} is a relative path", "give an absolute path, one that begins with /")
    walk = _Walk()
    try:
        return _resolved(walk, path, friends)
    except OSError as exc:
        raise Problem(
            f"{path} cannot be changed ({exc.filename}: {exc.strerror})",
            "choose a place below directories, and run the module as root (become: true)",
        ) from exc
    finally:
        walk.close()


def check_option(path: str, option: str) -> None:
    """Refuse the path that an option names for a file of root's, before anything is read from there.

    Raises:
        Problem: root cannot safely write there.
    """
    try:
        resolved(path)
    except Problem as exc:
        raise exc.about(option=option) from exc


def check_directory(path: str, option: str) -> None:
    """Refuse the directory that an option names for files of root's. It may be missing.

    Raises:
        Problem: root cannot safely write there.
    """
    check_option(os.path.join(path, _ANY_FILE), option)


def _resolved(walk: _Walk, path: str, friends: Collection[int]) -> str:
    links, todo = 0, _parts(path)
    while todo:
        directory = _check(walk, friends)
        name = todo.pop(0)
        here, found = os.path.join(walk.path, name), walk.look(name)
        if found is None:
            return os.path.normpath(os.path.join(here, *todo))
        if stat.S_ISLNK(found.st_mode):
            _check_link(directory, here, found)
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), here)
            leads_to = os.readlink(name, dir_fd=walk.handle)
            if os.path.isabs(leads_to):
                walk.restart()
            todo = _parts(leads_to) + todo
        elif todo or name == "..":
            walk.enter(name)
        else:
            _check_file(directory, here, found)
            return here
    raise Problem(f"{path} is a directory, not a regular file", "choose another place")


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


@contextlib.contextmanager
def held(directory: str, friends: Collection[int] | None = None) -> Iterator[int]:
    """A directory, held open, so that what is done in it is done there and nowhere else.

    Args:
        directory: its path, as :func:`resolved` gives it: there is no link in it.
        friends: numbers of users who may be able to change it; None does not ask who can, which is enough for undoing
            and for moving files within the directory.

    Yields:
        A file descriptor.

    Raises:
        OSError: it is missing, or a link is in the way.
        Problem: somebody else can change it.
    """
    walk = _Walk()
    try:
        for name in _parts(directory):
            if friends is not None:
                _check(walk, friends)
            walk.enter(name)
        if friends is not None:
            _check(walk, friends)
        yield walk.handle
    finally:
        walk.close()
