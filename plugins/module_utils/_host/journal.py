# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a transaction: what is about to be written, so that what a killed run leaves can be undone."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    remove_tree,
    sync_directory,
    unlink,
    write_private,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import Record

FORM = 2  # of the journal; releases before 0.5.0 wrote no number
_LARGEST = 100_000_000  # bytes; a journal with ten thousand files has a fiftieth of that


class Journal:
    """The journal's file, in a directory that mirrors are made in too.

    Args:
        places: where things are; the directory above goes as well, once it is empty.
    """

    def __init__(self, places: Places) -> None:
        self.directory = places.transaction
        self.path = places.journal

    def exists(self) -> bool:
        """Whether a run was killed half-way."""
        return os.path.lexists(self.path)

    def read(self) -> Record | None:
        """What a killed run registered; None where there is no journal.

        Raises:
            Problem: nobody can tell what a killed run left.
        """
        try:
            content = self._content()
            if content is None:
                return None
            found = json.loads(content)
            form = found.get("form", 1)
            if not isinstance(form, int):
                raise TypeError("its form has no number")
            if form <= FORM:
                return Record.from_journal(found)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as exc:
            raise self._damaged(f"{type(exc).__name__}: {exc}") from exc
        except OSError as exc:
            raise self._damaged(exc.strerror or str(exc)) from exc
        raise Problem(
            f"{self.path} was left by a run of a newer release of this collection, which was killed",
            f"run again with that release or a newer one; or {self._by_hand()}",
            option=self.path,
        )

    def _content(self) -> bytes | None:
        """The file's bytes, if there is one. Never follows a link, nor waits for a pipe."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(handle, "rb") as stream:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode) or state.st_size > _LARGEST:
                raise ValueError("it is not a file that a run has written")
            return stream.read()

    def _damaged(self, how: str) -> Problem:
        return Problem(
            f"{self.path} is damaged ({how[:200]}), so nobody can tell what a killed run left",
            f"look what is old and what is new, and {self._by_hand()}",
            option=self.path,
        )

    def _by_hand(self) -> str:
        """What to do where the journal cannot be followed, as a part of a remedy."""
        return (
            "put the old files back yourself: 'find / -xdev -name \".*.postmaster-before*\"' lists them; each one,"
            " such as .NAME.postmaster-before-0123456789abcdef, is moved to NAME in the same directory ('mv'), and the"
            " daemon that reads it restarted ('systemctl restart'); then remove the journal"
            f" ('rm -r {self.path}') and run again"
        )

    def write(self, record: Record) -> None:
        """Write the journal and have the disk keep it, before anything else happens."""
        for directory in (os.path.dirname(self.directory), self.directory):
            os.makedirs(directory, mode=0o700, exist_ok=True)  # the mode is that of the last one only
        content: Mapping[str, Any] = {"form": FORM, **record.as_journal()}
        staged = self.path + ".new"
        write_private(staged, json.dumps(content).encode())
        os.rename(staged, self.path)
        state_directory = os.path.dirname(self.directory)
        for directory in (self.directory, state_directory, os.path.dirname(state_directory)):
            sync_directory(directory)  # a journal in a directory that is lost is lost as well

    def set_begun(self, record: Record) -> Record:
        """From here on a daemon may see what is new."""
        begun = replace(record, begun=True)
        self.write(begun)
        return begun

    def set_done(self, record: Record) -> None:
        """The point of no return: from here on the new state is the one that stays."""
        try:
            self.write(replace(record, done=True))
        except OSError:
            with contextlib.suppress(OSError):  # the disk may have it already, and everything will be put back
                self.write(record)
            raise

    def close(self) -> None:
        """There is nothing to be undone any more."""
        unlink(self.path)
        with contextlib.suppress(FileNotFoundError):
            sync_directory(self.directory)

    def remove(self) -> None:
        """Remove whatever else is in the journal's directory, such as a killed run's mirror."""
        remove_tree(self.directory)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.directory))
