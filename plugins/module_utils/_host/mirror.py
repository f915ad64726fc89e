# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private copies of a daemon's configuration with the staged files in them, for its own test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.journal import RegisteredFile
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import unlink
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.staging import is_ours


@contextlib.contextmanager
def mirrors(
    directory: str, name: str, roots: Sequence[str], files: Sequence[RegisteredFile]
) -> Iterator[dict[str, str]]:
    """Mirrors of a daemon's configuration, which are gone afterwards.

    Args:
        directory: a directory that only root can enter, for the mirrors.
        name: the daemon's.
        roots: directories, or single files, of its configuration.
        files: what is staged; prerequisite is in its place already and is left out.

    Yields:
        Where each root is mirrored.
    """
    found: dict[str, str] = {}
    for number, root in enumerate(roots):
        mirror = os.path.join(directory, f"mirror-{name}-{number}")
        # without links, so that what is laid into the mirror stays in the mirror
        if os.path.isdir(root):
            shutil.copytree(root, mirror, ignore=_not_mirrored)
        else:
            shutil.copy2(root, mirror)
        found[root] = mirror
        for one in files:
            if not one.prerequisite and (one.path == root or one.path.startswith(root + "/")):
                _lay(one, mirror + one.path[len(root) :])
    try:
        yield found
    finally:
        for mirror in found.values():
            if os.path.isdir(mirror):
                shutil.rmtree(mirror, ignore_errors=True)
            else:
                unlink(mirror)


def _lay(file: RegisteredFile, mirrored: str) -> None:
    """Make a mirrored file what the staged one is."""
    unlink(mirrored)
    if not file.remove:
        shutil.copy2(file.staged, mirrored)


def _not_mirrored(directory: str, names: list[str]) -> set[str]:
    """What a mirror leaves out: our own staged and saved files, links that lead back up or nowhere, and sockets."""
    here = os.path.join(os.path.realpath(directory), "")
    found = set()
    for name in names:
        real = os.path.realpath(os.path.join(directory, name))
        leads_up = here.startswith(os.path.join(real, ""))
        if is_ours(name) or leads_up or not (os.path.isfile(real) or os.path.isdir(real)):
            found.add(name)
    return found
