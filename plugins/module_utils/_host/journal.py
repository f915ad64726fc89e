# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal of a transaction: what is about to be written, so that the next run can undo what a killed one left."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    remove_tree,
    sync_directory,
    write_private,
)

_RENAMED = {"material": "prerequisite"}  # in a journal that release 0.3.0 or older left


@dataclass(frozen=True)
class RegisteredFile:
    """One file of a transaction, and the names beside it that are the transaction's own.

    Attributes:
        path: where the plan has it.
        target: where that leads to, once symbolic links are followed.
        staged: the new file, until it is renamed to the target.
        saved: a hard link to the old one, until the transaction is done.
        existed: whether there was an old one.
        remove: whether the file goes.
        prerequisite: whether it is committed before the daemons' own tests.
        own_directory: whether an empty directory goes with it.
    """

    path: str
    target: str
    staged: str
    saved: str
    existed: bool
    remove: bool
    prerequisite: bool
    own_directory: bool = False

    @classmethod
    def from_journal(cls, noted: Mapping[str, Any]) -> RegisteredFile:
        """A file as a run wrote it into its journal, also one of an older release."""
        return cls(**{_RENAMED.get(key, key): value for key, value in noted.items()})


@dataclass(frozen=True)
class Record:
    """What the journal says; no secrets.

    Attributes:
        done: whether the new state stays.
        files: in the order in which they are committed.
        directories: those that are made, parents first.
        snapshots: what each daemon needs to restore its settings, by its name.
    """

    done: bool
    files: Sequence[RegisteredFile]
    directories: Sequence[str]
    snapshots: Mapping[str, dict[str, Any]]


class Journal:
    """The journal's file, in a directory that mirrors are made in too.

    Args:
        state_directory: the parent of that directory; it goes as well, once it is empty.
    """

    def __init__(self, state_directory: str) -> None:
        self.directory = os.path.join(state_directory, "transaction")
        self.path = os.path.join(self.directory, "journal.json")

    def exists(self) -> bool:
        """Whether a run was killed half-way."""
        return os.path.exists(self.path)

    def read(self, host: Host) -> Record | None:
        """What a killed run registered; None where there is no journal."""
        content = host.read(self.path)
        if content is None:
            return None
        found = json.loads(content)
        files = [RegisteredFile.from_journal(one) for one in found["entries"]]
        return Record(found["done"], files, found["directories"], found["participants"])

    def write(self, record: Record) -> None:
        """Write the journal and have the disk keep it, before anything else happens."""
        for directory in (os.path.dirname(self.directory), self.directory):
            os.makedirs(directory, mode=0o700, exist_ok=True)  # the mode is that of the last one only
        content = {
            "done": record.done,
            "entries": [asdict(one) for one in record.files],
            "directories": list(record.directories),
            "participants": record.snapshots,
        }
        staged = self.path + ".new"
        write_private(staged, json.dumps(content).encode())
        os.rename(staged, self.path)
        sync_directory(self.directory)

    def set_done(self, record: Record) -> None:
        """The point of no return: from here on the new state is the one that stays."""
        self.write(replace(record, done=True))

    def remove(self) -> None:
        """Remove the journal and whatever else is in its directory, such as a killed run's mirror."""
        remove_tree(self.directory)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.directory))
