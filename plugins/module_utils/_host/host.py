# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading this machine. Nothing here changes it: that is the transaction's work alone."""

from __future__ import annotations

import copy
import grp
import os
import pwd
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes, programs
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import CONFINED, Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.leftovers import VARIABLE, this_run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import ROOT_HOME, SEARCH_PATH
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of

_FRESH = 2.0  # seconds
# Where no name server answers, a look-up ends before it is taken for a program that hangs; resolv.conf(5).
_ENVIRONMENT = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": ROOT_HOME, "RES_OPTIONS": "timeout:2 attempts:2"}


@dataclass(frozen=True)
class Completed:
    """The result of a program: exit code, and both outputs as text."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What the program complained about, on one line, for an error message; the signal that ended it, if any."""
        said = " / ".join(line.strip() for line in (self.err or self.out).splitlines() if line.strip())
        return " / ".join(filter(None, (said, causes.ending(-self.code) if self.code < 0 else "")))


@dataclass(frozen=True)
class FileState:
    """Owner, group and permission bits of an existing file."""

    owner: str
    group: str
    mode: int


def name_of_user(uid: int) -> str:
    """Name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def name_of_group(gid: int) -> str:
    """Name of a group, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


@contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """A file descriptor from which another program can read some bytes."""
    handle = os.memfd_create("postmaster")
    try:
        with open(handle, "wb", closefd=False) as stream:
            stream.write(content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


class Host:
    """This machine as one call of a module sees it."""

    def __init__(self) -> None:
        self._patience = programs.Patience()
        self._guard: Callable[[str], None] = lambda _program: None
        self._confines: bool | None = None
        self._answers: dict[tuple[str, ...], Completed] = {}  # of guarded() ones as well

    def guarded(self, guard: Callable[[str], None]) -> Host:
        """The same machine, where each program waits for a guard's leave: it raises Problem where that may not run."""
        found = copy.copy(self)
        found._guard = guard
        return found

    def hasten(self) -> None:
        """From here on programs get little time, if one has hung in this call."""
        self._patience.hasten()

    def read(self, path: str) -> bytes | None:
        """Content of a file, or None where there is none.

        Raises:
            Problem: it is no regular file, it is too large, or it cannot be read.
        """
        return content_of(path)

    def read_text(self, path: str) -> str:
        """Content of a configuration file as text in which every byte survives a round trip; empty when missing."""
        return (self.read(path) or b"").decode("utf-8", "surrogateescape")

    def state(self, path: str) -> FileState | None:
        """Owner, group and mode of the file a path leads to, or None where there is none."""
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise causes.problem(exc, "cannot be read", path) from exc
        return FileState(name_of_user(found.st_uid), name_of_group(found.st_gid), stat.S_IMODE(found.st_mode))

    @staticmethod
    def just_written(path: str) -> bool:
        """Whether a file's time is so fresh that a daemon which looks at whole seconds may not see another change."""
        try:
            return os.stat(path).st_mtime > time.time() - _FRESH
        except OSError:
            return False

    def names_in(self, directory: str) -> list[str]:
        """Sorted names in a directory, empty where there is none."""
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise causes.problem(exc, "cannot be read", directory) from exc

    def which(self, tool: str) -> str | None:
        """Absolute path of a program, or None where it is not installed."""
        return shutil.which(tool, path=SEARCH_PATH)

    def require(self, *programs: str) -> None:
        """Raise Problem where one of some programs is not installed, or cannot be run."""
        for one in programs:
            if self.which(one) is None:
                raise _not_executable(one) if _lies_at(one) else _missing(one, None)

    def ask(self, argv: Sequence[str]) -> Completed:
        """What a program without an effect says of files as they are; it is not asked twice, unless files change.

        Raises:
            Problem: see query().
        """
        known = tuple(argv)
        if known not in self._answers:
            self._answers[known] = self.query(argv)
        return self._answers[known]

    def forget(self) -> None:
        """Files have changed, or are about to: programs may answer something else."""
        self._answers.clear()

    def query(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        keep_open: Sequence[int] = (),
        user: str | Identity = "",
    ) -> Completed:
        """Run a program without an effect; never a shell, never a secret among the arguments.

        It finds nothing in its working directory, which is the root directory.

        Args:
            argv: program and arguments.
            stdin: what the program reads on standard input.
            environment: variables added to a minimal environment.
            keep_open: file descriptors the program may read.
            user: as whom it runs, with all that it starts (see Identity); empty for root.

        Raises:
            Problem: the program is missing, does not end, or writes too much.
        """
        self._guard(argv[0])
        if not user:
            return self._complete(argv, argv, stdin, environment or {}, keep_open)
        if self.which(argv[0]) is None:
            raise _missing(argv[0], None)
        identity = user if isinstance(user, Identity) else Identity.of(user)
        command = [*identity.command(confined=self._confining()), *argv]
        return self._complete(command, argv, stdin, {"HOME": "/", **(environment or {})}, keep_open)

    def _confining(self) -> bool:
        """Whether processes can be shut in, so that none outlives the first of them; containers may not allow it."""
        if self._confines is None:
            argv = [*CONFINED, "true"]
            self._confines = self._complete(argv, argv, b"", {}, ()).code == 0
        return self._confines

    def _complete(
        self,
        command: Sequence[str],
        argv: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str],
        keep_open: Sequence[int],
    ) -> Completed:
        """Run a command; argv is what to call it."""
        env = {**_ENVIRONMENT, VARIABLE: this_run(), **environment}
        try:
            with in_memory(stdin) as handle:
                code, out, err = programs.run(command, programs.Surroundings(handle, env, keep_open), self._patience)
        except FileNotFoundError as exc:
            raise _missing(command[0], self.which(command[0])) from exc
        except programs.Hanging as exc:
            raise Problem(
                f"'{shlex.join(argv)}' hangs: it {exc.why} and was ended",
                f"find out on the host what {argv[0]} waits for, such as a stopped service or an unreachable server,"
                " then run again",
            ) from exc
        except programs.TooMuch as exc:
            raise Problem(
                f"'{shlex.join(argv)}' writes more than {programs.LARGEST_OUTPUT} bytes, and was ended",
                f"find out on the host what {argv[0]} has to say, then run again",
            ) from exc
        except PermissionError as exc:
            raise _not_executable(argv[0]) from exc
        except OSError as exc:
            cause, remedy = causes.explained(exc, argv[0])
            raise Problem(f"the program {argv[0]} cannot be run ({cause})", remedy) from exc
        done = Completed(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
        limit = causes.reached(done.err) if code != 0 else None
        if limit:  # what it says of anything else is worth nothing
            raise Problem(f"'{shlex.join(argv)}' fails ({limit[0]})", limit[1])
        return done


def _lies_at(program: str) -> str | None:
    """Where a program is, also one that cannot be run."""
    return shutil.which(program, mode=os.F_OK, path=SEARCH_PATH)


def _not_executable(program: str) -> Problem:
    return Problem(
        f"the program {program} cannot be run (it may not be executed)",
        f"make it executable ('chmod 755 {_lies_at(program) or program}'), on a file system that is not mounted noexec",
    )


def _missing(program: str, found: str | None) -> Problem:
    """A program cannot be found, or what it needs to be run."""
    if found:
        return Problem(
            f"the program {found} cannot be run (the interpreter that it names is not installed)",
            f"install the interpreter that the first line of {found} names",
        )
    return Problem(f"the program {program} is not installed", f"install the package that contains {program}")
