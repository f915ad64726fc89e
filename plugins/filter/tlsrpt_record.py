# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS record that asks for reports on TLS."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tlsrpt_record
short_description: Make the DNS record that asks for reports on TLS
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Returns the TXT record C(_smtp._tls.DOMAIN), which tells senders where to report successes and failures of TLS with
    the domain's mail exchangers (RFC 8460 section 3).
positional: domain
options:
  _input:
    description:
      - Where reports go, at least one C(mailto:) or C(https:) address. An entry with neither is a mail address.
    type: list
    elements: str
    required: true
  domain:
    description:
      - The domain, the part of mail addresses after the at sign.
    type: str
    required: true
seealso:
  - plugin: postmaster.secure_channel.mta_sts_policy
    plugin_type: filter
  - name: RFC 8460
    description: SMTP TLS Reporting.
    link: https://www.rfc-editor.org/rfc/rfc8460
"""

EXAMPLES = r"""
- name: Show the record
  ansible.builtin.debug:
    msg: "{{ ['tlsrpt@example.test'] | postmaster.secure_channel.tlsrpt_record('example.test') }}"
"""

RETURN = r"""
_value:
  description: The record.
  type: dict
  contains:
    name:
      description: The full name of the record, without a final full stop.
      type: str
      sample: _smtp._tls.example.test
    type:
      description: The type of the record.
      type: str
      sample: TXT
    values:
      description: The data of the record.
      type: list
      elements: str
      sample: ["v=TLSRPTv1; rua=mailto:tlsrpt@example.test"]
"""

import re
from collections.abc import Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable
from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._dns import record

# RFC 8460 section 3: a comma, a semicolon or an exclamation mark within an address must be encoded
_PLACE = re.compile(r"mailto:[^\s,;!@]+@[^\s,;!@]+|https://[^\s,;!]+")


def tlsrpt_record(places: Sequence[str], domain: str) -> dict[str, Any]:
    """The record.

    Args:
        places: where reports go.
        domain: the domain that they are about.

    Raises:
        AnsibleFilterError: reports cannot be sent there.
    """
    if isinstance(places, str) or not places:
        raise AnsibleFilterError(f"{places!r} is not a list of addresses; give at least one")
    addresses = [one if re.match("(?i)(mailto|https?):", one) else f"mailto:{one}" for one in places]
    wrong = [one for one in addresses if not _PLACE.fullmatch(one)]
    if wrong:
        shown = printable(", ".join(wrong))
        raise AnsibleFilterError(f"reports cannot go to {shown}; give mail addresses or https:// addresses")
    return record(f"_smtp._tls.{domain}", "TXT", [f"v=TLSRPTv1; rua={','.join(addresses)}"])


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsrpt_record": tlsrpt_record}
