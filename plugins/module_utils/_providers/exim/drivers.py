# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers and transports as Exim shows them: exim4(8), option ``-bP``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HEADING = re.compile(r"(\S+) (?:router|transport):")


@dataclass(frozen=True)
class Driver:
    """One router or transport.

    Attributes:
        name: how it is called.
        options: its options by name. A switch that is on has the value ``yes``, one that is off is not there.
    """

    name: str
    options: Mapping[str, str]

    def option(self, name: str) -> str:
        """An option's value, empty where it is not set."""
        return self.options.get(name, "")

    @property
    def kind(self) -> str:
        """What drives it, such as ``manualroute``."""
        return self.option("driver")


def drivers(shown: str) -> Sequence[Driver]:
    """All that are shown, in their order."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in shown.splitlines():
        heading = _HEADING.fullmatch(line)
        name, equals, value = line.partition("=")
        if heading:
            found.append((heading[1], {}))
        elif equals and found:
            found[-1][1][name.strip()] = value.strip()
        elif line and found and not line.startswith("no_"):
            found[-1][1][line.strip()] = "yes"
    return [Driver(name, options) for name, options in found]
