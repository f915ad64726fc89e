# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS record that asks for reports of TLS that failed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tlsrpt_record
short_description: The DNS record that asks for reports of TLS that failed
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Gives the TXT record C(_smtp._tls.DOMAIN), by which others know where to report how their TLS sessions with the
    domain's mail exchangers went (RFC 8460 section 3).
positional: domain
options:
  _input:
    description:
      - Where to, at least one C(mailto:) or C(https:) address. One without either is taken as a mail address.
    type: list
    elements: str
    required: true
  domain:
    description:
      - The domain, the part after the at sign.
    type: str
    required: true
seealso:
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
  description: The record, with C(name), such as C(_smtp._tls.example.test), C(type) and C(values).
  type: dict
"""

import re
from collections.abc import Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# RFC 8460 section 3: a comma, a semicolon or an exclamation mark within an address must be encoded
_PLACE = re.compile(r"mailto:[^\s,;!@]+@[^\s,;!@]+|https://[^\s,;!]+")


def tlsrpt_record(places: Sequence[str], domain: str) -> dict[str, Any]:
    """The record.

    Args:
        places: where reports go to.
        domain: the domain that they are about.

    Raises:
        AnsibleFilterError: a report could not be sent there.
    """
    if isinstance(places, str) or not places:
        raise AnsibleFilterError(f"{places!r} is not a list of addresses; give at least one")
    addresses = [one if re.match("(?i)(mailto|https?):", one) else f"mailto:{one}" for one in places]
    wrong = [one for one in addresses if not _PLACE.fullmatch(one)]
    if wrong:
        raise AnsibleFilterError(f"reports cannot go to {', '.join(wrong)}; give mail addresses or https:// addresses")
    return {"name": f"_smtp._tls.{domain}", "type": "TXT", "values": [f"v=TLSRPTv1; rua={','.join(addresses)}"]}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsrpt_record": tlsrpt_record}
