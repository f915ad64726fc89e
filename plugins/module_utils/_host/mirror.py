# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private copies of a daemon's configuration with the staged files in them, for its own test."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.bounded_copy import BoundedCopy
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.identity import Identity, acting_as
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.private_files import (
    make_private,
    remove_tree,
    unlink,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import RegisteredFile


@contextlib.contextmanager
def mirrors(
    directory: str,
    name: str,
    roots: Sequence[ConfigRoot],
    files: Sequence[RegisteredFile],
    user: str = "",
) -> Iterator[dict[str, str]]:
    """Mirrors of a daemon's configuration, which are gone afterwards.

    Args:
        directory: a directory of root's, for the mirrors.
        name: the daemon's.
        roots: its configuration.
        files: what is staged; prerequisite is in its place already and is left out.
        user: as whom the test runs. This user makes the mirrors and owns them, so what the user cannot read is not in
            them. Empty for root.

    Yields:
        Where each root is mirrored.

    Raises:
        Problem: there is something other than files and directories, or too much of them.
    """
    found: dict[str, str] = {}
    private = []
    identity = Identity.of(user) if user else None
    try:
        for number, root in enumerate(roots):
            own = os.path.join(directory, f"mirror-{name}-{number}")
            private.append(own)
            make_private(own, identity)
            mirror = os.path.join(own, os.path.basename(root.path))
            found[root.path] = mirror
            with acting_as(identity):
                BoundedCopy(root.path, trusted=identity is None).to(mirror)
            for one in files:
                if not one.prerequisite and (one.path == root.path or one.path.startswith(root.path + "/")):
                    _lay(one, mirror + one.path[len(root.path) :], identity)
        yield found
    finally:
        for own in private:
            remove_tree(own)


def _lay(file: RegisteredFile, mirrored: str, identity: Identity | None) -> None:
    """Make a mirrored file what the staged one is."""
    with acting_as(identity):
        unlink(mirrored)
    if file.remove:
        return
    if identity is None:
        os.makedirs(os.path.dirname(mirrored), exist_ok=True)
        shutil.copy2(file.staged, mirrored)
        return
    with open(file.staged, "rb") as stream:
        content = stream.read()
    with acting_as(identity):
        os.makedirs(os.path.dirname(mirrored), mode=0o700, exist_ok=True)
        handle = os.open(mirrored, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
