# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stood in a daemon's configuration before this collection first changed it, so that it can be put back.

Only for configuration that is shared with the administrator. A file of our own is simply removed.
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
    """The notes of one daemon. A value is anything that JSON can carry; None says that nothing stood there.

    Args:
        host: the machine.
        store: where the notes are kept.
        daemon: name of the daemon's provider.

    Raises:
        Problem: the notes cannot be read.
    """

    def __init__(self, host: Host, store: Store, daemon: str) -> None:
        self._path = store.originals_path(daemon)
        text = host.read_text(self._path)
        try:
            self._notes: dict[str, Any] = dict(json.loads(text)) if text else {}
        except ValueError as exc:
            raise Problem(
                f"{self._path} is damaged ({exc})",
                "put it back from a backup; if there is none, remove it, and what is there now counts as original",
                option=self._path,
            ) from exc

    def __contains__(self, key: str) -> bool:
        return key in self._notes

    def keys(self, prefix: str = "") -> list[str]:
        """Sorted keys of the notes that begin with a prefix."""
        return sorted(key for key in self._notes if key.startswith(prefix))

    def note(self, key: str, value: Any) -> None:
        """Note what stands there, unless that has been noted before."""
        self._notes.setdefault(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """What stood there, which may be None; the default where it was never noted."""
        return self._notes.get(key, default)

    def take(self, key: str) -> Any:
        """What stood there, and forget it. Raises KeyError where it was never noted."""
        return self._notes.pop(key)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget notes."""
        for key in keys:
            self._notes.pop(key, None)

    def change(self) -> FileChange:
        """The file with the notes as it shall be; none where there are no notes."""
        content = json.dumps(self._notes, indent=1, sort_keys=True).encode() + b"\n" if self._notes else None
        return FileChange(self._path, content, "root", "root", 0o600, parent_mode=0o700)
