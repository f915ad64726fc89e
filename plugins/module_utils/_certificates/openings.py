# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What bytes of others turned out to hold: each opened once, before the host's lock is taken.

Opening them can take as long as they ask for, within limits. Nobody else shall wait for that, so a service has them
opened early, and its plan, made under the lock, finds the outcome here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates import formats
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.formats import Content
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import PrivateKey
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import Certificate
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem


class Openings:
    """Outcomes, by the bytes and the passphrase that they were opened with."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, bytes, str | None], Any] = {}

    def opened(self, data: bytes, passphrase: str | None) -> Content:
        """As :func:`formats.opened`."""
        found: Content = self._once("all", data, passphrase, lambda: formats.opened(data, passphrase))
        return found

    def opened_key(self, data: bytes, passphrase: str | None) -> PrivateKey:
        """As :func:`formats.opened_key`."""
        return self._once("key", data, passphrase, lambda: formats.opened_key(data, passphrase))

    def certificates(self, data: bytes) -> list[Certificate]:
        """As :func:`formats.load_certificates`."""
        found: list[Certificate] = self._once("certificates", data, None, lambda: formats.load_certificates(data))
        return found

    def _once(self, what: str, data: bytes, passphrase: str | None, work: Callable[[], Any]) -> Any:
        key = (what, data, passphrase)
        if key not in self._outcomes:
            try:
                self._outcomes[key] = work()
            except Problem as exc:
                self._outcomes[key] = exc
        outcome = self._outcomes[key]
        if isinstance(outcome, Problem):
            raise outcome.about()
        return outcome
