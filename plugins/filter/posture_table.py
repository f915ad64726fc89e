# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers show to clients, as a table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: posture_table
short_description: Show what servers show to clients as a table
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Makes a table of what M(postmaster.secure_channel.mail_tls_info) saw, with host, protocol, port, what is refused in
    clear text, TLS version, certificate, whether it was verified, and days left.
requirements:
  - jmespath
positional: unseen
options:
  _input:
    description:
      - The C(endpoints) that the module returned, for one host or many.
    type: list
    elements: dict
    required: true
  unseen:
    description:
      - Hosts that were not looked at, each with the reason. They get a line, too.
    type: dict
    default: {}
    version_added: 0.5.0
seealso:
  - module: postmaster.secure_channel.mail_tls_info
  - plugin: postmaster.secure_channel.posture_faults
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what was seen
  ansible.builtin.debug:
    msg: "{{ seen.endpoints | postmaster.secure_channel.posture_table }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, the heading first.
  type: list
  elements: str
  sample:
    - "host              protocol  port  refused in clear  TLS      certificate          verified  days left"
    - "mx1.example.test  imap      143   everything        TLSv1.3  CN=mx1.example.test  yes       81"
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._table import table

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True

_ROWS = """
[].{host: host, protocol: protocol, port: to_string(port), refused: clear_text.refused, login: clear_text.auth_offered,
    tls: tls.version, subject: chain[0].subject, names: names, verified: verified, days_left: days_left,
    error: error_code, implicit_tls: implicit_tls}
"""
_HEADING = ("host", "protocol", "port", "refused in clear", "TLS", "certificate", "verified", "days left")


def _has_tls(row: Mapping[str, Any]) -> bool:
    """Whether TLS is to be expected there: with HTTP, not on the port for clear text."""
    return row["implicit_tls"] is not False or PROTOCOLS[row["protocol"]].starttls


def _certificate(row: Mapping[str, Any]) -> str:
    """What a certificate is called: many CAs write names, but no common name."""
    subject = row["subject"] or ""
    return subject if "CN=" in subject or not row["names"] else str(row["names"][0])


def _refused(row: Mapping[str, Any]) -> str:
    if not _has_tls(row) and row["error"] == "refused":
        return "closed"
    if row["refused"]:
        return "everything"
    if row["refused"] is None:
        return "-"
    return "login" if row["login"] is False else "nothing"


def posture_table(endpoints: Sequence[Mapping[str, Any]], unseen: Mapping[str, str] | None = None) -> list[str]:
    """The lines of the table.

    Args:
        endpoints: what mail_tls_info returned.
        unseen: hosts that were not looked at, each with the reason.

    Raises:
        AnsibleFilterError: jmespath is not installed on the control node.
    """
    if not HAS_JMESPATH:
        raise AnsibleFilterError("install the Python package jmespath on the control node")
    cells = []
    for row in jmespath.search(_ROWS, list(endpoints)):
        seen = (row["tls"], _certificate(row), "yes" if row["verified"] else "NO", str(row["days_left"]))
        shown = seen if row["tls"] else ("-", f"none ({row['error']})", "NO", "-") if _has_tls(row) else ("-",) * 4
        cells.append((row["host"], row["protocol"], row["port"], _refused(row), *shown))
    cells += [(host, "-", "-", "-", "-", f"none ({why})", "NO", "-") for host, why in (unseen or {}).items()]
    return table(_HEADING, cells)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"posture_table": posture_table}
