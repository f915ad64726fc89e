# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading this machine. Nothing here changes it: that is the transaction's work alone."""

from __future__ import annotations

import copy
import grp
import os
import pwd
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import CONFINED, Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import ROOT_HOME, SEARCH_PATH
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of

TOOL_TIMEOUT = 120  # seconds; no tool that is run here takes more than a few


@dataclass(frozen=True)
class Completed:
    """The result of a program: exit code, and both outputs as text."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What the program complained about, on one line, for an error message."""
        return " / ".join(line.strip() for line in (self.err or self.out).splitlines() if line.strip())


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


@contextmanager
def _surroundings(variables: Mapping[str, str], stdin: int) -> Iterator[None]:
    """Let programs inherit only these variables, and this standard input, until the end.

    ``run_command`` adds to the module's own environment but takes nothing away, and hands on the module's own input.
    What it is given to write on a program's input it writes all at once, which fails when the program has ended by
    then, and waits for ever when the program waits for its own answers to be read.
    """
    inherited, own_input = dict(os.environ), os.dup(0)
    try:
        os.environ.clear()
        os.environ.update(variables)
        os.dup2(stdin, 0)
        yield
    finally:
        os.environ.clear()
        os.environ.update(inherited)
        os.dup2(own_input, 0)
        os.close(own_input)


class _Limit:
    """Kills a program that does not end in time."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self.exceeded = False

    def start(self, process: Any) -> None:
        """Start the clock once the program runs."""

        def kill() -> None:
            self.exceeded = True
            process.kill()

        self._timer = threading.Timer(TOOL_TIMEOUT, kill)
        self._timer.start()

    def stop(self) -> None:
        """The program has ended."""
        if self._timer:
            self._timer.cancel()


def _missing(program: str) -> Problem:
    return Problem(f"the program {program} is not installed", f"install the package that contains {program}")


class Host:
    """This machine as the modules see it. Not for several threads at once.

    Args:
        run_command: that of the AnsibleModule; whatever is run goes through it.
    """

    def __init__(self, run_command: Callable[..., tuple[int, Any, Any]]) -> None:
        self._run_command = run_command
        self._guard: Callable[[str], None] = lambda _program: None
        self._confines: bool | None = None

    def guarded(self, guard: Callable[[str], None]) -> Host:
        """The same machine, where each program waits for a guard's leave: it raises Problem where that may not run."""
        found = copy.copy(self)
        found._guard = guard
        return found

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
            raise Problem(f"{path} cannot be read ({exc.strerror})", "run the module as root (become: true)") from exc
        return FileState(name_of_user(found.st_uid), name_of_group(found.st_gid), stat.S_IMODE(found.st_mode))

    def names_in(self, directory: str) -> list[str]:
        """Sorted names in a directory, empty where there is none."""
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            raise Problem(
                f"{directory} cannot be read ({exc.strerror})", "run the module as root (become: true)"
            ) from exc

    def which(self, tool: str) -> str | None:
        """Absolute path of a program, or None where it is not installed."""
        return shutil.which(tool, path=SEARCH_PATH)

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
            Problem: the program is missing or does not end.
        """
        self._guard(argv[0])
        if not user:
            return self._complete(argv, argv, stdin, environment or {}, keep_open)
        if self.which(argv[0]) is None:
            raise _missing(argv[0])
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
        env = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": ROOT_HOME, **environment}
        limit = _Limit()
        try:
            with in_memory(stdin) as handle, _surroundings(env, handle):
                code, out, err = self._run_command(
                    list(command),
                    cwd="/",
                    encoding=None,
                    expand_user_and_vars=False,
                    pass_fds=tuple(keep_open),
                    before_communicate_callback=limit.start,
                    handle_exceptions=False,
                )
        except FileNotFoundError as exc:
            raise _missing(command[0]) from exc
        except OSError as exc:
            raise Problem(
                f"the program {argv[0]} cannot be run ({exc.strerror})", "run the module as root (become: true)"
            ) from exc
        finally:
            limit.stop()
        if limit.exceeded:
            raise Problem(
                f"{' '.join(argv)} did not end within {TOOL_TIMEOUT} seconds", "look at the daemon's log on the host"
            )
        return Completed(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))
