# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work as another user than root: what reads files that this user can write gets no more than the user has anyway."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

# Of the numbers that systemd gives to services without an account of their own (systemd.exec(5), DynamicUser=).
_NAMELESS = range(61184, 65520)

_NO_ANSWER = 2  # exit code of a process that could not find out
_PAUSE = 0.01  # seconds between two looks at it

# Each program has a session of its own anyway, since a terminal takes input from whoever has it open. All processes
# that it has started end with it, also those that left this session.
CONFINED = ("unshare", "--pid", "--fork", "--kill-child", "--")


@dataclass(frozen=True)
class Identity:
    """A user, as whom something is done.

    Attributes:
        uid: number of the user.
        gid: number of the group.
        groups: numbers of all groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, user: str) -> Identity:
        """An account of this host, with its groups; ``:group`` is a user without an account, in that group.

        Raises:
            Problem: there is none of that name.
        """
        if user.startswith(":"):
            return cls._nameless(user[1:])
        try:
            found = pwd.getpwnam(user)
        except KeyError as exc:
            raise Problem(
                f"there is no user {user} on this host, and programs are to run as that user",
                "install the daemon whose user it is",
            ) from exc
        groups = os.getgrouplist(found.pw_name, found.pw_gid)
        return cls(found.pw_uid, found.pw_gid, tuple(sorted(set(groups))))

    @classmethod
    def of_number(cls, uid: int, gid: int) -> Identity:
        """A user by number, with the groups of the account if there is one, else in one group."""
        try:
            return cls.of(pwd.getpwuid(uid).pw_name)
        except KeyError:
            return cls(uid, gid, (gid,))

    @classmethod
    def _nameless(cls, group: str) -> Identity:
        """A user that has no account, files or processes, in one group, which may be a number."""
        try:
            gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError as exc:
            raise Problem(f"there is no group {group} on this host", "install the daemon whose group it is") from exc
        taken = {one.pw_uid for one in pwd.getpwall()} | _running()
        return cls(next(one for one in _NAMELESS if one not in taken), gid, (gid,))

    def command(self, *, confined: bool) -> list[str]:
        """What is put before a program and its arguments to run it as this user, with no way back.

        Args:
            confined: whether this host lets us end whatever the program leaves behind.
        """
        return [
            *(CONFINED if confined else ()),
            "setpriv",
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            f"--groups={','.join(map(str, self.groups))}",
            "--no-new-privs",
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--pdeathsig=KILL",
            "--",
        ]


def asked_as(identity: Identity, question: Callable[[], bool], patience: float) -> bool | None:
    """The answer to a question that a process of this user finds; None where it finds none in time.

    For libraries that read what the user can write: what goes wrong in them, goes wrong there.
    """
    child = os.fork()
    if child == 0:
        code = _NO_ANSWER
        try:
            os.setgroups(identity.groups)
            os.setresgid(identity.gid, identity.gid, identity.gid)
            os.setresuid(identity.uid, identity.uid, identity.uid)
            code = int(question())
        finally:
            os._exit(code)
    end = time.monotonic() + patience
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return {0: False, 1: True}.get(os.waitstatus_to_exitcode(status))
        if time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_PAUSE)


def _running() -> set[int]:
    """Users that have processes."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                found.add(os.stat(f"/proc/{name}").st_uid)
            except OSError:
                continue
    return found


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """Let the kernel judge by another user what this process does with files, until the end; None is nobody else.

    The process stays root's: that user cannot send it signals, nor look into it.
    """
    if identity is None:
        yield
        return
    user, group, groups = os.geteuid(), os.getegid(), os.getgroups()
    os.setgroups(identity.groups)
    os.setegid(identity.gid)
    os.seteuid(identity.uid)
    try:
        yield
    finally:
        os.seteuid(user)
        os.setegid(group)
        os.setgroups(groups)
