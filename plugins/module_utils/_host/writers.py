# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who besides root can write a file: by its owner, its mode and its access control list, acl(5).

A group counts where somebody is in it. Whoever can write in a directory can make files there; where it is sticky,
nobody but the owners can replace what is there already.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.attributes import ACCESS_LIST
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import name_of_group
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import GROUP_FILE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.processes import processes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of

_ROOT = 0
_WRITE = 0x02
_USER, _OWN_GROUP, _GROUP, _MASK, _OTHER = 0x02, 0x04, 0x08, 0x10, 0x20  # linux/posix_acl.h
_NO_LIST = (errno.ENODATA, errno.ENOTSUP)


@dataclass(frozen=True)
class Writer:
    """Somebody who can write a file: a user, the members of a group, or everybody.

    Attributes:
        user: number of the user.
        group: number of the group.
    """

    user: int | None = None
    group: int | None = None

    def __str__(self) -> str:
        """Who that is, for a message."""
        if self.user is not None:
            try:
                return pwd.getpwuid(self.user).pw_name
            except KeyError:
                return f"the user {self.user}"
        return "everybody" if self.group is None else f"the group {name_of_group(self.group)}"


def trusted_users() -> set[int]:
    """Users who can do anything anyway: root, and whoever runs this."""
    return {_ROOT, os.geteuid()}


def writer(place: str | int, state: os.stat_result, trusted: Collection[int] = ()) -> Writer | None:
    """Somebody else who can write a file, or make files in a directory; None where nobody can.

    Args:
        place: its path, or a descriptor of it.
        state: what is known of it.
        trusted: numbers of users who do not count, besides those who can do anything anyway.
    """
    return owner(state, trusted) or writer_besides_owner(place, state, trusted)


def owner(state: os.stat_result, trusted: Collection[int] = ()) -> Writer | None:
    """The owner of a file, None for one who does not count; also of a symbolic link, which nobody else can change."""
    return None if state.st_uid in {*trusted_users(), *trusted} else Writer(user=state.st_uid)


def replacer(place: str | int, state: os.stat_result) -> Writer | None:
    """Who besides root can replace a file of root's in a directory; None where nobody can."""
    return owner(state) or (None if state.st_mode & stat.S_ISVTX else writer_besides_owner(place, state))


def writer_besides_owner(place: str | int, state: os.stat_result, trusted: Collection[int] = ()) -> Writer | None:
    """The same as :func:`writer`, but for the owner."""
    users = {*trusted_users(), *trusted}
    for one in _permitted(place, state):
        if one.user is not None:
            if one.user not in users:
                return one
        elif one.group is None or _has_members(one.group, users):
            return one
    return None


def _permitted(place: str | int, state: os.stat_result) -> Iterator[Writer]:
    """All who may write besides the owner, whoever they are; everybody first."""
    if state.st_mode & stat.S_IWOTH:
        yield Writer()
    if not state.st_mode & stat.S_IWGRP:  # with a list, this is its mask
        return
    entries = _access_list(place)
    if not entries:
        yield Writer(group=state.st_gid)
    for tag, permissions, number in entries:
        if permissions & _WRITE and tag == _USER:
            yield Writer(user=number)
        elif permissions & _WRITE and tag in (_GROUP, _OWN_GROUP):
            yield Writer(group=state.st_gid if tag == _OWN_GROUP else number)


def has_access_list(place: str | int) -> bool:
    """Whether there is a list, which a change of the mode alone does not remove."""
    return bool(_access_list(place))


def _access_list(place: str | int) -> list[tuple[int, int, int]]:
    """Kind, permissions, and number of the user or group, of each entry."""
    try:
        packed = os.getxattr(place, ACCESS_LIST)
    except FileNotFoundError:
        return []
    except OSError as exc:
        if exc.errno in _NO_LIST:
            return []
        raise
    return list(struct.iter_unpack("<HHI", packed[4:]))


def _has_members(gid: int, users: Collection[int]) -> bool:
    """Whether anybody but these users is in a group, as far as this host can tell."""
    try:
        members = grp.getgrgid(gid).gr_mem
    except KeyError:
        return True  # it may have been somebody's, and may become somebody's
    accounts = pwd.getpwall()
    names = {one.pw_name for one in accounts if one.pw_uid in users}
    return (
        bool(set(members) - names)
        or any(one.pw_gid == gid and one.pw_uid not in users for one in accounts)
        or not _is_local(gid)
        or _has_processes(gid, users)
    )


def _is_local(gid: int) -> bool:
    """Whether the group is this host's own; a directory service need not tell all members of its groups."""
    lines = (content_of(GROUP_FILE) or b"").splitlines()
    return any(line.split(b":")[2:3] == [str(gid).encode()] for line in lines)


def _has_processes(gid: int, users: Collection[int]) -> bool:
    """Whether a program of somebody else runs in the group, as services do without anybody being a member."""
    return any(gid in one.groups() and not one.users() <= set(users) and one.beside_us() for one in processes())
