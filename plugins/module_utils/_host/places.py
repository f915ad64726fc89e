# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a transaction keeps what is its own."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    BEFORE_ANY_DAEMON,
    LOCK_FILE,
    RECOVERY_UNIT,
    STATE_DIRECTORY,
    SYSTEMD_RUNS,
    SYSTEMD_UNITS,
)


@dataclass(frozen=True)
class Places:
    """The places of one host.

    Attributes:
        state: the directory of the journal, and of what is needed to follow it; there while a change is under way.
        lock: the file of the host-wide lock; it stays.
        units: the directory of the unit files that are the administrator's own.
        systemd: what is there where systemd is the first process.
    """

    state: str = STATE_DIRECTORY
    lock: str = LOCK_FILE
    units: str = SYSTEMD_UNITS
    systemd: str = SYSTEMD_RUNS

    @property
    def transaction(self) -> str:
        """The directory of a transaction, which only root can enter."""
        return os.path.join(self.state, "transaction")

    @property
    def journal(self) -> str:
        """The journal's file."""
        return os.path.join(self.transaction, "journal.json")

    @property
    def program(self) -> str:
        """The program that undoes what a killed run left."""
        return os.path.join(self.transaction, "recovery.pyz")

    @property
    def unit(self) -> str:
        """The unit that runs it when the system starts."""
        return os.path.join(self.units, RECOVERY_UNIT)

    @property
    def wanted(self) -> str:
        """The link by which systemd finds that unit."""
        return os.path.join(self.units, f"{BEFORE_ANY_DAEMON}.wants", RECOVERY_UNIT)

    def left(self) -> bool:
        """Whether a run has left something of its own, whatever it is."""
        return any(map(os.path.lexists, (self.state, self.unit)))
