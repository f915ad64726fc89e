# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module of the collection on this host, and end it at one of its steps. Runs on the host.

``dying_module.py CODE MODULE STEP ENDING`` with the module's arguments as JSON on standard input. CODE holds the
packages ``ansible`` and ``ansible_collections``. A step is whatever changes the host or makes a change last: a call of
the os module, an opened file, or a program with an effect, before and after it. Before step number STEP comes the end:

- ``kill``: SIGKILL.
- ``term``, ``hup``: SIGTERM or SIGHUP, after which the module goes on if it likes.
- ``pause``: it waits for two seconds, then goes on.
- ``names``: a power cut. No name survives that was made, changed or removed in a directory and not synced since.
- ``torn``: the same, but names survive in the directory that was touched last.
- ``data``: a power cut. All names survive, but no content, owner or mode of a file that was not synced since.

With step 0 nothing ends it. At its end, and before it is ended, it writes how many steps it has taken to CODE/steps.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

COLLECTION = "ansible_collections.postmaster.secure_channel.plugins"
MIRRORS = "/transaction/mirror-"  # private copies for tests, which nothing else looks at
PAUSE = 2.0  # seconds
ASKING = {"term": signal.SIGTERM, "hup": signal.SIGHUP}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_real = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
_open = builtins.open


def real_path(path: Any, directory: int | None) -> str:
    """The absolute path of what a call names."""
    if isinstance(path, int):
        return str(_real["readlink"](f"/proc/self/fd/{path}"))
    name = os.fsdecode(path)
    if directory is not None and not os.path.isabs(name):
        name = os.path.join(_real["readlink"](f"/proc/self/fd/{directory}"), name)
    parent, last = os.path.split(os.path.abspath(name))
    return os.path.join(os.path.realpath(parent), last)


class Disk:
    """What a disk has not been told to keep yet.

    Args:
        attic: a directory for what is removed, in case that comes back.
    """

    def __init__(self, attic: str) -> None:
        self.attic = attic
        self.names: list[tuple[str, Callable[[], None]]] = []  # directory, how to undo what was done in it
        self.data: dict[int, str] = {}  # inode -> path
        self.looks: dict[int, tuple[str, os.stat_result]] = {}
        self.count = 0
        shutil.rmtree(attic, ignore_errors=True)
        _real["makedirs"](attic, mode=0o700)

    def keep(self, path: str) -> str:
        """Another name for a file that is about to lose one."""
        self.count += 1
        kept = os.path.join(self.attic, str(self.count))
        try:
            _real["link"](path, kept, follow_symlinks=False)
        except OSError:  # there is none
            return ""
        return kept

    def noted(self, path: str, undo: Callable[[], None]) -> None:
        """Something was done to a name."""
        self.names.append((os.path.dirname(path), undo))

    def synced(self, path: str) -> None:
        """The disk keeps a file, or the names in a directory."""
        self.names = [one for one in self.names if one[0] != path]
        inode = _real["stat"](path).st_ino
        self.data.pop(inode, None)
        self.looks.pop(inode, None)

    def moved(self, inode: int, path: str) -> None:
        """A file has another name now."""
        if inode in self.data:
            self.data[inode] = path
        if inode in self.looks:
            self.looks[inode] = (path, self.looks[inode][1])

    def lose_names(self, *, but_last: bool) -> None:
        """The power fails, and no name that was not synced survives, but perhaps those in the last directory."""
        survives = self.names[-1][0] if self.names and but_last else ""
        for directory, undo in reversed(self.names):
            if directory != survives:
                with contextlib.suppress(OSError):
                    undo()

    def lose_data(self) -> None:
        """The power fails, and nothing but names survives of files that were not synced."""
        for path, about in self.looks.values():
            with contextlib.suppress(OSError):
                _real["chown"](path, about.st_uid, about.st_gid, follow_symlinks=False)
                _real["chmod"](path, about.st_mode & 0o7777)
        for path in self.data.values():
            with contextlib.suppress(OSError):
                _real["truncate"](path, 0)


class Steps:
    """Counts steps, and ends the process before the last one.

    Args:
        code: where the packages are.
        last: the number of that step.
        ending: how it ends.
        cut: ends everything else at a power cut.
    """

    def __init__(self, code: str, last: int, ending: str, cut: Callable[[], None] = lambda: None) -> None:
        self.code, self.last, self.ending, self.cut = code, last, ending, cut
        self.count = 0
        self.disk = Disk(os.path.join(code, "attic"))

    def write_count(self) -> None:
        """Leave a note of how many there were."""
        with _open(os.path.join(self.code, "steps"), "w") as stream:
            stream.write(str(self.count))

    def take(self, path: str = "") -> None:
        """One step more."""
        if MIRRORS in path or path.startswith((self.code, "/proc/", "/dev/", "/memfd:")):
            return
        self.count += 1
        if self.count != self.last:
            return
        self.write_count()
        if self.ending in ASKING:
            os.kill(os.getpid(), ASKING[self.ending])
        elif self.ending == "pause":
            time.sleep(PAUSE)
        else:
            if self.ending in ("names", "torn"):
                self.disk.lose_names(but_last=self.ending == "torn")
            elif self.ending == "data":
                self.disk.lose_data()
            if self.ending in ("names", "torn", "data"):
                self.cut()
            os.kill(os.getpid(), signal.SIGKILL)

    # ---- what is counted

    def install(self) -> None:
        """Stand between the module and the host."""
        os.chmod = self.looking("chmod")
        os.chown = self.looking("chown")
        os.fchmod = self.looking("fchmod")
        os.fchown = self.looking("fchown")
        for name in ("fsync", "link", "mkdir", "open", "rmdir", "symlink", "unlink"):
            setattr(os, name, getattr(self, name))
        os.remove = self.unlink
        os.rename = self.renaming("rename")
        os.replace = self.renaming("replace")
        vars(builtins)["open"] = self.open_file

    def looking(self, name: str) -> Callable[..., Any]:
        """A function that changes owner or mode."""

        def step(path: Any, *args: Any, **kwargs: Any) -> None:
            where = real_path(path, kwargs.get("dir_fd"))
            self.take(where)
            with contextlib.suppress(OSError):
                about = _real["stat"](where)
                self.disk.looks.setdefault(about.st_ino, (where, about))
            _real[name](path, *args, **kwargs)

        return step

    def fsync(self, handle: int) -> None:
        """Counted; the lab's disk is memory and has nothing to do."""
        where = real_path(handle, None)
        self.take(where)
        self.disk.synced(where)

    def link(self, source: Any, target: Any, **kwargs: Any) -> None:
        """Counted."""
        where = real_path(target, kwargs.get("dst_dir_fd"))
        self.take(where)
        _real["link"](source, target, **kwargs)
        self.disk.noted(where, lambda: _real["unlink"](where))

    def symlink(self, source: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        """Counted."""
        where = real_path(target, kwargs.get("dir_fd"))
        self.take(where)
        _real["symlink"](source, target, *args, **kwargs)
        self.disk.noted(where, lambda: _real["unlink"](where))

    def mkdir(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Counted."""
        where = real_path(path, kwargs.get("dir_fd"))
        self.take(where)
        _real["mkdir"](path, *args, **kwargs)
        self.disk.noted(where, lambda: shutil.rmtree(where, ignore_errors=True))

    def rmdir(self, path: Any, **kwargs: Any) -> None:
        """Counted."""
        where = real_path(path, kwargs.get("dir_fd"))
        self.take(where)
        about = _real["stat"](where)
        _real["rmdir"](path, **kwargs)

        def undo() -> None:
            _real["mkdir"](where, about.st_mode & 0o7777)
            _real["chown"](where, about.st_uid, about.st_gid)

        self.disk.noted(where, undo)

    def unlink(self, path: Any, **kwargs: Any) -> None:
        """Counted, where there is something to remove."""
        where = real_path(path, kwargs.get("dir_fd"))
        if os.path.lexists(where):
            self.take(where)
            kept = self.disk.keep(where)
            if kept:
                self.disk.noted(where, lambda: _real["rename"](kept, where))
        _real["unlink"](path, **kwargs)

    def renaming(self, name: str) -> Callable[..., Any]:
        """A function that renames."""

        def step(source: Any, target: Any, **kwargs: Any) -> None:
            before = real_path(source, kwargs.get("src_dir_fd"))
            after = real_path(target, kwargs.get("dst_dir_fd"))
            self.take(after)
            kept = self.disk.keep(after)
            _real[name](source, target, **kwargs)
            self.disk.moved(_real["lstat"](after).st_ino, after)

            def undo() -> None:
                _real["rename"](after, before)
                if kept:
                    _real["rename"](kept, after)

            self.disk.noted(after, undo)

        return step

    def opened(self, path: str, *, fresh: bool) -> None:
        """A file was opened for writing."""
        if path.startswith(("/proc/", "/dev/", "/memfd:")):
            return
        self.disk.data[_real["stat"](path).st_ino] = path
        if fresh:
            self.disk.noted(path, lambda: _real["unlink"](path))

    def open(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        """Counted where it is for writing."""
        if not flags & WRITING:
            return int(_real["open"](path, flags, *args, **kwargs))
        where = real_path(path, kwargs.get("dir_fd"))
        fresh = not os.path.lexists(where)
        self.take(where)
        handle = int(_real["open"](path, flags, *args, **kwargs))
        self.opened(where, fresh=fresh)
        return handle

    def open_file(self, path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Counted where it is for writing."""
        if isinstance(path, int) or not set(mode) & set("wxa+"):
            return _open(path, mode, *args, **kwargs)
        where = real_path(path, None)
        fresh = not os.path.lexists(where)
        self.take(where)
        stream = _open(path, mode, *args, **kwargs)
        self.opened(where, fresh=fresh)
        return stream


def count_programs(steps: Steps) -> None:
    """Count what the transaction runs: a step before, and one after it."""
    transaction = importlib.import_module(f"{COLLECTION}.module_utils._host.transaction").Transaction
    run = transaction._run

    def counted(*args: Any, **kwargs: Any) -> Any:
        steps.take()
        done = run(*args, **kwargs)
        steps.take()
        return done

    transaction._run = counted


def switch_off_and_on() -> None:
    """Reset this host, which has to be a container: reboot(2) then ends all its processes at once."""
    if os.path.exists("/run/systemd/container"):
        ctypes.CDLL(None).reboot(0x01234567)
        time.sleep(60)


def main(code: str, name: str, step: str, ending: str) -> None:
    """Run the module."""
    arguments = sys.stdin.read()
    sys.path[0] = code
    basic = importlib.import_module("ansible.module_utils.basic")
    given = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(arguments)}).encode()
    vars(basic).update(_ANSIBLE_ARGS=given, _ANSIBLE_PROFILE="legacy")
    steps = Steps(code, int(step), ending, switch_off_and_on)
    module = importlib.import_module(f"{COLLECTION}.modules.{name}")
    count_programs(steps)
    steps.install()
    try:
        module.main()
    finally:
        steps.write_count()


if __name__ == "__main__":
    main(*sys.argv[1:])
