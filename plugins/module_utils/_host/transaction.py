# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only code that writes files, runs programs with an effect, or makes daemons act.

A transaction is all or nothing: stage -> commit what configuration refers to -> the daemons' own tests on a
mirror of their configuration -> commit -> activate -> probe. On any failure everything is put back (the very
same inodes, by hard links made before), the daemons that were disturbed are activated again, and the problem
says what happened. What is about to be written is registered in a journal first, so that a run that was killed
is undone at the start of the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os
import pwd
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import LOCK_FILE, STATE_DIRECTORY

_RENAMED = {"material": "prerequisite"}  # in a journal that release 0.3.0 or older left
LOCK_PATIENCE = 60.0  # seconds that a second run waits for the first


class Participant(Protocol):
    """A daemon that takes part in a transaction."""

    @property
    def name(self) -> str:
        """The word for the daemon."""

    @property
    def config_roots(self) -> tuple[str, ...]:
        """Directories, or single files, that its own configuration test reads."""

    def check(self, run: Callable[..., Completed], mirrors: Mapping[str, str]) -> None:
        """Run the daemon's own test on mirrors (real path -> mirrored path) of its configuration."""

    def activate(self, run: Callable[..., Completed]) -> None:
        """Make the running daemon use the files as they are now; start it where it died."""

    def snapshot(self) -> dict[str, Any]:
        """What restore() needs to know of the settings that the daemon keeps elsewhere than in files; no secrets."""

    def restore(self, run: Callable[..., Completed], snapshot: Mapping[str, Any]) -> None:
        """Make the running daemon use the files, which have been put back, and the settings of a snapshot."""


@dataclass
class _Entry:
    """One registered file: where it goes, and the names beside it that belong to this transaction.

    The path is the one in the plan; the target is where it leads to.
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
    def from_journal(cls, noted: Mapping[str, Any]) -> _Entry:
        """An entry as a run wrote it into its journal, also one of an older release."""
        return cls(**{_RENAMED.get(key, key): value for key, value in noted.items()})


def _beside(target: str, word: str) -> str:
    """A hidden name in the target's own directory, so that a rename suffices to commit."""
    return os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.postmaster-{word}")


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Let programs make files that nobody else can read, also those whose modes they choose themselves."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _id_of(name: str, find: Callable[[str], int]) -> int:
    """Number of a user or group; a file may belong to a number without a name."""
    try:
        return find(name)
    except KeyError:
        if name.isdecimal():
            return int(name)
        raise


def _not_mirrored(directory: str, names: list[str]) -> set[str]:
    """What a mirror leaves out: our own staged and saved files, links that lead back up or nowhere, and sockets."""
    here = os.path.join(os.path.realpath(directory), "")
    found = set()
    for name in names:
        real = os.path.realpath(os.path.join(directory, name))
        ours = name.startswith(".") and ".postmaster-" in name
        if ours or here.startswith(os.path.join(real, "")) or not (os.path.isfile(real) or os.path.isdir(real)):
            found.add(name)
    return found


def _sync_directory(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same_file(one: str, other: str) -> bool:
    """Whether two names lead to one file; on overlayfs, which shows hard links as files of their own, too."""
    try:
        first, second = os.lstat(one), os.lstat(other)
    except FileNotFoundError:
        return False
    return (first.st_ctime_ns, first.st_mtime_ns, first.st_size, first.st_mode) == (
        second.st_ctime_ns,
        second.st_mtime_ns,
        second.st_size,
        second.st_mode,
    )


def _write_private(path: str, content: bytes) -> None:
    """Write a new file that nobody but root could read at any instant."""
    _unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


class Transaction:
    """Use as a context manager: entering takes the host's lock and undoes what a killed run left.

    Args:
        host: the machine, for reading.
        participant_by_name: finds the daemon that a killed run had disturbed, None where it is gone.
        check_mode: nothing is written, run or locked.
        warn: takes a warning for the administrator.
        state_directory: where the journal lies.
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
        self._directory = os.path.join(state_directory, "transaction")
        self._journal = os.path.join(self._directory, "journal.json")
        self._lock_file = lock_file
        self._lock: int | None = None
        self._snapshots: dict[str, dict[str, Any]] = {}

    # ---- life of a transaction

    def __enter__(self) -> Transaction:
        if self.check_mode:
            if os.path.exists(self._journal):
                self._warn("an earlier run was killed half-way; a run without check mode will first undo what it left")
            return self
        self._lock = self._take_lock()
        try:
            self._recover()
        except BaseException:
            self._release_lock()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._release_lock()

    def apply(
        self,
        changes: Sequence[FileChange],
        participants: Sequence[Participant] = (),
        probe: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the changes, have the participants use them, and prove it; or leave everything as it was.

        In check mode nothing happens.

        Args:
            changes: the files that differ from the host, in the order in which they shall be committed.
            participants: daemons to test and activate, also when no file changes.
            probe: raises Problem where the wire does not show what was asked for.

        Raises:
            Problem: something failed; everything has been put back.
        """
        if self.check_mode:
            return
        entries = [entry for change in changes for entry in self._entries_for(change)]
        new_directories = self._missing_directories(entries)
        for entry in entries:
            _unlink(entry.saved)  # nobody's: there is no journal that speaks of it
        disturbed = False
        try:
            self._register(entries, new_directories, participants)
            for change in changes:
                self._make_parents(change)
            self._save(entries)
            for change in changes:
                self._stage(change)
            self._commit(entry for entry in entries if entry.prerequisite)
            self._test(entries, participants)
            disturbed = True
            self._commit(entry for entry in entries if not entry.prerequisite)
            for participant in participants:
                participant.activate(self._run)
            probe()
            self._set_journal_done()
        except BaseException as exc:
            failures = self._put_back(entries, new_directories, participants if disturbed else ())
            if isinstance(exc, OSError):
                problem = Problem(
                    f"{exc.filename or 'a file'} cannot be changed ({exc.strerror or exc})",
                    "run as root (become: true), and make room on the file system",
                )
                raise self._explain(problem, failures, disturbed=disturbed) from exc
            if isinstance(exc, Problem):
                raise self._explain(exc, failures, disturbed=disturbed) from exc
            raise
        self._forget(entries)

    # ---- lock and journal

    def _take_lock(self) -> int:
        try:
            os.makedirs(os.path.dirname(self._lock_file), exist_ok=True)
            handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise Problem(
                f"{self._lock_file} cannot be opened ({exc.strerror})", "run the module as root (become: true)"
            ) from exc
        end = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            except BlockingIOError as exc:
                if time.monotonic() >= end:
                    os.close(handle)
                    raise Problem(
                        f"another run has been changing this host for over {LOCK_PATIENCE:.0f} seconds",
                        "wait until it ends, then run again",
                    ) from exc
                time.sleep(0.1)

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # closing gives up the lock; the file stays, a removed one would not exclude anyone
            self._lock = None

    def _write_journal(self, content: dict[str, object]) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        staged = self._journal + ".new"
        _write_private(staged, json.dumps(content).encode())
        os.rename(staged, self._journal)
        _sync_directory(self._directory)

    def _register(
        self, entries: Sequence[_Entry], directories: Sequence[str], participants: Sequence[Participant]
    ) -> None:
        """Note what is about to be created before any of it exists."""
        self._snapshots = {participant.name: participant.snapshot() for participant in participants}
        self._written: dict[str, object] = {
            "done": False,
            "entries": [asdict(entry) for entry in entries],
            "directories": list(directories),
            "participants": self._snapshots,
        }
        self._write_journal(self._written)

    def _set_journal_done(self) -> None:
        """The point of no return: from here on the new state is the one that stays."""
        self._write_journal({**self._written, "done": True})

    def _forget(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            _unlink(entry.saved)
            _unlink(entry.staged)
        for entry in entries:
            if entry.remove and entry.own_directory:
                with contextlib.suppress(OSError):  # not empty: somebody else uses it
                    os.rmdir(os.path.dirname(entry.target))
        self._remove_directory()

    def _remove_directory(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self._directory))

    def _recover(self) -> None:
        """Undo what a killed run left, or tidy up behind one that had succeeded."""
        content = self._host.read(self._journal)
        if content is None:
            self._remove_directory()  # a run that was killed while it tidied up may have left a mirror
            return
        journal = json.loads(content)
        entries = [_Entry.from_journal(one) for one in journal["entries"]]
        if journal["done"]:
            self._forget(entries)
            return
        self._snapshots = journal["participants"]
        found = (self._participant_by_name(name) for name in self._snapshots)
        failures = self._put_back(entries, journal["directories"], [one for one in found if one])
        self._warn("an earlier run was killed half-way; what it had changed was put back first")
        if failures:
            raise Problem(
                f"what a killed run left could not be undone ({'; '.join(failures)})",
                f"mend this by hand, then remove {self._directory}",
            )

    # ---- files

    def _entries_for(self, change: FileChange) -> Iterator[_Entry]:
        target = os.path.realpath(change.path)
        suffixes = ["", change.compiled.suffix] if change.compiled else [""]
        for suffix in suffixes:
            path = target + suffix
            yield _Entry(
                path=change.path + suffix,
                target=path,
                staged=_beside(target, "new") + suffix,
                saved=_beside(path, "before"),
                existed=os.path.lexists(path),
                remove=change.content is None,
                prerequisite=change.prerequisite,
                own_directory=change.own_directory,
            )

    @staticmethod
    def _missing_directories(entries: Sequence[_Entry]) -> list[str]:
        """Directories that must be made, parents first."""
        missing: list[str] = []
        for entry in entries:
            directory, chain = os.path.dirname(entry.target), []
            while not os.path.isdir(directory):
                chain.append(directory)
                directory = os.path.dirname(directory)
            missing.extend(one for one in reversed(chain) if one not in missing)
        return missing

    @staticmethod
    def _make_parents(change: FileChange) -> None:
        missing, directory = [], os.path.dirname(os.path.realpath(change.path))
        while not os.path.isdir(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        for one in reversed(missing):
            os.mkdir(one, 0o700)
            own = one == missing[0]  # only the file's own directory may be closed: others lie beside it
            os.chmod(one, change.parent_mode if own else 0o755)  # the plan's mode, no umask bends it

    @staticmethod
    def _save(entries: Sequence[_Entry]) -> None:
        for entry in entries:
            if entry.existed:
                os.link(entry.target, entry.saved, follow_symlinks=False)

    def _stage(self, change: FileChange) -> None:
        """Write the file beside its target with its final owner and mode, and compile it where it is a table."""
        if change.content is None:
            return
        target = os.path.realpath(change.path)
        staged = _beside(target, "new")
        state = self._host.state(target)
        owner = change.owner or (state.owner if state else "root")
        group = change.group or (state.group if state else "root")
        mode = change.mode if change.mode is not None else (state.mode if state else 0o644)
        try:
            uid = _id_of(owner, lambda name: pwd.getpwnam(name).pw_uid)
            gid = _id_of(group, lambda name: grp.getgrnam(name).gr_gid)
        except KeyError as exc:
            raise Problem(
                f"{change.path} must belong to {owner}:{group}, which this host does not know",
                "install the daemon that it is meant for",
            ) from exc
        try:
            _write_private(staged, change.content)
        except OSError as exc:
            raise Problem(
                f"{change.path} cannot be written ({exc.strerror})", "run as root and make room on the file system"
            ) from exc
        self._edit(change, staged)
        staged_files = [staged]
        if change.compiled:
            twin = staged + change.compiled.suffix
            _unlink(twin)
            done = self._run([part.format(source=staged) for part in change.compiled.argv])
            if done.code != 0 or not os.path.exists(twin):
                raise Problem(f"{change.path} could not be compiled ({done.complaint})", "look at the daemon's log")
            staged_files.append(twin)
        for path in staged_files:
            os.chown(path, uid, gid)
            os.chmod(path, stat.S_IMODE(mode))

    def _edit(self, change: FileChange, staged: str) -> None:
        """Have programs change the staged file."""
        if change.edits and not change.content:
            _unlink(staged)
        for edit in change.edits:
            with _private_files():
                done = self._run([staged if part == "{file}" else part for part in edit.argv], stdin=edit.stdin)
            if done.code != 0 or not os.path.exists(staged):
                raise Problem(f"{change.path} could not be changed ({done.complaint})", "look at the host's log")

    @staticmethod
    def _commit(entries: Iterator[_Entry]) -> None:
        for entry in entries:
            if entry.remove:
                _unlink(entry.target)
            else:
                os.rename(entry.staged, entry.target)
            _sync_directory(os.path.dirname(entry.target))

    def _test(self, entries: Sequence[_Entry], participants: Sequence[Participant]) -> None:
        """Have each daemon test a mirror of its configuration into which the staged files have been laid."""
        for participant in participants:
            mirrors = {}
            for number, root in enumerate(participant.config_roots):
                mirror = os.path.join(self._directory, f"mirror-{participant.name}-{number}")
                # without links, so that what is laid into the mirror stays in the mirror
                if os.path.isdir(root):
                    shutil.copytree(root, mirror, ignore=_not_mirrored)
                else:
                    shutil.copy2(root, mirror)
                mirrors[root] = mirror
                for entry in entries:
                    if entry.prerequisite or not (entry.path == root or entry.path.startswith(root + "/")):
                        continue
                    twin = mirror + entry.path[len(root) :]
                    _unlink(twin)
                    if not entry.remove:
                        shutil.copy2(entry.staged, twin)
            try:
                participant.check(self._run, mirrors)
            finally:
                for mirror in mirrors.values():
                    if os.path.isdir(mirror):
                        shutil.rmtree(mirror, ignore_errors=True)
                    else:
                        _unlink(mirror)

    def _put_back(
        self, entries: Sequence[_Entry], directories: Sequence[str], participants: Sequence[Participant]
    ) -> list[str]:
        """Restore every registered file and activate the daemons again; answers what could not be done."""
        failures = []
        for entry in reversed(entries):
            try:
                _unlink(entry.staged)
                if not entry.existed:
                    _unlink(entry.target)
                elif os.path.lexists(entry.saved) and not _same_file(entry.saved, entry.target):
                    os.replace(entry.saved, entry.target)
                _unlink(entry.saved)  # still there where the target was never replaced
            except OSError as exc:
                failures.append(f"{entry.target}: {exc.strerror}")
        for directory in reversed(list(directories)):
            with contextlib.suppress(OSError):  # not empty: somebody else uses it by now
                os.rmdir(directory)
        for participant in participants:
            try:
                participant.restore(self._run, self._snapshots[participant.name])
            except Problem as exc:
                failures.append(f"{participant.name}: {exc.found}")
            except OSError as exc:
                failures.append(f"{participant.name}: {exc}")
        if not failures:
            self._remove_directory()
        return failures

    @staticmethod
    def _explain(problem: Problem, failures: Sequence[str], *, disturbed: bool) -> Problem:
        if failures:
            outcome = f"what had been changed could NOT all be put back ({'; '.join(failures)})"
        else:
            outcome = "everything was put back as it was" if disturbed else "nothing was changed"
        return Problem(f"{problem.found}; {outcome}", problem.remedy, subject=problem.subject, option=problem.option)

    # ---- programs

    def _run(self, argv: Sequence[str], *, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Completed:
        if self.check_mode:
            raise AssertionError("a program with an effect was about to run in check mode")
        return self._host.query(argv, stdin=stdin, environment=environment)
