# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be in a changed file and its compiled twin, where other programs have a hand in it.

Programs are told paths. So they work in a directory that only root can enter, or the user as whom they
run, and what they make there is copied.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity, acting_as
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    make_private,
    read_regular,
    remove_tree,
    write_private,
)

MOST_EDITED = 64 * 1024 * 1024  # bytes of a file that another user's programs have changed
MOST_COMPILED = 1024 * 1024 * 1024  # bytes of a table

Run = Callable[..., Completed]


def contents(change: FileChange, private_directory: str, run: Run) -> list[bytes]:
    """The bytes of the file and, where it has one, of its compiled twin.

    Args:
        change: the file, which is not removed.
        private_directory: a directory that only root can enter.
        run: runs a program with an effect.

    Raises:
        Problem: a program fails.
    """
    if not change.edits and not change.compiled:
        return [change.content or b""]
    editor = Identity.of(change.editor) if change.editor else None
    workshop = os.path.join(private_directory, "content")
    make_private(workshop, editor)
    try:
        return [
            _read(path, editor)
            for path in _made(change, workshop, editor, partial(run, user=editor) if editor else run)
        ]
    finally:
        remove_tree(workshop)


def _made(change: FileChange, workshop: str, editor: Identity | None, run: Run) -> list[str]:
    """The file and its compiled twin, as programs have made them; where it is empty, edits start without one."""
    source = os.path.join(workshop, os.path.basename(change.path))
    if change.content or not change.edits:
        with acting_as(editor):
            write_private(source, change.content or b"")
    for edit in change.edits:
        with _private_umask():
            done = run([source if part == "{file}" else part for part in edit.argv], stdin=edit.stdin)
        if done.code != 0 or not os.path.exists(source):
            raise Problem(f"{change.path} could not be changed ({done.complaint})", "look at the host's log")
    if not change.compiled:
        return [source]
    twin = source + change.compiled.suffix
    with _private_umask():
        done = run([part.format(source=source) for part in change.compiled.argv])
    if done.code != 0 or not os.path.exists(twin):
        raise Problem(f"{change.path} could not be compiled ({done.complaint})", "look at the daemon's log")
    return [source, twin]


def _read(path: str, editor: Identity | None) -> bytes:
    with acting_as(editor):
        return read_regular(path, MOST_EDITED if editor else MOST_COMPILED)


@contextlib.contextmanager
def _private_umask() -> Iterator[None]:
    """Let programs create files that nobody else can read, even if they choose the mode themselves."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
