# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual servers and certificates as they stand in an inventory, checked as far as filters need it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import ascii_name
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS, Protocol
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.declaration import present

# sources of certificates
LINEAGE = "lineage"
OWN_CA = "own_ca"


def present_vservers(vservers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Protocol]]:
    """The virtual servers that are to be present, each with its protocol.

    Raises:
        AnsibleFilterError: a protocol is not known.
    """
    for vserver in present(vservers):
        protocol = PROTOCOLS.get(vserver["protocol"])
        if protocol is None:
            raise AnsibleFilterError(f"the protocol {vserver['protocol']!r} is not one of {', '.join(PROTOCOLS)}")
        yield vserver, protocol


def declared_names(entry: Mapping[str, Any]) -> list[str]:
    """The DNS names that an entry of certificates_list asks for, its main one first; none that is not a DNS name."""
    if entry.get("source") == LINEAGE:
        names = entry.get("names") or [entry["name"]]
    else:
        names = [entry.get("common_name") or entry["name"], *(entry.get("subject_alt_names") or ())]
    found = []
    for name in names:
        with contextlib.suppress(Problem):
            found.append(ascii_name(str(name), "name"))
    return found
