# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What refers to a parameter of Postfix with ``$name`` (postconf(5)), in main.cf and in ``-o`` of master.cf."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix import main_cf, master_cf
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.paths import (
    MAIN_CF,
    MASTER_CF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.values import names_in


@dataclass(frozen=True)
class Reference:
    """A setting that gets a part of its value from other parameters.

    Attributes:
        name: the parameter that is set.
        value: what it is set to, as written.
        to: the parameters that the value names.
        line: number of its first line, the first one of the file being 1.
        service: the service of master.cf that it is set for; None for one in main.cf.
    """

    name: str
    value: str
    to: tuple[str, ...]
    line: int
    service: master_cf.Service | None = None

    @property
    def place(self) -> str:
        """File and line, as messages name them."""
        return f"{MASTER_CF if self.service else MAIN_CF} line {self.line}"


def references(main: str, master: str) -> Iterator[Reference]:
    """Every setting that names other parameters.

    Args:
        main: content of main.cf.
        master: content of master.cf.
    """
    for name, one in main_cf.assignments(main).items():
        named = names_in(one.value)
        if named:
            yield Reference(name, one.value, named, one.line)
    for service in master_cf.services(master):
        for name, override in service.overrides.items():
            named = names_in(override.value)
            if named:
                yield Reference(name, override.value, named, override.line, service)


def referring(main: str, master: str, names: Collection[str]) -> list[Reference]:
    """The settings whose value may depend on some parameters: those that name them, and those that name these.

    Args:
        main: content of main.cf.
        master: content of master.cf.
        names: the parameters.
    """
    rest = list(references(main, master))
    found: list[Reference] = []
    wanted = set(names)
    while True:
        more = [one for one in rest if wanted.intersection(one.to)]
        if not more:
            return found
        found += more
        rest = [one for one in rest if one not in more]
        # what a service sets for itself is seen by its own settings alone, but these may name it nonetheless
        wanted |= {one.name for one in more}
