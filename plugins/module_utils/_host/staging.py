# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a transaction: staged beside their targets, saved, committed by a rename, put back."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity, acting_as
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    make_private,
    read_regular,
    remove_tree,
    same_file,
    sync_directory,
    sync_file,
    unlink,
    write_private,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Record,
    RegisteredFile,
)

MOST_EDITED = 64 * 1024 * 1024  # bytes of a file that a program has changed


def _beside(target: str, word: str) -> str:
    """A hidden name in the target's own directory, so that a rename suffices to commit."""
    return os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.postmaster-{word}")


def _age(path: str) -> int:
    """When a file was written, in nanoseconds; 0 where there is none."""
    try:
        return os.lstat(path).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_ours(name: str) -> bool:
    """Whether a file's name is one that a transaction gives to staged and saved files."""
    return name.startswith(".") and ".postmaster-" in name


def registered(change: FileChange) -> Iterator[RegisteredFile]:
    """The file of a change, and its compiled twin if it has one."""
    target = os.path.realpath(change.path)
    suffixes = ["", change.compiled.suffix] if change.compiled else [""]
    for suffix in suffixes:
        path = target + suffix
        yield RegisteredFile(
            path=change.path + suffix,
            target=path,
            staged=_beside(target, "new") + suffix,
            saved=_beside(path, "before"),
            existed=os.path.lexists(path),
            age=_age(path),
            remove=change.content is None,
            prerequisite=change.prerequisite,
            own_directory=change.own_directory,
        )


# ---- directories


def _missing_above(target: str) -> list[str]:
    """Directories that are missing on the way to a file, its own first."""
    missing, directory = [], os.path.dirname(target)
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    return missing


def missing_directories(files: Iterable[RegisteredFile]) -> list[str]:
    """Directories that must be made, parents first."""
    missing = {path: None for one in files for path in reversed(_missing_above(one.target))}
    return list(missing)


def make_parents(change: FileChange) -> None:
    """Make the missing directories of a file. Only its own may be closed, since other files lie below the others."""
    missing = _missing_above(os.path.realpath(change.path))
    for one in reversed(missing):
        os.mkdir(one, 0o700)
        os.chmod(one, change.parent_mode if one == missing[0] else 0o755)  # not bent by the umask


# ---- forth


def save(files: Iterable[RegisteredFile]) -> None:
    """Make hard links to the old files, so that the very same inodes can be put back."""
    for one in files:
        if one.existed:
            os.link(one.target, one.saved, follow_symlinks=False)


def stage(change: FileChange, host: Host, run: Callable[..., Completed], workplace: str) -> None:
    """Write a file beside its target with its final owner and mode, and compile it where it is a lookup table.

    Args:
        change: the file.
        host: the machine.
        run: runs a program with an effect.
        workplace: a directory of root's, for programs that are not run as root.

    Raises:
        Problem: its owner is unknown, it cannot be written, or a program fails.
    """
    if change.content is None:
        return
    target = os.path.realpath(change.path)
    staged = _beside(target, "new")
    uid, gid, mode = _ownership(change, target, host)
    try:
        write_private(staged, change.content)
    except OSError as exc:
        raise causes.problem(exc, "cannot be written", change.path) from exc
    if change.editor:
        _edit_as_another(change, staged, run, workplace)
    else:
        _edit(change, staged, run)
    staged_files = [staged]
    if change.compiled:
        twin = staged + change.compiled.suffix
        unlink(twin)
        done = run([part.format(source=staged) for part in change.compiled.argv])
        if done.code != 0 or not os.path.exists(twin):
            raise Problem(f"{change.path} could not be compiled ({done.complaint})", "look at the daemon's log")
        staged_files.append(twin)
    for path in staged_files:
        os.chown(path, uid, gid)
        os.chmod(path, stat.S_IMODE(mode))


def _ownership(change: FileChange, target: str, host: Host) -> tuple[int, int, int]:
    """User, group and mode that a file gets: those of the plan, else those of the old file."""
    state = host.state(target)
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
    return uid, gid, mode


def _id_of(name: str, find: Callable[[str], int]) -> int:
    """Number of a user or group; a file may belong to a number without a name."""
    try:
        return find(name)
    except KeyError:
        if name.isdecimal():
            return int(name)
        raise


def _edit(change: FileChange, staged: str, run: Callable[..., Completed]) -> None:
    """Have programs change the staged file."""
    if change.edits and not change.content and not change.editor:
        unlink(staged)
    for edit in change.edits:
        with _private_umask():
            done = run([staged if part == "{file}" else part for part in edit.argv], stdin=edit.stdin)
        if done.code != 0 or not os.path.exists(staged):
            raise Problem(f"{change.path} could not be changed ({done.complaint})", "look at the host's log")


def _edit_as_another(change: FileChange, staged: str, run: Callable[..., Completed], workplace: str) -> None:
    """Have a user's programs change a copy that is the user's own, and take over what it has become."""
    editor = Identity.of(change.editor)
    own = os.path.join(workplace, "edited")
    make_private(own, editor)
    copy = os.path.join(own, os.path.basename(change.path))
    try:
        if change.content:
            with acting_as(editor):
                write_private(copy, change.content)
        _edit(change, copy, partial(run, user=editor))
        with acting_as(editor):
            content = read_regular(copy, MOST_EDITED)
    finally:
        remove_tree(own)
    write_private(staged, content)


@contextlib.contextmanager
def _private_umask() -> Iterator[None]:
    """Let programs create files that nobody else can read, even if they choose the mode themselves."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def settle(files: Sequence[RegisteredFile]) -> None:
    """Have the disk keep what was staged and saved, so that nothing but renames is left to be done."""
    for one in files:
        if not one.remove:
            sync_file(one.staged)
    _sync_directories(files)


def commit(files: Iterable[RegisteredFile]) -> None:
    """Put the staged files in place, one rename each and nothing in between; then have the disk keep that."""
    files = list(files)
    for one in files:
        if one.remove:
            unlink(one.target)
        else:
            os.rename(one.staged, one.target)
    _sync_directories(files)


def _sync_directories(files: Iterable[RegisteredFile]) -> None:
    for directory in dict.fromkeys(os.path.dirname(one.target) for one in files):
        sync_directory(directory)


def tidy(files: Sequence[RegisteredFile]) -> None:
    """Remove what a transaction that is done leaves beside its files, and directories that went with a file."""
    for one in files:
        unlink(one.saved)
        unlink(one.staged)
    for one in files:
        if one.remove and one.own_directory:
            with contextlib.suppress(OSError):  # not empty: somebody else uses it
                os.rmdir(os.path.dirname(one.target))


# ---- back


def put_back(record: Record) -> list[str]:
    """Restore every registered file and remove the directories that were made.

    Returns:
        What could not be restored.
    """
    failures = []
    for one in reversed(record.files):
        try:
            unlink(one.staged)
            if record.begun:
                failures += _restore(one)
            unlink(one.saved)  # still there where the target was never replaced
        except OSError as exc:
            failures.append(f"{one.target}: {causes.explained(exc, one.target)[0]}")
    for directory in reversed(record.directories):
        with contextlib.suppress(OSError):  # not empty: somebody else uses it by now
            os.rmdir(directory)
    if not failures:
        for directory in dict.fromkeys(os.path.dirname(one.target) for one in record.files):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # one of those that were made
                sync_directory(directory)
    return failures


def _restore(file: RegisteredFile) -> list[str]:
    """Put the old file in its place, or nothing where there was none; answers what fails."""
    if not file.existed:
        unlink(file.target)
    elif not os.path.lexists(file.saved):
        # it may be in its place again, or still
        if file.age not in (0, _age(file.target)):
            return [f"{file.target} is not the old file, and {file.saved}, which should be that, is missing"]
    elif not same_file(file.saved, file.target):
        os.replace(file.saved, file.target)
    return []
