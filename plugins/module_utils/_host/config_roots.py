# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a daemon's configuration lies, and who is trusted with it: a declaration, and the look at whether it holds.

A daemon's programs load modules, run commands and read further files as its configuration says. So they run as root
only on what nobody but root can write; what the daemon's own user can write is read as that user.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.attributes import ACCESS_LIST
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import name_of_group
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity

_ROOT = 0
_NOBODYS_GROUP = 65534
_MOST = 50_000  # files and directories of one daemon's configuration
_ACL_USER, _ACL_GROUP, _ACL_WRITE = 0x02, 0x08, 0x02  # linux/posix_acl.h


@dataclass(frozen=True)
class ConfigRoot:
    """A directory, or a single file, of a daemon's configuration.

    Attributes:
        path: where it is.
        user: the daemon's user, as whom programs read it; empty where root does, since only root can write it.
        configuration: the names in it, as patterns, that programs run by root take instructions from, with all that
            is below them. Other files there are data, and others than root may write them.
    """

    path: str
    user: str = ""
    configuration: tuple[str, ...] = ("*",)


def user_of(roots: Sequence[ConfigRoot]) -> str:
    """As whom programs read all of this; empty for root."""
    (user,) = {root.user for root in roots} or {""}
    return user


def refuse_strangers(roots: Sequence[ConfigRoot], daemon: str) -> None:
    """Refuse configuration that root reads and somebody else can write.

    Args:
        roots: the declaration.
        daemon: its name, for the message.

    Raises:
        Problem: it names the file or directory, who can write it, and what to do.
    """
    for root in roots:
        if root.user:
            continue
        for path, state in _configuration(root, daemon):
            who = stranger(path, state)
            if who:
                name = shlex.quote(path)
                close = f"chown root {name} && chmod go-w {name}"
                raise Problem(
                    f"{path} can be written by {who}, and root runs programs that do what {daemon}'s configuration"
                    " says",
                    f"let only root write it ({f'setfacl --remove-all {name} && ' if _acl(path) else ''}{close}),"
                    " after looking at what it says",
                    subject=daemon,
                    option=path,
                )


def _configuration(root: ConfigRoot, daemon: str) -> Iterator[tuple[str, os.stat_result]]:
    """All files and directories that can decide what a program does, each once; those above the root come first."""
    seen: set[str] = set()
    waiting = [(root.path, root.configuration)]
    while waiting:
        path, patterns = waiting.pop()
        real = os.path.realpath(path)
        for one in (*_above(path), *_above(real), real):
            if one in seen:
                continue
            seen.add(one)
            if len(seen) > _MOST:
                raise Problem(
                    f"there are more than {_MOST} files below {root.path}",
                    "move away what does not belong to the configuration",
                    subject=daemon,
                    option=root.path,
                )
            try:
                state = os.stat(one)
            except OSError:
                continue  # a link to nowhere
            yield one, state
            if one == real and stat.S_ISDIR(state.st_mode):
                waiting += [
                    (os.path.join(path, name), ("*",))
                    for name in _names(real)
                    if any(fnmatchcase(name, pattern) for pattern in patterns)
                ]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError as exc:
        raise causes.problem(exc, "cannot be read", directory) from exc


def reader_of(path: str) -> str | Identity:
    """As whom a program reads a file: whoever besides root can put something into its place; empty where nobody can."""
    own = {_ROOT, os.geteuid()}
    for one in dict.fromkeys((*_above(path), *_above(os.path.realpath(path)), path)):
        try:
            state = os.stat(one)
        except OSError:
            continue
        if state.st_uid not in own:
            return Identity.of_number(state.st_uid, state.st_gid)
        if stranger(one, state):
            everybody = state.st_mode & stat.S_IWOTH or state.st_gid == _ROOT
            return f":{_NOBODYS_GROUP if everybody else state.st_gid}"
    return ""


def _above(path: str) -> list[str]:
    """The directories on the way to a path, the first one first."""
    found: list[str] = []
    while os.path.dirname(path) != path:
        path = os.path.dirname(path)
        found.insert(0, path)
    return found


def stranger(path: str | int, state: os.stat_result) -> str:
    """Somebody besides root, and besides whoever runs this, who can write a file; empty where nobody can."""
    own = {_ROOT, os.geteuid()}
    if state.st_uid not in own:
        return _user(state.st_uid)
    if state.st_mode & stat.S_IWOTH and not (stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX):
        return "everybody"
    if not state.st_mode & stat.S_IWGRP:
        return ""
    if _populated(state.st_gid, own):
        return f"the group {name_of_group(state.st_gid)}"
    for tag, permissions, number in _acl(path):
        if permissions & _ACL_WRITE and tag == _ACL_USER and number not in own:
            return _user(number)
        if permissions & _ACL_WRITE and tag == _ACL_GROUP and _populated(number, own):
            return f"the group {name_of_group(number)}"
    return ""


def _acl(path: str | int) -> list[tuple[int, int, int]]:
    """The entries of an access control list: kind, permissions, and number of the user or group; acl(5)."""
    try:
        packed = os.getxattr(path, ACCESS_LIST)
    except OSError:  # there is none, or the file system has none
        return []
    return list(struct.iter_unpack("<HHI", packed[4:]))


def _populated(gid: int, own: set[int]) -> bool:
    """Whether somebody besides root is in a group; one without a name may have been somebody's."""
    if gid == _ROOT:
        return False
    try:
        members = grp.getgrgid(gid).gr_mem
    except KeyError:
        return True
    names = {one.pw_name for one in pwd.getpwall() if one.pw_uid in own}
    return bool(set(members) - names) or any(one.pw_gid == gid and one.pw_uid not in own for one in pwd.getpwall())


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
