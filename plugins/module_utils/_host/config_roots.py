# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a daemon's configuration lies, and who is trusted with it: a declaration, and the look at whether it holds.

A daemon's programs load modules, run commands and read further files as its configuration says. So they run as root
only on what nobody but root can write; what the daemon's own user can write is read as that user.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import causes
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.reading import content_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.writers import (
    Writer,
    has_access_list,
    owner,
    replacer,
    writer,
)

_NOBODYS_GROUP = 65534
_MOST = 50_000  # files and directories of one daemon's configuration
_LINKS = 40  # as many as the kernel follows; path_resolution(7)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Reference:
    """What a line of configuration has root's programs read, load or run, wherever that lies.

    Attributes:
        path: a file; a directory, which stands for all that is in it; or a pattern for either. Always absolute.
        place: file and line.
        follow: whether it is configuration itself, and may refer to more.
    """

    path: str
    place: str
    follow: bool = True


References = Callable[[Mapping[str, str]], Iterable[Reference]]  # of the texts of files, by their paths


@dataclass(frozen=True)
class ConfigRoot:
    """A directory, or a single file, of a daemon's configuration.

    Attributes:
        path: where it is.
        user: the daemon's user, as whom programs read it; empty where root does, since only root can write it.
        configuration: the names in it, as patterns, that programs run by root take instructions from, with all that
            is below them. Other files there are data, and others than root may write them.
        first: the files, as patterns, with which root's programs begin to read; wherever they lie.
        references: what all the files refer to that have been found so far.
    """

    path: str
    user: str = ""
    configuration: tuple[str, ...] = ("*",)
    first: tuple[str, ...] = ()
    references: References | None = None


def user_of(roots: Sequence[ConfigRoot]) -> str:
    """As whom programs read all of this; empty for root."""
    (user,) = {root.user for root in roots} or {""}
    return user


def refuse_strangers(roots: Sequence[ConfigRoot], daemon: str) -> None:
    """Refuse configuration that root reads and somebody else can write, wherever it lies.

    Args:
        roots: the declaration.
        daemon: its name, for the message.

    Raises:
        Problem: it names the file or directory, the line that refers to it, who can write it, and what to do.
    """
    for root in roots:
        if not root.user:
            look = _Look(root, daemon)
            look.at_what_is_there()
            look.at_what_is_read()


class _Look:
    """A look at all that can decide what a program does, each file and directory once."""

    def __init__(self, root: ConfigRoot, daemon: str) -> None:
        self._root = root
        self._daemon = daemon
        self._seen: set[tuple[str, bool]] = set()
        self._walked: set[tuple[str, tuple[str, ...]]] = set()

    def at_what_is_there(self) -> None:
        """Look at everything in the root that is configuration."""
        self._tree(self._root.path, self._root.configuration, "")

    def at_what_is_read(self) -> None:
        """Look at what the first files refer to, and these again."""
        found = [path for pattern in self._root.first for path in self._matching(pattern, "")]
        waiting = [file for path in found for file in self._tree(path, ("*",), "")]
        texts: dict[str, str] = {}
        known: set[Reference] = set()
        while waiting and self._root.references:
            texts.update((path, self._text(path)) for path in waiting if path not in texts)
            new = [one for one in self._root.references(texts) if one not in known]
            known.update(new)
            waiting = []
            for one in new:
                for match in self._matching(one.path, one.place):
                    files = self._tree(match, ("*",), one.place)
                    waiting += files if one.follow else []

    @staticmethod
    def _text(path: str) -> str:
        """What a file says; nothing where there is none."""
        content = content_of(path) if os.path.isfile(path) else None
        return (content or b"").decode("utf-8", "surrogateescape")

    def _matching(self, pattern: str, place: str) -> list[str]:
        """The paths that a pattern stands for, there or not; whoever can add to them is looked for."""
        directory, name = os.path.split(pattern)
        directories = self._matching(directory, place) if _MAGIC.search(directory) else [directory]
        if not _MAGIC.search(name):
            return [os.path.join(one, name) for one in directories]
        found: list[str] = []
        for one in directories:
            self._way(one, place)
            if os.path.isdir(one):
                found += [os.path.join(one, other) for other in sorted(_names(one)) if fnmatchcase(other, name)]
        return found

    def _tree(self, path: str, names: tuple[str, ...], place: str) -> list[str]:
        """Look at a file, or a directory and what is below it; answers the files."""
        files: list[str] = []
        waiting = [(path, names)]
        while waiting:
            here, names = waiting.pop()
            self._way(here, place)
            real = os.path.realpath(here)
            if not os.path.isdir(real):
                files.append(here)
            elif (real, names) not in self._walked:
                self._walked.add((real, names))
                found = [one for one in sorted(_names(real)) if any(fnmatchcase(one, name) for name in names)]
                waiting += [(os.path.join(here, one), ("*",)) for one in found]
        return files

    def _way(self, path: str, place: str) -> None:
        """Look at what decides what a path leads to."""
        for one in _way(path):
            if (one.path, one.is_end) in self._seen:
                continue
            self._seen.add((one.path, one.is_end))
            if len(self._seen) > _MOST:
                raise Problem(
                    f"there are more than {_MOST} files below {self._root.path}",
                    "move away what does not belong to the configuration",
                    subject=self._daemon,
                    option=self._root.path,
                )
            who = one.writer()
            if who:
                raise self._refused(one, who, path, place)

    def _refused(self, step: _Step, who: Writer, path: str, place: str) -> Problem:
        name = shlex.quote(step.path)
        everything = f"setfacl --remove-all {name} && " if has_access_list(step.path) else ""
        close = f"let only root write it ({everything}chown root {name} && chmod go-w {name})"
        if not place:
            why = f"root runs programs that do what {self._daemon}'s configuration says"
            remedy = f"{close}, after looking at what it says"
        else:
            why = f"{place} has root's programs read {'it' if step.path == path else path}"
            remedy = f"move it where only root can write, after looking at what it says, and correct {place}"
            remedy += "" if step.is_sticky else f"; or {close}"
        return Problem(
            f"{step.path} can be written by {who}, and {why}",
            remedy,
            subject=self._daemon,
            option=place or step.path,
        )


def reader_of(path: str) -> str | Identity:
    """As whom a program reads a file: whoever besides root can put something into its place; empty where nobody can."""
    for one in _way(path):
        who = one.writer()
        if who is None:
            continue
        if who.user is not None:
            return Identity.of_number(who.user, one.state.st_gid)
        return f":{_NOBODYS_GROUP if who.group is None else who.group}"
    return ""


@dataclass(frozen=True)
class _Step:
    """A step on the way to a file: a directory in which a name is looked up, or what it ends at.

    Attributes:
        path: where it is.
        state: what is known of it.
        is_end: whether it is what the path leads to; where that is missing, the directory that it would be made in.
        link: in a directory, the symbolic link that is followed from there.
    """

    path: str
    state: os.stat_result
    is_end: bool = False
    link: os.stat_result | None = None

    @property
    def is_sticky(self) -> bool:
        """Whether it is a directory for everybody, such as ``/tmp``."""
        return bool(self.state.st_mode & stat.S_ISVTX)

    def writer(self) -> Writer | None:
        """Somebody besides root who can change what the path leads to, here; None where nobody can."""
        if self.is_end:
            return writer(self.path, self.state)
        found = replacer(self.path, self.state)
        if found is None and self.link and writer(self.path, self.state):
            return owner(self.link)
        return found


def _way(path: str) -> Iterator[_Step]:
    """The way to a path, links followed; it ends where the path cannot lead anywhere."""
    here, todo, links = "/", _parts(path), 0
    try:
        while todo:
            name = todo.pop(0)
            one = os.path.dirname(here) if name == ".." else os.path.join(here, name)
            try:
                found = os.lstat(one)
            except FileNotFoundError:
                yield _Step(here, os.stat(here), is_end=True)
                return
            is_link = stat.S_ISLNK(found.st_mode)
            yield _Step(here, os.stat(here), link=found if is_link else None)
            if not is_link:
                here = one
                continue
            links += 1
            if links > _LINKS:
                return
            leads_to = os.readlink(one)
            here, todo = "/" if os.path.isabs(leads_to) else here, [*_parts(leads_to), *todo]
        yield _Step(here, os.stat(here), is_end=True)
    except OSError:
        return


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError as exc:
        raise causes.problem(exc, "cannot be read", directory) from exc
