# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody who is not root puts where root is about to write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

OTHER = pwd.getpwnam("nobody")


def directory_of_nobody(parent: Path) -> Path:
    """A directory of somebody who is not root."""
    directory = parent / "theirs"
    directory.mkdir()
    give(directory)
    return directory


def give(path: Path) -> None:
    """Let a file, or a link itself, be theirs."""
    os.chown(path, OTHER.pw_uid, OTHER.pw_gid, follow_symlinks=False)


def planted_link(path: Path, outside: Path) -> None:
    """A link to a file of root's."""
    path.symlink_to(outside / "file")
    give(path)


def planted_dangling_link(path: Path, outside: Path) -> None:
    """A link to where root might make one."""
    path.symlink_to(outside / "new")
    give(path)


def planted_pipe(path: Path, _outside: Path) -> None:
    """A pipe, on which a reader waits for ever."""
    os.mkfifo(path)
    give(path)


def planted_hard_link(path: Path, outside: Path) -> None:
    """Another name of a file of root's."""
    outside.mkdir(exist_ok=True)
    (outside / "file").touch()
    path.hardlink_to(outside / "file")


def planted_directory(path: Path, _outside: Path) -> None:
    """A directory."""
    path.mkdir()
    give(path)


PLANTS = [planted_link, planted_dangling_link, planted_pipe, planted_hard_link, planted_directory]
