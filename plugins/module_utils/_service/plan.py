# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call comes to, worked out before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Participant


@dataclass(frozen=True)
class Note:
    """What is seen once everything has been done.

    Attributes:
        facts: keys of the module's result.
        warnings: what the administrator should know.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass
class ServicePlan:
    """What one call would do. In check mode this is all there is.

    Attributes:
        rows: an entry of the module's result for each object; each has ``changed`` and ``reason``.
        changes: the files that differ from the host, in the order in which they are committed.
        settings: settings kept elsewhere than in files that differ; their daemon, a participant, makes them.
        participants: daemons that test their configuration and reload it, also where no file changes.
        proofs: each raises Problem unless the host shows what was asked for; called when everything is in place.
        facts: further keys of the module's result.
        warnings: what the administrator should know.
        diff: entries for the module's diff in place of those of changes and settings; None for these.
        files: paths for the result in place of those of the changes; None for these.
        foreseen: whether something will change that can be worked out only once earlier tasks have run.
        afterwards: looks at the host once everything is done, in check mode as well; None for nothing to look at.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    changes: Sequence[FileChange] = ()
    settings: Sequence[SettingsChange] = ()
    participants: Sequence[Participant] = ()
    proofs: Sequence[Callable[[], None]] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    diff: Sequence[dict[str, Any]] | None = None
    files: Sequence[str] | None = None
    foreseen: bool = False
    afterwards: Callable[[], Note] | None = None

    @property
    def changed(self) -> bool:
        """Whether anything on the host changes."""
        return bool(self.changes or self.participants or self.foreseen)

    def prove(self) -> None:
        """Raise Problem unless the host shows what was asked for."""
        for proof in self.proofs:
            proof()

    def shown_files(self) -> list[str]:
        """Paths written."""
        return [change.path for change in self.changes] if self.files is None else list(self.files)

    def shown_diff(self, host: Host) -> list[dict[str, Any]]:
        """Entries for the module's diff; to be asked for before anything is written."""
        if self.diff is not None:
            return list(self.diff)
        return [one.diff(host) for one in self.changes] + [one.diff() for one in self.settings]
