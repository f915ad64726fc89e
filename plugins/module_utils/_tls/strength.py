# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How strong TLS must be: the strengths of the guideline, for the TLS library of a host."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import TlsLibrary
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.guideline import (
    GROUPS,
    GROUPS_SINCE,
    GUIDELINE,
    PROFILES,
    TLS13,
)


@dataclass(frozen=True)
class Strength:
    """What TLS a virtual server requires at least.

    Attributes:
        name: its word in options, a key of the guideline's PROFILES.
        minimum: lowest TLS version accepted, ``1.2`` or ``1.3``.
        ciphers: TLS 1.2 cipher suites by their OpenSSL names; empty where TLS 1.2 is not allowed.
        oldest_clients: the oldest clients that can still connect.
        newest: the cipher suites of TLS 1.3 that it is held to; empty for all.
        barred: key exchange groups that it does without, by their OpenSSL names.
    """

    name: str
    minimum: str
    ciphers: tuple[str, ...]
    oldest_clients: tuple[str, ...]
    newest: tuple[str, ...] = ()
    barred: frozenset[str] = frozenset()

    def groups(self, library: TlsLibrary) -> tuple[str, ...]:
        """Key exchange groups that the library has, by their OpenSSL names, the preferred one first."""
        version = library.version if library.name == "OpenSSL" else ()
        known = (one for one in GROUPS if one not in GROUPS_SINCE or version >= GROUPS_SINCE[one])
        return tuple(one for one in known if one not in self.barred)


STRENGTHS: dict[str, Strength] = {name: Strength(name=name, **profile) for name, profile in PROFILES.items()}
MODERN = next(iter(STRENGTHS))  # the one that allows the newest version alone


def first_strength(fits: Callable[[Strength], bool]) -> str:
    """Name of the first strength that passes a test, such as having a daemon's settings; empty for none."""
    return next((strength.name for strength in STRENGTHS.values() if fits(strength)), "")


def strictest(names: Collection[str]) -> str:
    """The strictest of some strengths by their names; names of none do not count."""
    return next(name for name in STRENGTHS if name in names)


__all__ = ("GROUPS", "GUIDELINE", "MODERN", "STRENGTHS", "TLS13", "Strength", "first_strength", "strictest")
