# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only code that changes a host: with journal, staging and mirror, it writes files and makes daemons act.

A transaction is all or nothing: stage -> commit what configuration refers to -> the daemons' own tests on a
mirror of their configuration -> commit -> activate -> probe. On any failure everything is put back (the very
same inodes, by hard links made before), the daemons that were disturbed are activated again, and the problem
says what happened. What is about to be written is registered in a journal first, so that a run that was killed
is undone at the start of the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import staging
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import (
    ConfigRoot,
    refuse_strangers,
    user_of,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import (
    Journal,
    Record,
    RegisteredFile,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.lock import Lock
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.mirror import mirrors
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import LOCK_FILE, STATE_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import resolved


class Participant(Protocol):
    """A daemon that takes part in a transaction."""

    @property
    def name(self) -> str:
        """The word for the daemon."""

    @property
    def config_roots(self) -> tuple[ConfigRoot, ...]:
        """What its own configuration test reads, and as whom."""

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


class Transaction:
    """Use as a context manager: entering takes the host's lock and undoes what a killed run left.

    Args:
        host: the machine, for reading.
        participant_by_name: finds the daemon that a killed run had disturbed, None where it is gone.
        check_mode: nothing is written, run or locked.
        warn: takes a warning for the administrator.
        state_directory: where the journal is.
        lock_file: the host-wide lock.
    """

    def __init__(
        self,
        host: Host,
        participant_by_name: Callable[[str], Participant | None],
        *,
        check_mode: bool,
        warn: Callable[[str], None],
        state_directory: str = STATE_DIRECTORY,
        lock_file: str = LOCK_FILE,
    ) -> None:
        self._host = host
        self._participant_by_name = participant_by_name
        self.check_mode = check_mode
        self._warn = warn
        self._journal = Journal(state_directory)
        self._lock = Lock(lock_file)

    def __enter__(self) -> Transaction:
        resolved(self._journal.path)  # what it says is done as root
        if self.check_mode:
            if self._journal.exists():
                self._warn("an earlier run was killed half-way; a run without check mode will first undo what it left")
            return self
        self._lock.take()
        try:
            self._recover()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

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
        try:
            files_of = [tuple(staging.registered(change)) for change in changes]
        except Problem as exc:
            raise _explained(exc, (), disturbed=False) from exc
        if self.check_mode:
            return
        files = [file for some in files_of for file in some]
        record = Record(False, files, staging.missing_directories(files), {})
        disturbed = False
        try:
            record = replace(record, snapshots={one.name: one.snapshot() for one in participants})
            self._journal.write(record)  # before anything of it exists
            staging.sweep(files)
            for change, some in zip(changes, files_of):
                staging.make_parents(change, some[0].target)
            staging.save(files)
            for change, some in zip(changes, files_of):
                staging.stage(change, some, self._journal.directory, self._run)
            staging.commit(file for file in files if file.prerequisite)
            self._test(files, participants)
            disturbed = True
            staging.commit(file for file in files if not file.prerequisite)
            for participant in participants:
                participant.activate(self._run)
            probe()
            self._journal.set_done(record)
        except BaseException as exc:
            failures = self._put_back(record, participants if disturbed else ())
            if isinstance(exc, OSError):
                problem = Problem(
                    f"{exc.filename or 'a file'} cannot be changed ({exc.strerror or exc})",
                    "run as root (become: true), and make room on the file system",
                )
                raise _explained(problem, failures, disturbed=disturbed) from exc
            if isinstance(exc, Problem):
                raise _explained(exc, failures, disturbed=disturbed) from exc
            raise
        self._finish(files)

    def _test(self, files: Sequence[RegisteredFile], participants: Sequence[Participant]) -> None:
        """Have each daemon test a mirror of its configuration into which the staged files have been laid."""
        for participant in participants:
            name, roots = participant.name, participant.config_roots
            refuse_strangers(roots, name)
            user = user_of(roots)
            with mirrors(self._journal.directory, name, roots, files, user) as found:
                participant.check(partial(self._run, user=user), found)

    def _finish(self, files: Sequence[RegisteredFile]) -> None:
        staging.tidy(files)
        self._journal.remove()

    def _put_back(self, record: Record, participants: Sequence[Participant]) -> list[str]:
        """Restore every registered file and the daemons' settings; answers what could not be restored."""
        failures = staging.put_back(record.files, record.directories)
        for participant in participants:
            try:
                participant.restore(self._run, record.snapshots[participant.name])
            except Problem as exc:
                failures.append(f"{participant.name}: {exc.found}")
            except OSError as exc:
                failures.append(f"{participant.name}: {exc}")
        if not failures:
            self._journal.remove()
        return failures

    def _recover(self) -> None:
        """Undo what a killed run left, or tidy up behind one that had succeeded."""
        record = self._journal.read(self._host)
        if record is None:
            self._journal.remove()  # a run that was killed while it tidied up may have left a mirror
            return
        if record.done:
            self._finish(record.files)
            return
        found = (self._participant_by_name(name) for name in record.snapshots)
        failures = self._put_back(record, [one for one in found if one])
        self._warn("an earlier run was killed half-way; what it had changed was put back first")
        if failures:
            raise Problem(
                f"what a killed run left could not be undone ({'; '.join(failures)})",
                f"repair this by hand, then remove {self._journal.directory}",
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
        return self._host.query(argv, stdin=stdin, environment=environment, user=user)


def _explained(problem: Problem, failures: Sequence[str], *, disturbed: bool) -> Problem:
    """The same problem, and what has become of the host."""
    if failures:
        outcome = f"what had been changed could NOT all be put back ({'; '.join(failures)})"
    else:
        outcome = "everything was put back as it was" if disturbed else "nothing was changed"
    return Problem(f"{problem.found}; {outcome}", problem.remedy, subject=problem.subject, option=problem.option)
