# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a lab has: their names, releases and addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from postmaster_lab import settings
from postmaster_lab.bases import DEFAULT_KIND, KINDS
from postmaster_lab.settings import LabError, Settings, release_name

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
RESERVED = ("all", "base", "control", "lab", "localhost", "ungrouped", *settings.RELEASES.values())


@dataclass(frozen=True)
class Host:
    """One host of the lab."""

    name: str
    release: str
    kind: str
    fqdn: str
    address: str
    address_6: str

    def as_dict(self) -> dict[str, Any]:
        """For the lab's state file."""
        return asdict(self)


def parse(texts: Sequence[str], chosen: Settings) -> list[Host]:
    """The hosts for "NAME:RELEASE" (or "NAME:RELEASE:KIND") texts, in their order."""
    if not texts:
        raise LabError("name at least one host, for example: lab up mx1:bookworm mx2:trixie")
    if len(texts) > settings.MOST_HOSTS:
        raise LabError(f"a lab has at most {settings.MOST_HOSTS} hosts")
    hosts: list[Host] = []
    for position, text in enumerate(texts):
        hosts.append(_parse_one(text, settings.FIRST_HOST + position, chosen))
    names = [host.name for host in hosts]
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"two hosts are named '{name}'")
    return hosts


def _parse_one(text: str, number: int, chosen: Settings) -> Host:
    name, *rest = text.split(":")
    if len(rest) not in (1, 2):
        raise LabError(f"'{text}' is not NAME:RELEASE, for example mx1:bookworm")
    if not NAME.fullmatch(name) or name.endswith("-") or name in RESERVED:
        raise LabError(
            f"'{name}' cannot be a host name here: use small letters, digits and '-', but none of {', '.join(RESERVED)}"
        )
    kind = rest[1] if len(rest) == 2 else DEFAULT_KIND
    if kind not in KINDS:
        raise LabError(f"unknown kind of host '{kind}': choose {' or '.join(KINDS)}")
    return Host(
        name=name,
        release=release_name(rest[0]),
        kind=kind,
        fqdn=f"{name}.{chosen.domain}",
        address=f"{settings.NETWORK_4}{number}",
        address_6=f"{settings.NETWORK_6}{number}",
    )
