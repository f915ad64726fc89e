# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A daemon's settings from before this collection first changed them, so that they can be restored.

Only for files that the administrator edits as well. A file of the collection's own is simply removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


class SavedSettings:
    """The saved settings of one daemon. A value is anything that JSON can hold; None means that nothing was set.

    Args:
        host: the machine.
        store: where they are kept.
        daemon: name of the daemon's provider.

    Raises:
        Problem: they cannot be read.
    """

    def __init__(self, host: Host, store: Store, daemon: str) -> None:
        self._path = store.originals_path(daemon)
        text = host.read_text(self._path)
        try:
            self._notes: dict[str, Any] = dict(json.loads(text)) if text else {}
        except (ValueError, TypeError, RecursionError) as exc:
            raise Problem(
                f"{self._path} is damaged ({exc})",
                "restore it from a backup; if there is none, remove it, and the present settings count as original",
                option=self._path,
            ) from exc

    def __contains__(self, key: str) -> bool:
        return key in self._notes

    def keys(self, prefix: str = "") -> list[str]:
        """Sorted keys that begin with a prefix."""
        return sorted(key for key in self._notes if key.startswith(prefix))

    def note(self, key: str, value: Any) -> None:
        """Save the present value, unless one has been saved before."""
        self._notes.setdefault(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """The saved value, which may be None; the default where none was saved."""
        return self._notes.get(key, default)

    def take(self, key: str) -> Any:
        """The saved value, which is forgotten. Raises KeyError where none was saved."""
        return self._notes.pop(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget saved values."""
        for key in keys:
            self._notes.pop(key, None)

    def change(self) -> FileChange:
        """The file as it must be; none where nothing is saved."""
        content = json.dumps(self._notes, indent=1, sort_keys=True).encode() + b"\n" if self._notes else None
        return FileChange(self._path, content, "root", "root", 0o600, parent_mode=0o700)
