# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS record that tells of an MTA-STS policy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mta_sts_record
short_description: The DNS record that tells of an MTA-STS policy
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Gives the TXT record C(_mta-sts.DOMAIN) (RFC 8461 section 3.1). Its C(id) is made from the policy's text, so that it
    changes when the policy does, and only then.
positional: domain
options:
  _input:
    description:
      - Text of the policy, as the filter P(postmaster.secure_channel.mta_sts_policy#filter) gives it.
    type: str
    required: true
  domain:
    description:
      - The domain, the part after the at sign.
    type: str
    required: true
seealso:
  - plugin: postmaster.secure_channel.mta_sts_policy
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the record
  ansible.builtin.debug:
    msg: >-
      {{ ['mx1.example.test'] | postmaster.secure_channel.mta_sts_policy
         | postmaster.secure_channel.mta_sts_record('example.test') }}
"""

RETURN = r"""
_value:
  description: The record, with C(name), such as C(_mta-sts.example.test), C(type) and C(values).
  type: dict
"""

import hashlib
from typing import Any, Callable

_LONGEST = 32  # characters of an id, RFC 8461 section 3.1


def mta_sts_record(policy: str, domain: str) -> dict[str, Any]:
    """The record of a policy.

    Args:
        policy: its text.
        domain: the domain that it is for.
    """
    identity = hashlib.sha256(policy.encode()).hexdigest()[:_LONGEST]
    return {"name": f"_mta-sts.{domain}", "type": "TXT", "values": [f"v=STSv1; id={identity};"]}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"mta_sts_record": mta_sts_record}
