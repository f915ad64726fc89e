# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the certificates on a host differ from what is declared."""

from __future__ import annotations

DOCUMENTATION = r"""
name: store_faults
short_description: List where the certificates on a host differ from what is declared
version_added: 0.5.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Compares what M(postmaster.secure_channel.mail_cert_info) found on a host with C(certificates_list).
  - A fault is a certificate that is not there, that lacks a name, or that is not valid for long enough.
positional: entries, minimum_days
options:
  _input:
    description:
      - The C(certificates) that the module returned.
    type: list
    elements: dict
    required: true
  entries:
    description:
      - The entries of C(certificates_list).
    type: list
    elements: dict
    required: true
  minimum_days:
    description:
      - Days for which a certificate must be valid yet.
    type: int
    default: 0
seealso:
  - module: postmaster.secure_channel.mail_cert_info
  - plugin: postmaster.secure_channel.posture_faults
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail if a certificate is not there, or ends within two weeks
  ansible.builtin.assert:
    that: found.certificates | postmaster.secure_channel.store_faults(certificates_list, 14) | length == 0
"""

RETURN = r"""
_value:
  description: One line for each fault. Empty where everything is as declared.
  type: list
  elements: str
  sample: ["certificate mx1.example.test: it is valid for 1 days only, less than 14"]
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import one_line
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import declared_names


def _faults(entry: Mapping[str, Any], live: Mapping[str, Any] | None, minimum_days: int) -> Iterator[str]:
    if live is None:
        yield "it is declared, and not on the host"
        return
    missing = [name for name in declared_names(entry) if not covers(live["names"], name)]
    if missing:
        yield f"it does not cover {', '.join(missing)}"
    if live["days_left"] < minimum_days:
        yield f"it is valid for {live['days_left']} days only, less than {minimum_days}"


def store_faults(
    certificates: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]], minimum_days: int = 0
) -> list[str]:
    """The faults of certificates on a host, measured against their declaration.

    Args:
        certificates: what mail_cert_info found.
        entries: entries of certificates_list.
        minimum_days: days for which a certificate must be valid yet.
    """
    live = {one["name"]: one["live"] for one in certificates}
    return [
        one_line(f"certificate {entry['name']}: {fault}")
        for entry in entries
        if entry.get("state", "present") == "present"
        for fault in _faults(entry, live.get(entry["name"]), int(minimum_days))
    ]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"store_faults": store_faults}
