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
    """The saved settings of one daemon: texts, lists of texts, and tables of texts; None means that nothing was set.

    Whoever asks for one says which of them it is, so that damage to the file is an error that names it.

    Args:
        host: the machine.
        store: where they are kept.
        daemon: name of the daemon's provider.

    Raises:
        Problem: they cannot be read; so does every question for a value.
    """

    def __init__(self, host: Host, store: Store, daemon: str) -> None:
        self._store, self._daemon = store, daemon
        self._path = store.originals_path(daemon)
        text = host.read_text(self._path)
        try:
            found = json.loads(text) if text else {}
        except (RecursionError, ValueError) as exc:
            raise self._damaged(str(exc)) from exc
        if not isinstance(found, dict):
            raise self._damaged("it is not an object")
        self._notes: dict[str, Any] = found

    def _damaged(self, how: str) -> Problem:
        return Problem(
            f"{self._path} is damaged ({how[:200]})",
            f"restore it from a backup; if there is none, remove it ('rm {self._path}'), and the present settings count"
            " as original",
            option=self._path,
        )

    def __contains__(self, key: str) -> bool:
        return key in self._notes

    def keys(self, prefix: str = "") -> list[str]:
        """Sorted keys that begin with a prefix."""
        return sorted(key for key in self._notes if key.startswith(prefix))

    def note(self, key: str, value: Any) -> None:
        """Save the present value, unless one has been saved before."""
        self._notes.setdefault(key, value)

    def text(self, key: str) -> str | None:
        """A text that was saved, or None where nothing was set, or nothing saved."""
        value = self._notes.get(key)
        if value is not None and not isinstance(value, str):
            raise self._damaged(f"{key!r} is not a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Texts that were saved; none where nothing was."""
        value = self._notes.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._damaged(f"{key!r} is not a list of texts")
        return tuple(value)

    def table(self, key: str, *columns: str) -> dict[str, str | None]:
        """A table that was saved, with at least these columns; an empty one where none was."""
        value = self._notes.get(key, dict.fromkeys(columns))
        if not isinstance(value, dict) or not set(columns) <= set(value):
            raise self._damaged(f"{key!r} is not a table with {', '.join(columns) or 'texts'}")
        if not all(one is None or isinstance(one, str) for one in value.values()):
            raise self._damaged(f"{key!r} is not a table of texts")
        return dict(value)

    def take_text(self, key: str) -> str | None:
        """The same as text(), which is forgotten."""
        found = self.text(key)
        self.forget([key])
        return found

    def take_table(self, key: str, *columns: str) -> dict[str, str | None]:
        """The same as table(), which is forgotten."""
        found = self.table(key, *columns)
        self.forget([key])
        return found

    def forget(self, keys: Iterable[str]) -> None:
        """Forget saved values."""
        for key in keys:
            self._notes.pop(key, None)

    def refuse_lost(self, certificate: str, place: str, how: str) -> None:
        """Raise Problem where settings still name a copy of ours after they were put back: what was saved is lost.

        Args:
            certificate: the path that they name.
            place: where they are, a file or a file and line.
            how: how the administrator takes them out.
        """
        if self._store.name_of_deployed(self._daemon, certificate) is not None:
            raise Problem(
                f"{place} names {certificate}, and nobody knows what was there before: {self._path} is missing, or does"
                " not tell",
                f"put that file back from a backup; if there is none, take the settings out yourself ({how}), and run"
                " again",
                option=place,
            )

    def change(self) -> FileChange:
        """The file as it must be; none where nothing is saved."""
        content = json.dumps(self._notes, indent=1, sort_keys=True).encode() + b"\n" if self._notes else None
        return FileChange(self._path, content, "root", "root", 0o600, parent_mode=0o700, loaded=False)
