# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a transaction notes before it touches anything: its files, and how the daemons are brought back."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

Failures = Mapping[str, Sequence[str]]  # what fails, by daemon
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
        age: when the old one was written, in nanoseconds, by which it is known again; 0 where that is not known.
    """

    path: str
    target: str
    staged: str
    saved: str
    existed: bool
    remove: bool
    prerequisite: bool
    own_directory: bool = False
    age: int = 0

    @classmethod
    def from_journal(cls, noted: Mapping[str, Any]) -> RegisteredFile:
        """A file as a run wrote it into its journal, also one of an older release.

        Raises:
            TypeError, ValueError: it is not what a run writes.
        """
        found = cls(**{_RENAMED.get(key, key): value for key, value in noted.items()})
        for one in fields(cls):
            if type(getattr(found, one.name)).__name__ != one.type:
                raise TypeError(f"{one.name} is not of the type {one.type}")
        directory = os.path.dirname(found.target)
        for path in (found.target, found.staged, found.saved):
            if not os.path.isabs(path) or os.path.dirname(path) != directory or "\0" in path:
                raise ValueError(f"{path!r} is not a path of a transaction")
        return found


@dataclass(frozen=True)
class Command:
    """A command that changes settings kept elsewhere than in files.

    Attributes:
        argv: program and arguments; no secrets.
        stdin: what it reads; no secrets.
    """

    argv: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True)
class WayBack:
    """How one daemon is brought back, for a program that knows no daemon.

    Attributes:
        daemon: the word for it.
        units: its units.
        active: those of them that were active before anything was changed; no other one is started.
        commands: run while the units are stopped; they lead to the same end wherever they begin.
        conditions: commands without an effect; where one fails, units that are active are left alone, since they
            would not start again.
        down: whether the daemon did not run before; then it is stopped.
    """

    daemon: str
    units: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    conditions: tuple[Command, ...] = ()
    down: bool = False

    @classmethod
    def from_journal(cls, noted: Mapping[str, Any]) -> WayBack:
        """A way back as a run wrote it into its journal.

        Raises:
            KeyError, TypeError: it is not what a run writes.
        """
        commands, conditions = (
            tuple(Command(tuple(one["argv"]), one["stdin"]) for one in some)
            for some in (noted["commands"], noted.get("conditions", ()))
        )
        found = cls(
            noted["daemon"],
            tuple(noted["units"]),
            tuple(noted["active"]),
            commands,
            conditions,
            noted.get("down", False),
        )
        words = [found.daemon, *found.units, *found.active]
        words += [word for one in (*commands, *conditions) for word in (*one.argv, one.stdin)]
        if not all(isinstance(word, str) for word in words) or not all(one.argv for one in (*commands, *conditions)):
            raise TypeError("a word of a way back is no text")
        if not isinstance(found.down, bool):
            raise TypeError("a switch is neither on nor off")
        return found


@dataclass(frozen=True)
class Record:
    """What the journal says; no secrets.

    Attributes:
        done: whether the new state stays.
        files: in the order in which they are committed.
        directories: those that are made, parents first.
        snapshots: what each daemon needs to restore its settings, by its name.
        ways_back: how each daemon is brought back without its provider.
        begun: whether a file may have been replaced already, so that a daemon may have seen it.
        ended: whether the run came to its end, and could not put everything back; it was killed otherwise.
        owed: what a run before this one could not undo, of daemons that this one is not about.
    """

    done: bool
    files: Sequence[RegisteredFile]
    directories: Sequence[str]
    snapshots: Mapping[str, dict[str, Any]]
    ways_back: Sequence[WayBack] = field(default_factory=tuple)
    begun: bool = True
    ended: bool = False
    owed: Record | None = None

    @classmethod
    def from_journal(cls, noted: Mapping[str, Any]) -> Record:
        """What a run wrote into its journal, also one of an older release, which tells less.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is not what a run writes.
        """
        done, begun, ended = noted["done"], noted.get("begun", True), noted.get("ended", False)
        directories, snapshots = noted["directories"], noted["participants"]
        if not all(isinstance(one, bool) for one in (done, begun, ended)):
            raise TypeError("a switch is neither on nor off")
        if not all(isinstance(one, dict) for one in (snapshots, *snapshots.values())):
            raise TypeError("a daemon's settings are not settings")
        if not isinstance(directories, list) or not all(os.path.isabs(one) for one in directories):
            raise TypeError("a directory has no path")
        files = [RegisteredFile.from_journal(one) for one in noted["entries"]]
        ways_back = [WayBack.from_journal(one) for one in noted.get("ways_back", [])]
        owed = None if noted.get("owed") is None else Record.from_journal(noted["owed"])
        return cls(done, files, directories, snapshots, ways_back, begun, ended, owed)

    def of(self, daemons: Collection[str]) -> Record:
        """What is left once all files are back, and all daemons but these."""
        return Record(
            False,
            (),
            (),
            {name: found for name, found in self.snapshots.items() if name in daemons},
            [one for one in self.ways_back if one.daemon in daemons],
            ended=self.ended,
        )

    def with_owed(self, other: Record | None) -> Record:
        """The same, and what another run owes of daemons; of one that both are about, the older settings count."""
        if other is None:
            return self
        newer = [one for one in self.ways_back if one.daemon not in other.snapshots]
        return replace(self, snapshots={**self.snapshots, **other.snapshots}, ways_back=[*other.ways_back, *newer])

    def as_journal(self) -> dict[str, Any]:
        """The same as plain data; an older release understands what it knows of it."""
        return {
            "done": self.done,
            "entries": [asdict(one) for one in self.files],
            "directories": list(self.directories),
            "participants": self.snapshots,
            "ways_back": [asdict(one) for one in self.ways_back],
            "begun": self.begun,
            "ended": self.ended,
            "owed": None if self.owed is None else self.owed.as_journal(),
        }
