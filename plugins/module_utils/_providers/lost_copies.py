# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A daemon's own copies of certificates that are gone, though its configuration names them: it does not start."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.mentions import mention


def lost_copies(
    host: Host, store: Store, daemon: str, permissions: tuple[str, str, int], is_named: Callable[[str], bool]
) -> list[FileChange]:
    """The copies that are to be made again from the store. Of a key with a passphrase none can be made here.

    Args:
        host: the machine.
        store: its certificate store.
        daemon: name of the daemon's provider.
        permissions: owner, group and mode of the key file that it needs.
        is_named: whether its configuration names a path.
    """
    found = []
    for name in store.names():
        path, bundle = store.deployed_path(daemon, name), store.entry(name).live.bundle
        if host.state(path) is None and bundle and not is_protected(bundle) and is_named(path):
            summary = f"certificate {name} with its key"
            found.append(FileChange(path, bundle, *permissions, secret=True, prerequisite=True, summary=summary))
    return found


def named_in(roots: Iterable[str]) -> Callable[[str], bool]:
    """Answers whether a path is named in files and directories."""
    return partial(_is_named, list(roots))


def _is_named(roots: Iterable[str], path: str) -> bool:
    return bool(mention(path, roots, {}))
