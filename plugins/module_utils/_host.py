# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading this machine. Nothing here changes it: that is the transaction's work alone."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOL_TIMEOUT = 120  # seconds; no tool asked here works longer than a few


@dataclass(frozen=True)
class Completed:
    """What a tool answered: exit code, and both outputs as text."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The tool's words on one line, for an error message."""
        return " / ".join(line.strip() for line in (self.err or self.out).splitlines() if line.strip())


@dataclass(frozen=True)
class FileState:
    """Owner, group and permission bits of an existing file."""

    owner: str
    group: str
    mode: int


def _name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _name_of_group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


class Host:
    """This machine as the modules see it."""

    def read(self, path: str) -> bytes | None:
        """Content of a file, or None where there is none."""
        try:
            with open(path, "rb") as handle:
                return handle.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise Problem(f"{path} cannot be read ({exc.strerror})", "run the module as root (become: true)") from exc

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
        return FileState(_name_of_user(found.st_uid), _name_of_group(found.st_gid), stat.S_IMODE(found.st_mode))

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
    ) -> Completed:
        """Ask a tool something; never a shell, never a secret among the arguments.

        Args:
            argv: program and arguments.
            stdin: what the program reads on standard input.
            environment: variables added to a minimal environment.
            keep_open: file descriptors the program may read.

        Raises:
            Problem: the program is missing or does not end.
        """
        env = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/root", **(environment or {})}
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                check=False,
                env=env,
                timeout=TOOL_TIMEOUT,
                pass_fds=tuple(keep_open),
            )
        except FileNotFoundError as exc:
            raise Problem(
                f"the program {argv[0]} is not installed", f"install the package that brings {argv[0]}"
            ) from exc
        except OSError as exc:
            raise Problem(
                f"the program {argv[0]} cannot be run ({exc.strerror})", "run the module as root (become: true)"
            ) from exc
        except subprocess.TimeoutExpired as exc:
            raise Problem(
                f"{' '.join(argv)} did not end within {TOOL_TIMEOUT} seconds", "look at the daemon's log on the host"
            ) from exc
        return Completed(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
