# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listening TCP sockets of this host, as ss(8) shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


@dataclass(frozen=True)
class Listening:
    """A listening TCP socket.

    Attributes:
        place: address and port as shown, such as ``0.0.0.0:25``, ``[::]:25`` or ``*:25``.
        processes: names of the processes that hold it; empty where they were not asked for.
    """

    place: str
    processes: frozenset[str]

    @property
    def address(self) -> str:
        """The address, without brackets."""
        return self.place.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.place.rpartition(":")[2])


def listening(host: Host, *, processes: bool = False) -> Iterator[Listening]:
    """All listening TCP sockets.

    Args:
        host: the machine.
        processes: whether the processes are looked up too, which takes longer.
    """
    for line in host.query(["ss", "-Hltnp" if processes else "-Hltn"]).out.splitlines():
        words = line.split()
        if len(words) > 3 and words[3].rpartition(":")[2].isdecimal():
            yield Listening(words[3], frozenset(re.findall(r'\("([^"]+)"', line)))
