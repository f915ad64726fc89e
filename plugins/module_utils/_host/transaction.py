# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only code that changes a host: with journal, staging and mirror, it writes files and makes daemons act.

A transaction is all or nothing: stage -> commit what configuration refers to -> the daemons' own tests on a
mirror of their configuration -> commit -> activate -> probe. On any failure everything is put back (the very
same inodes, by hard links made before), the daemons that were disturbed are activated again, and the problem
says what happened. What is about to be written is registered in a journal first, and a guard waits for the run to
end, so that one that was killed is undone at once, or when the system starts; at the latest by the next run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import (
    ConfigRoot,
    refuse_strangers,
    user_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.interruptions import (
    Interrupted,
    Interruptions,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import Journal
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.lock import Lock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Failures,
    Record,
    RegisteredFile,
    WayBack,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import resolved

if TYPE_CHECKING:
    from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.guard import Guard

# What every daemon is brought up and looked at with: without it nothing could be put back either.
_TO_ACTIVATE = ("ss", "systemctl")


class Participant(Protocol):
    """A daemon that takes part in a transaction."""

    @property
    def name(self) -> str:
        """The word for the daemon."""

    @property
    def config_roots(self) -> tuple[ConfigRoot, ...]:
        """What its own configuration test reads, and as whom."""

    @property
    def reads_files_by_itself(self) -> bool:
        """Whether its processes read new files without being told."""

    def refuse_broken(self, changes: Sequence[FileChange]) -> None:
        """Raise Problem where it could not go on with what is there now, apart from what is to be changed."""

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        """Run the daemon's own test on mirrors (real path -> mirrored path) of its configuration.

        What is run with ``run`` runs as the user that the mirrors belong to.
        """

    def activate(self, run: Callable[..., Completed]) -> None:
        """Make the running daemon use the files as they are now; start it where it died."""

    def snapshot(self) -> dict[str, Any]:
        """What restore() needs to know of the settings that the daemon keeps elsewhere than in files; no secrets."""

    def restore(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Make the running daemon use the files, which have been put back, and the settings of a snapshot."""

    def lay_down(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Stop the daemon, which did not run before; the files have been put back, and so are its settings."""

    def way_back(self, snapshot: Mapping[str, Any]) -> WayBack:
        """How the same is done without this object; no secrets."""


class Transaction:
    """Use as a context manager: entering takes the host's lock and undoes what a killed run left.

    Args:
        host: the machine, for reading.
        participant_by_name: finds the daemon that a killed run had disturbed, None where it is gone.
        check_mode: nothing is written, run or locked.
        warn: takes a warning for the administrator.
        places: where it keeps what is its own.
    """

    def __init__(
        self,
        host: Host,
        participant_by_name: Callable[[str], Participant | None],
        *,
        check_mode: bool,
        warn: Callable[[str], None],
        places: Places | None = None,
    ) -> None:
        self._host = host
        self._participant_by_name = participant_by_name
        self.check_mode = check_mode
        self._warn = warn
        self._places = places or Places()
        self._journal = Journal(self._places)
        self._lock = Lock(self._places.lock)
        self._interruptions = Interruptions()
        self._owed: Record | None = None
        self._failures: Sequence[str] = ()

    def __enter__(self) -> Transaction:
        resolved(self._journal.path)  # what it says is done as root
        if self.check_mode:
            if self._journal.exists():
                self._warn(self._what_a_run_would_do())
            return self
        self._lock.take()
        self._interruptions.begin()
        try:
            with self._interruptions.held(then_raise=True):
                self._recover()
        except BaseException as exc:
            self.__exit__(type(exc), exc, None)
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, exc: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._interruptions.end()
        self._lock.release()
        if isinstance(exc, Interrupted):
            raise _interrupted(exc, "nothing was changed") from exc

    def _what_a_run_would_do(self) -> str:
        try:
            record = self._journal.read()
        except Problem as exc:
            return f"a run without check mode would end with: {exc.message}"
        return f"{_how_it_ended(record)}; a run without check mode will first undo what it left"

    def apply(
        self,
        changes: Sequence[FileChange],
        participants: Sequence[Participant] = (),
        probe: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the changes, have the participants use them, and prove it; or leave everything as it was.

        In check mode nothing happens, but what could not be written safely is a problem there too.

        Args:
            changes: the files that differ from the host, in the order in which they are to be committed.
            participants: daemons to test and activate, also when no file changes.
            probe: raises Problem where the wire does not show what was asked for.

        Raises:
            Problem: something failed; everything has been put back.
        """
        # Few calls change something. All that it takes is loaded before the first change, the others find it loaded.
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import (  # noqa: F401
            guard,
            mirror,
            recovery,
            staging,
        )

        try:
            files_of = [tuple(staging.registered(change)) for change in changes]
        except Problem as exc:
            outcome = _outcome((), disturbed=False)
            raise Problem(f"{exc.found}; {outcome}", exc.remedy, subject=exc.subject, option=exc.option) from exc
        files = [file for some in files_of for file in some]
        _refuse_unchangeable(files)
        if participants:
            self._host.require(*_TO_ACTIVATE)
        self._refuse_owing(participants)
        for participant in participants:
            participant.refuse_broken(changes)
        if self.check_mode:
            return
        record = Record(False, files, staging.missing_directories(files), {}, begun=False, owed=self._owed)
        disturbed: list[Participant] = []
        visible = False
        try:
            record = self._noted(record, participants)
            self._post_guard()
            self._journal.write(record)  # before anything of it exists
            staging.sweep(files)
            for change, some in zip(changes, files_of):
                staging.make_parents(change, some[0].target)
            staging.save(files)
            for change, some in zip(changes, files_of):
                staging.stage(change, some, self._journal.directory, self._run)
            staging.settle(files)
            record = self._journal.set_begun(record)
            staging.commit(file for file in files if file.prerequisite)
            self._test(files, participants)
            visible = True
            disturbed = [one for one in participants if one.reads_files_by_itself]
            staging.commit(file for file in files if not file.prerequisite)
            self._host.forget()
            for participant in participants:
                disturbed = [*(one for one in disturbed if one is not participant), participant]
                participant.activate(self._run)
            probe()
            with self._interruptions.held(then_raise=False):
                self._journal.set_done(record)
        except BaseException as exc:
            with self._interruptions.held(then_raise=False):
                failures = self._put_back(record, disturbed)
            outcome = _outcome(failures, disturbed=visible)
            if isinstance(exc, OSError):
                # files of daemons are named; what is not is the journal, or a copy of configuration beside it
                problem = causes.problem(exc, "cannot be changed", otherwise=self._journal.directory)
                raise Problem(f"{problem.found}; {outcome}", problem.remedy) from exc
            if isinstance(exc, Problem):
                raise Problem(f"{exc.found}; {outcome}", exc.remedy, subject=exc.subject, option=exc.option) from exc
            if isinstance(exc, Interrupted):
                raise _interrupted(exc, outcome) from exc
            raise
        with self._interruptions.held(then_raise=False):
            try:
                staging.tidy(files)
                self._forget()
            except OSError as exc:  # the new state stays; what is left beside it goes with the next run
                self._warn(causes.problem(exc, "cannot be removed").message)

    @staticmethod
    def _noted(record: Record, participants: Sequence[Participant]) -> Record:
        """The same record with what is needed to bring the daemons back."""
        snapshots = {one.name: one.snapshot() for one in participants}
        return replace(
            record, snapshots=snapshots, ways_back=[one.way_back(snapshots[one.name]) for one in participants]
        )

    @cached_property
    def _guard(self) -> Guard:
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.guard import Guard

        return Guard(self._places)

    def _post_guard(self) -> None:
        """Have somebody notice when this run is killed."""
        guard = self._guard
        complaint = guard.post(self._run) if guard.possible() else "systemd is not the first process of this host"
        if complaint:
            self._warn(f"if this run is killed half-way, only the next one undoes what it left ({complaint})")

    def _test(self, files: Sequence[RegisteredFile], participants: Sequence[Participant]) -> None:
        """Have each daemon test a mirror of its configuration into which the staged files have been laid."""
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.mirror import mirrors

        for participant in participants:
            name, roots = participant.name, participant.config_roots
            refuse_strangers(roots, name)
            user = user_of(roots)
            with mirrors(self._journal.directory, name, roots, files, user) as found:
                participant.check(partial(self._run, user=user), found)

    def _put_back(self, record: Record, participants: Sequence[Participant]) -> list[str]:
        """Restore every registered file and the daemons' settings; answers what could not be restored."""
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import staging

        self._host.hasten()
        failures = staging.put_back(record)
        self._host.forget()
        of_daemons = self._restore(participants, record)
        if not failures and not of_daemons:
            self._forget()
            return failures
        left = replace(record, ended=True)
        with contextlib.suppress(OSError):  # what is there says the same, and that the run was killed
            self._journal.write(left if failures else left.of(of_daemons).with_owed(self._owed))
        return failures + [f"{daemon}: {one}" for daemon, some in of_daemons.items() for one in some]

    def _forget(self) -> None:
        """Nothing of this transaction has to be undone any more."""
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.recovery import clear

        if self._owed is not None:
            self._journal.write(self._owed)
        else:
            clear(self._places)

    def _restore(self, participants: Sequence[Participant], record: Record) -> Failures:
        """Have the daemons use their old files and settings; answers which of them do not, and why."""
        failures = {}
        down = {one.daemon for one in record.ways_back if one.down}
        for participant in participants:
            bring_back = participant.lay_down if participant.name in down else participant.restore
            try:
                bring_back(self._run, record.snapshots[participant.name])
            except Problem as exc:
                failures[participant.name] = [exc.found]
            except OSError as exc:
                failures[participant.name] = [str(exc)]
            except (AttributeError, LookupError, TypeError, ValueError) as exc:
                failures[participant.name] = [f"what the journal says of its settings is damaged ({exc!r})"]
        return failures

    def _recover(self) -> None:
        """Undo what an earlier run left, or tidy up behind one that had succeeded."""
        if not self._places.left():
            return
        from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.recovery import Recovery

        def bring_back(record: Record) -> Failures:
            found = (self._participant_by_name(name) for name in record.snapshots)
            return self._restore([one for one in found if one], record)

        record = self._journal.read()
        recovery = Recovery(self._places, bring_back)
        failures = recovery.attempt()
        if recovery.undone:
            self._warn(f"{_how_it_ended(record)}; what it had changed was put back first")
        if recovery.owed is not None:
            self._owed = recovery.owed
            self._warn(f"{self._what_is_owed(failures)}; the next run tries again")
        elif failures:
            raise Problem(self._what_is_owed(failures), self._how_to_go_on())
        self._failures = failures

    def _refuse_owing(self, participants: Sequence[Participant]) -> None:
        """Refuse a change of a daemon that is not yet as it was before an earlier run; the others may be changed."""
        if self._owed is not None and any(one.name in self._owed.snapshots for one in participants):
            raise Problem(self._what_is_owed(self._failures), self._how_to_go_on())

    @staticmethod
    def _what_is_owed(failures: Sequence[str]) -> str:
        return f"what an earlier run left could not be undone ({'; '.join(failures)})"

    def _how_to_go_on(self) -> str:
        return (
            "fix that, and run again: each run tries anew; to keep the host as it is now instead, remove the"
            f" journal ('rm -r {self._journal.path}') and run again"
        )

    def _run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        user: str | Identity = "",
    ) -> Completed:
        if self.check_mode:
            raise AssertionError("a program with an effect was about to run in check mode")
        with self._interruptions.held(then_raise=True):  # or it would go on while everything is put back
            try:
                return self._host.query(argv, stdin=stdin, environment=environment, user=user)
            finally:
                self._host.forget()


def _refuse_unchangeable(files: Sequence[RegisteredFile]) -> None:
    """Refuse files that could be neither replaced nor put back, while nothing has been changed."""
    for one in files:
        found = causes.unchangeable(one.target)
        if found:
            cause, remedy = found
            raise Problem(f"{one.path} cannot be changed ({cause}); nothing was changed", remedy)


def _outcome(failures: Sequence[str], *, disturbed: bool) -> str:
    """What has become of the host."""
    if failures:
        return f"what had been changed could NOT all be put back ({'; '.join(failures)})"
    return "everything was put back as it was" if disturbed else "nothing was changed"


def _how_it_ended(record: Record | None) -> str:
    """What has become of the run that left a journal, or of the one before it where that one had succeeded."""
    if record is not None and record.done and record.owed is not None:
        record = record.owed
    if record is not None and record.ended:
        return "an earlier run could not put everything back"
    return "an earlier run was killed half-way"


def _interrupted(exc: Interrupted, outcome: str) -> Problem:
    return Problem(f"the run was told to end ({exc.signal}); {outcome}", "run again")
