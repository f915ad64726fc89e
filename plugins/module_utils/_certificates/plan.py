# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one request or certificate comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange


@dataclass(frozen=True)
class Plan:
    """What one object of a module's options comes to.

    Attributes:
        changes: the files that differ from the host.
        result: the entry in the module's result.
        header: what the diff is about.
        before: the state before, for the diff.
        after: the state afterwards.
        warnings: what the administrator should know.
        daemons: names of the daemons whose copy of a certificate changes.
        leaf: DER of the certificate that these must serve then; None where it is not known yet.
    """

    changes: Sequence[FileChange]
    result: dict[str, Any]
    header: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    warnings: Sequence[str] = ()
    daemons: Sequence[str] = ()
    leaf: bytes | None = None

    def diff(self) -> dict[str, Any]:
        """An entry for the module's diff."""
        return {"before_header": self.header, "after_header": self.header, "before": self.before, "after": self.after}
