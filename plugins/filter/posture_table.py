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
options:
  _input:
    description:
      - The C(endpoints) that the module returned, for one host or many.
    type: list
    elements: dict
    required: true
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

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._table import table

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True

_ROWS = """
[].{host: host, protocol: protocol, port: to_string(port), refused: clear_text.refused, login: clear_text.auth_offered,
    tls: tls.version, certificate: chain[0].subject, verified: verified, days_left: days_left,
    error: error_code}
"""
_HEADING = ("host", "protocol", "port", "refused in clear", "TLS", "certificate", "verified", "days left")


def _refused(row: Mapping[str, Any]) -> str:
    if row["refused"]:
        return "everything"
    if row["refused"] is None:
        return "-"
    return "login" if row["login"] is False else "nothing"


def posture_table(endpoints: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of the table.

    Args:
        endpoints: what mail_tls_info returned.

    Raises:
        AnsibleFilterError: jmespath is not installed on the control node.
    """
    if not HAS_JMESPATH:
        raise AnsibleFilterError("install the Python package jmespath on the control node")
    cells = []
    for row in jmespath.search(_ROWS, list(endpoints)):
        seen = (row["tls"], row["certificate"], "yes" if row["verified"] else "NO", str(row["days_left"]))
        shown = seen if row["tls"] else ("-", f"none ({row['error']})", "NO", "-")
        cells.append((row["host"], row["protocol"], row["port"], _refused(row), *shown))
    return table(_HEADING, cells)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"posture_table": posture_table}
