# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the environment says about the lab, and the one kind of error its user gets to see."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

RELEASES = {"12": "bookworm", "13": "trixie"}  # in the order in which hosts are upgraded, one after the other

# The lab's network exists in its own network namespace only, so it cannot clash with anything.
NETWORK_4 = "10.88.0."
NETWORK_6 = "fd88::"
CONTROL_4 = NETWORK_4 + "1"
CONTROL_6 = NETWORK_6 + "1"
FIRST_HOST = 11
MOST_HOSTS = 200

# ssh appends a temporary suffix to the control path; the whole must fit in a socket address (108 bytes).
LONGEST_STATE_PATH = 70


class LabError(Exception):
    """Something the user can act upon; its text says what."""


@dataclass(frozen=True)
class Settings:
    """Where the lab keeps its things, as chosen by environment variables."""

    state: Path
    bases: Path
    domain: str
    mirror: str | None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read LAB_STATE, LAB_BASES, LAB_DOMAIN and LAB_MIRROR."""
        cache = Path(os.environ.get("POSTMASTER_CACHE") or "/var/cache/postmaster-secure-channel")
        state = Path(os.environ.get("LAB_STATE") or "/run/postmaster-lab").absolute()
        if len(str(state)) > LONGEST_STATE_PATH:
            raise LabError(f"LAB_STATE is too long for ssh's sockets (over {LONGEST_STATE_PATH} characters): {state}")
        return cls(
            state=state,
            bases=Path(os.environ.get("LAB_BASES") or cache / "base").absolute(),
            domain=os.environ.get("LAB_DOMAIN") or "example.test",
            mirror=os.environ.get("LAB_MIRROR") or None,
        )


def release_name(text: str) -> str:
    """The code name for "12", "13" or a code name."""
    name = RELEASES.get(text, text)
    if name not in RELEASES.values():
        known = ", ".join(f"{name} or {number}" for number, name in RELEASES.items())
        raise LabError(f"unknown Debian release '{text}': choose {known}")
    return name


def check_upgrade(old: str, new: str) -> None:
    """Raise LabError where Debian does not support the upgrade: it goes to the next release, and not further."""
    names = list(RELEASES.values())
    if names.index(new) != names.index(old) + 1:
        raise LabError(f"a host of {old} cannot be upgraded to {new}: only to the release that follows its own")
