# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to files and settings: the plain values that a plan consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import FileState, Host


@dataclass(frozen=True)
class Compiled:
    """A lookup table's compiled twin, always committed together with its source.

    Attributes:
        suffix: what the compiler appends to the source's name.
        argv: the compiler; ``{source}`` stands for the source's path.
    """

    suffix: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Edit:
    """A program that changes a file in its place, where nothing else writes its format.

    Attributes:
        argv: the program; ``{file}`` in an argument of its own stands for the file's path.
        stdin: what it reads, which may be a secret.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""

    def __repr__(self) -> str:
        return f"Edit(argv={self.argv!r}, stdin=…)"


@dataclass(frozen=True)
class FileChange:
    """One file as it is to be.

    Attributes:
        path: absolute path; where it is a symbolic link, the file it leads to is changed and the link stays.
        content: the bytes, or None to remove the file.
        owner: user name; empty keeps an existing file's owner, and means root for a new one.
        group: group name, likewise.
        mode: permission bits; None keeps an existing file's, and means 0644 for a new one.
        parent_mode: permission bits of the file's own directory where it is missing; missing directories above it get
            0755. All belong to root.
        summary: shown in a diff in place of the content; given for every file with a secret in it.
        secret: whether the content must never be shown.
        prerequisite: whether configuration refers to this file, so that it must be there before a daemon's own
            configuration test runs. Nothing uses it until the configuration names it or a daemon reloads.
        compiled: the lookup table's compiled twin, if it has one.
        own_directory: whether the file's directory goes with it when it is removed and nothing else is left there.
        edits: programs that turn the content into what the file is to be; where it is empty, they start without a file.
        editor: as whom these programs run, on a copy, where others than root can write the content; empty for root.
        loaded: whether a daemon keeps what it has read of the file until it is told to read it again; False for files
            that are looked into each time, and for those that no daemon reads.
    """

    path: str
    content: bytes | None
    owner: str = ""
    group: str = ""
    mode: int | None = None
    parent_mode: int = 0o755
    summary: str = ""
    secret: bool = False
    prerequisite: bool = False
    compiled: Compiled | None = None
    own_directory: bool = False
    edits: tuple[Edit, ...] = ()
    editor: str = ""
    loaded: bool = True

    def makes_daemons_reload(self, host: Host) -> bool:
        """Whether a daemon that has loaded the file has to load it again. Another owner or mode is no reason."""
        return self.loaded and (bool(self.edits) or host.read(self.path) != self.content)

    @property
    def is_edited(self) -> bool:
        """Whether a part of the file is somebody else's, and stays. Whatever is all ours has its owner, or a secret."""
        return self.content is not None and (bool(self.edits) or not (self.owner or self.secret))

    def needed(self, host: Host) -> bool:
        """Whether the host differs from this."""
        state = host.state(self.path)
        if self.content is None:
            return state is not None
        if self.edits:
            return True
        if state is None or host.read(self.path) != self.content:
            return True
        if self.compiled and host.state(self.path + self.compiled.suffix) != state:
            return True
        mode = state.mode if self.mode is None else self.mode
        return FileState(self.owner or state.owner, self.group or state.group, mode) != state

    def diff(self, host: Host) -> dict[str, Any]:
        """An entry for a module's diff; a secret file shows its summary only."""
        before = host.read(self.path)
        if self.secret:
            old, new = "" if before is None else "(content not shown)\n", self.summary + "\n"
        else:
            old = (before or b"").decode("utf-8", "replace")
            new = (self.content or b"").decode("utf-8", "replace")
        return {
            "before_header": self.path if before is not None else f"{self.path} (absent)",
            "after_header": self.path if self.content is not None else f"{self.path} (absent)",
            "before": old,
            "after": "" if self.content is None else new,
        }


@dataclass(frozen=True)
class SettingsChange:
    """Settings that a daemon keeps elsewhere than in the administrator's files, as they are to be.

    The daemon's provider makes them when it is activated. There is one of these only where something differs.

    Attributes:
        target: where the daemon keeps them, such as ``cn=config``.
        before: the settings as they are, as text without secrets.
        after: the settings as they are to be, likewise.
    """

    target: str
    before: str
    after: str

    def diff(self) -> dict[str, Any]:
        """An entry for a module's diff."""
        return {
            "before_header": self.target,
            "after_header": self.target,
            "before": self.before,
            "after": self.after,
        }


def make_daemons_reload(changes: Sequence[FileChange], host: Host) -> bool:
    """Whether one of the changes makes a daemon that has loaded the files load them again."""
    return any(change.makes_daemons_reload(host) for change in changes)


def needed(changes: Sequence[FileChange], host: Host) -> list[FileChange]:
    """The changes for which the host differs."""
    return [change for change in changes if change.needed(host)]
