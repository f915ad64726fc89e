# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choices that look as if made by chance, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

Item = TypeVar("Item")


def shuffled(seed: str, items: Sequence[Item]) -> list[Item]:
    """The items in another order."""
    return [item for _hashed, item in sorted(zip(_hashes(seed, len(items)), items), key=lambda pair: pair[0])]


def _hashes(seed: str, number: int) -> list[bytes]:
    return [sha256(f"{seed} {one}".encode()).digest() for one in range(number)]
