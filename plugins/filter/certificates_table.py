# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the certificate stores of many hosts hold, as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_table
short_description: What the certificate stores of many hosts hold, as a table for people
version_added: 0.2.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Makes a table of what M(postmaster.secure_channel.mail_cert_info) found, with host, certificate, the days that it is
    still valid, what has to be done, kind of key, issuer, and the daemons that have a copy.
  - Lines are ordered by the days that are left, so what is urgent comes first. What is only pending comes last.
options:
  _input:
    description:
      - What was found, the C(certificates) that the module returns, of one host or of many. Entries without a C(host)
        get a hyphen.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: See what the stores of all hosts hold
  postmaster.secure_channel.mail_cert_info:
  register: found

- name: Show it as one table
  ansible.builtin.debug:
    msg: >-
      {{ ansible_play_hosts | map('extract', hostvars, ['found', 'certificates']) | flatten
         | postmaster.secure_channel.certificates_table }}
  run_once: true
"""

RETURN = r"""
_value:
  description: Lines of equal columns, a heading first.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

_HEADING = ("host", "certificate", "days left", "state", "key", "issuer", "daemons")
_PENDING_ONLY = 10**6  # days; longer than any certificate lives


def _state(entry: Mapping[str, Any]) -> str:
    """What an administrator has to know or do."""
    words = [
        ("FAULT", bool(entry["faults"])),
        ("expired", entry["live"] is not None and entry["live"]["days_left"] < 0),
        ("due", entry["due"] and entry["live"]["days_left"] >= 0),
        ("pending", entry["pending"] is not None),
    ]
    return ", ".join(word for word, applies in words if applies) or "good"


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    live = entry["live"] or {}
    kind = live.get("key_type") or (entry["pending"] or {}).get("key_type") or "-"
    size = f" {live['key_size']}" if kind == "RSA" and live else ""
    return (
        str(entry.get("host", "-")),
        str(entry["name"]),
        str(live.get("days_left", "-")),
        _state(entry),
        f"{kind}{size}",
        str(live.get("issuer", "-")),
        ", ".join(entry["daemons"]) or "-",
    )


def _urgency(entry: Mapping[str, Any]) -> tuple[int, str, str]:
    days = entry["live"]["days_left"] if entry["live"] else _PENDING_ONLY
    return days, str(entry.get("host", "")), str(entry["name"])


def certificates_table(certificates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a table.

    Args:
        certificates: what mail_cert_info returned, of any number of hosts.
    """
    cells = [_HEADING, *(_row(entry) for entry in sorted(certificates, key=_urgency))]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADING))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificates_table": certificates_table}
