# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of TLSA records, by the names of certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tlsa_by_name
short_description: The data of TLSA records, by the names of certificates
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Takes the data of TLSA records out of what a module says of certificates, for the filter
    P(postmaster.secure_channel.tlsa_records#filter).
positional: key
options:
  _input:
    description:
      - The C(certificates) of M(postmaster.secure_channel.mail_cert_info), the C(requests) of
        M(postmaster.secure_channel.mail_cert_request), or the C(certificates) of
        M(postmaster.secure_channel.mail_cert_install).
    type: list
    elements: dict
    required: true
  key:
    description:
      - Whether M(postmaster.secure_channel.mail_cert_info) is asked for the live keys, V(current), or for those that
        wait for an answer, V(next). The other modules tell of one key only.
    type: str
    choices: [current, next]
    default: current
    version_added: 0.5.0
"""

EXAMPLES = r"""
- name: Show the records of the live keys
  ansible.builtin.debug:
    msg: "{{ found.certificates | postmaster.secure_channel.tlsa_by_name }}"
"""

RETURN = r"""
_value:
  description: The data of one record for each certificate.
  type: dict
  sample:
    mx1.example.test: 3 1 1 0d6fce3b...
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable


def tlsa_by_name(certificates: Sequence[Mapping[str, Any]], key: str = "current") -> dict[str, str]:
    """Data of TLSA records.

    Args:
        certificates: what mail_cert_info, mail_cert_request or mail_cert_install returned.
        key: current or next, which only mail_cert_info tells apart.
    """
    found = {}
    for one in certificates:
        data = one["tlsa"][key] if "tlsa" in one else one.get("tlsa_3_1_1")
        if data:
            found[one["name"]] = data
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"tlsa_by_name": tlsa_by_name}
