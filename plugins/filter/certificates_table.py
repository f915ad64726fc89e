# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates in the stores of many hosts as a table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_table
short_description: Show the certificates in the stores of many hosts as a table
version_added: 0.2.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Makes a table of what M(postmaster.secure_channel.mail_cert_info) returned, with host, certificate, days left,
    state, key type, issuer, and the daemons that have a copy.
  - Rows are sorted by the days left, so what is urgent comes first. Certificates that are only pending come last.
options:
  _input:
    description:
      - The C(certificates) that the module returned, for one host or many. Entries without a C(host) get a hyphen.
    type: list
    elements: dict
    required: true
seealso:
  - module: postmaster.secure_channel.mail_cert_info
  - plugin: postmaster.secure_channel.posture_table
    plugin_type: filter
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
  description: The lines of the table, the heading first.
  type: list
  elements: str
  sample:
    - "host  certificate       days left  state  key         issuer           daemons"
    - "mx1   mx1.example.test  81         good   ECDSA_P256  CN=Example Root  dovecot, postfix"
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._table import table

_HEADING = ("host", "certificate", "days left", "state", "key", "issuer", "daemons")
_PENDING_ONLY = 10**6  # days; longer than any certificate lives


def _state(entry: Mapping[str, Any]) -> str:
    """What the administrator must know."""
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
    """The lines of the table.

    Args:
        certificates: what mail_cert_info returned, for any number of hosts.
    """
    return table(_HEADING, map(_row, sorted(certificates, key=_urgency)))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificates_table": certificates_table}
