# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real cause of what the system refuses, and what to do about it."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import signal
from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.control_groups import full_group
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.obstacles import attribute, mount_of

_AS_ROOT = "run the module as root (become: true)"
_NO_FORK = re.compile(r"Cannot fork|fork\b.*Resource temporarily unavailable")  # the latter may be about a lock too
_NO_LIBRARY = "failed to map segment from shared object"  # ld.so(8), where a limit of memory is reached
_UNLIMITED = "unlimited"
_DISK = "look for faults of the disk in 'journalctl -k'"


def problem(exc: OSError, what: str, path: str | None = None, *, otherwise: str = "a file") -> Problem:
    """What the system has refused.

    Args:
        exc: its refusal.
        what: what cannot be done, such as ``cannot be read``.
        path: the file; None for the one that the refusal names.
        otherwise: what it is about where the refusal names none.
    """
    exc = _of_copy(exc) if isinstance(exc, shutil.Error) else exc
    named = path or exc.filename or otherwise
    place = os.fsdecode(named) if isinstance(named, (str, bytes)) else "a file"
    cause, remedy = explained(exc, place)
    return Problem(f"{place} {what} ({cause})", remedy)


def _of_copy(exc: shutil.Error) -> OSError:
    """The first of the refusals while a directory was copied, of which only the text is left."""
    _source, target, why = exc.args[0][0]
    number = re.match(r"\[Errno (\d+)\] ", str(why))
    words = str(why)[number.end() :] if number else str(why)
    return OSError(int(number.group(1)) if number else 0, words.partition(": ")[0], target)


def explained(exc: OSError, path: str) -> tuple[str, str]:
    """The cause of a refusal, and a remedy.

    Args:
        exc: what the system says.
        path: the file that it is about.
    """
    explain = _EXPLANATIONS.get(exc.errno or 0)
    found = explain(path) if explain else None
    words = exc.strerror or str(exc) or type(exc).__name__
    return found or (words, f"see what is there ('ls -ld {path}'), put that right, and run again")


def unchangeable(path: str) -> tuple[str, str] | None:
    """Why a file can be neither replaced nor made, and a remedy; None where nothing is known against it."""
    directory = os.path.dirname(path)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    mount = mount_of(path)
    if mount and mount.whole:
        return _by_itself(path)
    if mount and mount.read_only:
        return _read_only(path)
    return _marked(path, directory)


def _marked(*paths: str) -> tuple[str, str] | None:
    for path in paths:
        found = attribute(path)
        if found:
            word, letter = found
            return (
                f"{path} is {word}, chattr +{letter}",
                f"remove the attribute ('chattr -{letter} {path}') and run again",
            )
    return None


def _read_only(path: str) -> tuple[str, str]:
    mount = mount_of(path)
    point = mount.point if mount else "/"
    how = mount.remount if mount else "remount,rw"
    return (
        f"the file system at {point} is mounted read-only",
        f"make it writable ('mount -o {how} {point}') and run again; if it became read-only by itself, {_DISK} first",
    )


def _full(path: str) -> tuple[str, str]:
    mount = mount_of(path)
    point = mount.point if mount else "/"
    try:
        found = os.statvfs(point)
        no_inodes = bool(found.f_files) and not found.f_favail and bool(found.f_bavail)
    except OSError:
        no_inodes = False
    if no_inodes:
        return f"no more files fit on the file system at {point}", f"remove files there ('df -i {point}') and run again"
    return f"no space is left on the file system at {point}", f"make room there ('df -h {point}') and run again"


def _link(path: str) -> tuple[str, str]:
    return (
        f"{path} leads in a circle of symbolic links, or through one where none may be",
        f"see who made it ('ls -l {path}'), and remove it ('rm {path}') if it is not yours",
    )


def _quota(path: str) -> tuple[str, str]:
    return f"the quota for {path} is used up", "raise it or make room ('quota'), and run again"


def _denied(path: str) -> tuple[str, str]:
    if os.geteuid() != 0:
        return "Permission denied", _AS_ROOT
    return _marked(path, os.path.dirname(path)) or (
        "Permission denied, even to root",
        "look in 'journalctl -k' for the security module (such as AppArmor) that denies it, and allow it there",
    )


def _by_itself(path: str) -> tuple[str, str] | None:
    mount = mount_of(path)
    if not mount or not mount.whole:
        return None
    return (
        f"{path} is mounted by itself, so that it cannot be replaced",
        f"unmount it ('umount {path}'), or mount its directory instead, and run again",
    )


def limit(number: int) -> str:
    """The value of one of this process's limits, such as ``resource.RLIMIT_NOFILE``."""
    soft = resource.getrlimit(number)[0]
    return _UNLIMITED if soft == resource.RLIM_INFINITY else str(soft)


def _limited(words: str, number: int, option: str) -> tuple[str, str]:
    return (
        f"{words}, whose limit is {limit(number)}",
        f"raise that limit ('ulimit {option}', limits.conf(5)) for the user that Ansible logs in as, and run again",
    )


def _too_large(_path: str) -> tuple[str, str] | None:
    if limit(resource.RLIMIT_FSIZE) == _UNLIMITED:
        return None
    return _limited("the file is too large for this process", resource.RLIMIT_FSIZE, "-f")


def reached(said: str) -> tuple[str, str] | None:
    """The limit that a program has reached, by what it complained about, and a remedy; None where it says none.

    Programs are run with the messages of the C locale, and within the limits of this process.
    """
    if _NO_FORK.search(said):
        return too_many_processes()
    if _NO_LIBRARY in said:
        return no_memory()
    for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        if os.strerror(number) in said:
            return explained(OSError(number, os.strerror(number)), "")
    return None


def ending(number: int) -> str:
    """Why a program has ended, by the number of the signal that ended it."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGXFSZ:
        return f"ended by {name}: a file is larger than the limit of {limit(resource.RLIMIT_FSIZE)} bytes ('ulimit -f')"
    if number == signal.SIGKILL:
        return f"ended by {name}, as where the host has no more memory ('journalctl -k')"
    return f"ended by {name}"


def too_many_processes() -> tuple[str, str]:
    """No process or thread can be made: the limit of a control group, of a user, or of the host is reached."""
    group = full_group()
    if group:
        return (
            f"there are too many processes: {group.name} may have {group.limit}",
            f"raise that limit ('{group.remedy}') or end processes in it, and run again",
        )
    if os.geteuid() != 0 and limit(resource.RLIMIT_NPROC) != _UNLIMITED:  # it does not bind root
        return _limited("there are too many processes", resource.RLIMIT_NPROC, "-u")
    return (
        "there are too many processes on the host",
        "end some of them, or raise the sysctls kernel.threads-max and kernel.pid_max, and run again",
    )


def no_memory() -> tuple[str, str]:
    """There is not enough memory for this process."""
    words, remedy = _limited("there is not enough memory for this process", resource.RLIMIT_AS, "-v")
    return words, f"free memory on the host, or {remedy}"


_EXPLANATIONS: dict[int, Callable[[str], tuple[str, str] | None]] = {
    errno.EROFS: _read_only,
    errno.ENOSPC: _full,
    errno.EDQUOT: _quota,
    errno.ELOOP: _link,
    errno.EACCES: _denied,
    errno.EPERM: _denied,
    errno.EXDEV: _by_itself,
    errno.EBUSY: _by_itself,
    errno.EMFILE: lambda _path: _limited("this process has too many open files", resource.RLIMIT_NOFILE, "-n"),
    errno.ENFILE: lambda _path: ("the host has too many open files", "raise the sysctl fs.file-max and run again"),
    errno.EFBIG: _too_large,
    errno.EAGAIN: lambda _path: too_many_processes(),
    errno.ENOMEM: lambda _path: no_memory(),
    errno.EIO: lambda _path: ("the disk does not do as it is told", _DISK),
}
