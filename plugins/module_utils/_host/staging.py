# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a transaction: staged beside their targets, saved, committed by a rename, put back.

Everything is done in directories that are held open, with names that nobody can foresee.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import re
import secrets
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.attributes import (
    attributes_of,
    give_attributes,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.content import Run, contents
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    create,
    exists,
    same_file,
    unlink,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import (
    Record,
    RegisteredFile,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.trusted_paths import (
    held,
    resolved,
    uid_of,
)

_OURS = re.compile(r"\.(.*)\.postmaster-(?:new|before)(?:-[0-9a-f]{16})?", re.DOTALL)
_LONGEST = 200  # bytes of the target's name; with what we add, it stays a name


def _base(target: str) -> str:
    """The part of a target's name that is in the names beside it."""
    return os.fsdecode(os.fsencode(os.path.basename(target))[:_LONGEST])


def _beside(target: str, word: str) -> str:
    """A hidden name in the target's own directory, so that a rename suffices to commit. Nobody can foresee it."""
    return os.path.join(os.path.dirname(target), f".{_base(target)}.postmaster-{word}-{secrets.token_hex(8)}")


def _age(name: str, directory: int | None = None) -> int:
    """When a file was written, in nanoseconds; 0 where there is none."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_ours(name: str) -> bool:
    """Whether a file's name is one that a transaction gives to staged and saved files."""
    return name.startswith(".") and ".postmaster-" in name


def _remains(bases: Collection[str], directory: int) -> list[str]:
    """Names beside files that an earlier transaction gave, and which no journal mentions any more."""
    found = ((name, _OURS.fullmatch(name)) for name in os.listdir(directory))
    return [name for name, ours in found if ours and ours[1] in bases]


def registered(change: FileChange) -> Iterator[RegisteredFile]:
    """The file of a change, and its compiled twin if it has one. Looks only.

    Raises:
        Problem: somebody else could bend what is done there, or an edited file has several names.
    """
    friends = _friends(change)
    target = resolved(change.path, friends)
    suffixes = ["", change.compiled.suffix] if change.compiled else [""]
    for suffix in suffixes:
        path = target + suffix
        if suffix and resolved(path, friends) != path:
            raise Problem(
                f"{path} is a symbolic link, where {change.path} is compiled to",
                f"remove it: rm {path}",
            )
        if change.is_edited:
            _refuse_hard_links(path)
        yield RegisteredFile(
            path=change.path + suffix,
            target=path,
            staged=_beside(path, "new"),
            saved=_beside(path, "before"),
            existed=os.path.lexists(path),
            age=_age(path),
            remove=change.content is None,
            prerequisite=change.prerequisite,
            own_directory=change.own_directory,
        )


def _friends(change: FileChange) -> Collection[int]:
    """Whom a file is meant for, besides root: its owner, unless that is somebody who may have put it there himself.

    A secret is only for the owner that the plan names.
    """
    uid = None
    if change.owner:
        uid = uid_of(change.owner)
    elif not change.secret:
        with contextlib.suppress(OSError):
            uid = os.stat(change.path, follow_symlinks=False).st_uid
    return () if uid is None else (uid,)


def _refuse_hard_links(path: str) -> None:
    """Refuse to edit a file that has other names: they would go on showing what it was.

    Raises:
        Problem: it has.
    """
    try:
        count = os.lstat(path).st_nlink
    except OSError:
        return
    if count < 2:
        return
    with contextlib.suppress(OSError), _beside_opened(path) as (directory, name):
        count -= sum(same_file(name, one, directory) for one in _remains({_base(path)}, directory))
    if count > 1:
        raise Problem(
            f"{path} has {count} names (hard links); the others would go on showing its old content",
            f"find them ('find / -xdev -samefile {path}') and make them symbolic links to it, or part it from them, so"
            f" that they become copies ('cp -a {path} {path}.parted && mv {path}.parted {path}'), and run again",
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
    missing: list[str] = []
    for one in files:
        missing.extend(path for path in reversed(_missing_above(one.target)) if path not in missing)
    return missing


def make_parents(change: FileChange, target: str) -> None:
    """Make the missing directories of a file. Only its own may be closed, since other files lie below the others."""
    missing = _missing_above(target)
    for one in reversed(missing):
        with _beside_opened(one, _friends(change)) as (directory, name):
            os.mkdir(name, 0o700, dir_fd=directory)
            os.fsync(directory)
        with held(one, _friends(change)) as made:
            os.fchmod(made, change.parent_mode if one == missing[0] else 0o755)  # not bent by the umask
            os.fsync(made)


@contextlib.contextmanager
def _beside_opened(path: str, friends: Collection[int] | None = None) -> Iterator[tuple[int, str]]:
    """The directory of a file, held open, and the file's name in it."""
    directory, name = os.path.split(path)
    with held(directory, friends) as handle:
        yield handle, name


# ---- forth


def sweep(files: Iterable[RegisteredFile]) -> None:
    """Remove what earlier transactions left beside the files; there is no journal that mentions it."""
    bases: dict[str, set[str]] = {}
    for one in files:
        bases.setdefault(os.path.dirname(one.target), set()).add(_base(one.target))
    for path, here in bases.items():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), held(path) as directory:
            for name in _remains(here, directory):
                unlink(name, directory)


def save(files: Iterable[RegisteredFile]) -> None:
    """Make hard links to the old files, so that the very same inodes can be put back."""
    for one in files:
        if one.existed:
            with _beside_opened(one.target) as (directory, name):
                saved = os.path.basename(one.saved)
                os.link(name, saved, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)


@dataclass(frozen=True)
class _Manner:
    """How a file is written: whose it is, its mode, and its extended attributes."""

    uid: int
    gid: int
    mode: int
    attributes: dict[str, bytes] = field(default_factory=dict)


def stage(change: FileChange, files: Sequence[RegisteredFile], private_directory: str, run: Run) -> None:
    """Write a file beside its target with its final owner and mode, and compile it where it is a lookup table.

    Args:
        change: the file.
        files: the file, and its compiled twin if it has one.
        private_directory: where programs may work.
        run: runs a program with an effect.

    Raises:
        Problem: its owner is unknown, it cannot be written, or a program fails.
    """
    if change.content is None:
        return
    there = [_manner_of(one) for one in files]
    manner = _manner(change, there[0])
    for one, old, content in zip(files, there, contents(change, private_directory, run)):
        known = old or there[0]
        _write(one, content, _Manner(manner.uid, manner.gid, manner.mode, known.attributes if known else {}), change)


def _manner_of(file: RegisteredFile) -> _Manner | None:
    """How the old file is written, None where there is none."""
    if not file.existed:
        return None
    with _beside_opened(file.target) as (directory, name):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EEXIST, "it is no regular file", file.target)
        return _Manner(state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode), attributes_of(handle))
    finally:
        os.close(handle)


def _manner(change: FileChange, old: _Manner | None) -> _Manner:
    """User, group and mode that a file gets: those of the plan, else those of the old file."""
    old = old or _Manner(0, 0, 0o644)
    uid = uid_of(change.owner) if change.owner else old.uid
    gid = _gid_of(change.group) if change.group else old.gid
    if uid is None or gid is None:
        raise Problem(
            f"{change.path} must belong to {change.owner or uid}:{change.group or gid}, which this host does not know",
            "install the daemon that the file is for",
        )
    return _Manner(uid, gid, old.mode if change.mode is None else change.mode)


def _gid_of(group: str) -> int | None:
    """Number of a group, None where there is none; a file may belong to a number without a name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return int(group) if group.isdecimal() else None


def _write(file: RegisteredFile, content: bytes, manner: _Manner, change: FileChange) -> None:
    """Write a staged file, which nobody else can read before all of it is as it is to be, and have the disk keep it."""
    try:
        with _beside_opened(file.staged, _friends(change)) as (directory, name):
            handle = create(name, directory)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchown(handle, manner.uid, manner.gid)
            give_attributes(handle, manner.attributes, file.path)
            os.fchmod(handle, manner.mode)  # the last, since it bounds an access control list too
            os.fsync(handle)
    except OSError as exc:
        raise causes.problem(exc, "cannot be written", file.path) from exc


def settle(files: Sequence[RegisteredFile]) -> None:
    """Have the disk keep the names of what was saved and staged, so that nothing but renames is left to be done."""
    for path in _directories(files):
        with held(path) as directory:
            os.fsync(directory)


def commit(files: Iterable[RegisteredFile]) -> None:
    """Put the staged files in place, one rename each and nothing in between; then have the disk keep that."""
    files = list(files)
    with contextlib.ExitStack() as opened:
        directories = {path: opened.enter_context(held(path)) for path in _directories(files)}
        for one in files:
            path, name = os.path.split(one.target)
            directory = directories[path]
            if one.remove:
                unlink(name, directory)
            else:
                os.rename(os.path.basename(one.staged), name, src_dir_fd=directory, dst_dir_fd=directory)
        for directory in directories.values():
            os.fsync(directory)


def _directories(files: Iterable[RegisteredFile]) -> list[str]:
    return list(dict.fromkeys(os.path.dirname(one.target) for one in files))


def tidy(files: Sequence[RegisteredFile]) -> None:
    """Remove what a transaction that is done leaves beside its files, and directories that went with a file.

    Raises:
        Problem: something is in the way.
    """
    for one in files:
        try:
            with _beside_opened(one.target) as (directory, _name):
                unlink(os.path.basename(one.saved), directory)
                unlink(os.path.basename(one.staged), directory)
        except (FileNotFoundError, NotADirectoryError):
            continue  # the directory went too
        except OSError as exc:
            raise Problem(
                f"everything is as planned, but the old {one.target}, kept as {os.path.basename(one.saved)} beside it,"
                f" cannot be removed ({exc.filename}: {exc.strerror})",
                "clear what is in the way, then run again",
            ) from exc
    for one in files:
        if one.remove and one.own_directory:
            _remove_directory(os.path.dirname(one.target))
    failures = _sync_names(files)
    if failures:
        raise Problem(
            f"everything is as planned, but the disk may not keep it ({'; '.join(failures)})",
            "look for faults of the disk in 'journalctl -k', then run again",
        )


def _remove_directory(path: str) -> None:
    """Remove a directory, unless it is not empty: then somebody else uses it."""
    with contextlib.suppress(OSError), _beside_opened(path) as (directory, name):
        os.rmdir(name, dir_fd=directory)


def _sync_names(files: Iterable[RegisteredFile]) -> list[str]:
    """Have the disk keep which names are beside files, or in what is above a directory that has gone.

    Whatever calls this ends with the journal's removal, which must not outlive what was done before it.

    Returns:
        What could not be kept.
    """
    failures = []
    for path in sorted({_nearest(one) for one in _directories(files)}):
        try:
            with held(path) as directory:
                os.fsync(directory)
        except OSError as exc:
            failures.append(f"{path}: {exc.strerror}")
    return failures


def _nearest(directory: str) -> str:
    """A directory, or the next one above it that is there."""
    return directory if os.path.isdir(directory) else _nearest(os.path.dirname(directory))


# ---- back


def put_back(record: Record) -> list[str]:
    """Restore every registered file and remove the directories that were made.

    Returns:
        What could not be restored.
    """
    failures = []
    for one in reversed(record.files):
        try:
            with _beside_opened(one.target) as (directory, name):
                failures += _put_back(one, name, directory, begun=record.begun)
        except (FileNotFoundError, NotADirectoryError):
            if record.begun and one.existed:
                failures.append(f"{one.target} is missing with its directory, and the old file, {one.saved}, too")
        except OSError as exc:
            failures.append(f"{one.target}: {causes.explained(exc, one.target)[0]}")
    for path in reversed(record.directories):
        _remove_directory(path)
    return failures + _sync_names(record.files)


def _put_back(file: RegisteredFile, name: str, directory: int, *, begun: bool) -> list[str]:
    """Put the old file in its place, or nothing where there was none; answers what fails."""
    staged, saved = os.path.basename(file.staged), os.path.basename(file.saved)
    unlink(staged, directory)
    if begun and not file.existed:
        unlink(name, directory)
    elif begun and not exists(saved, directory):
        # it may be in its place again, or still
        if file.age not in (0, _age(name, directory)):
            return [f"{file.target} is not the old file, and {file.saved}, which should be that, is missing"]
    elif begun and not same_file(saved, name, directory):
        os.replace(saved, name, src_dir_fd=directory, dst_dir_fd=directory)
    unlink(saved, directory)  # still there where the target was never replaced
    return []
