# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The DNS record that announces an MTA-STS policy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mta_sts_record
short_description: Make the DNS record that announces an MTA-STS policy
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Returns the TXT record C(_mta-sts.DOMAIN) (RFC 8461 section 3.1). Its C(id) is derived from the policy's text, so it
    changes exactly when the policy does.
positional: domain
options:
  _input:
    description:
      - Text of the policy, from the filter P(postmaster.secure_channel.mta_sts_policy#filter).
    type: str
    required: true
  domain:
    description:
      - The domain, the part of mail addresses after the at sign.
    type: str
    required: true
seealso:
  - plugin: postmaster.secure_channel.mta_sts_policy
    plugin_type: filter
  - name: RFC 8461
    description: SMTP MTA Strict Transport Security (MTA-STS).
    link: https://www.rfc-editor.org/rfc/rfc8461
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
  description: The record.
  type: dict
  contains:
    name:
      description: The full name of the record, without a final full stop.
      type: str
      sample: _mta-sts.example.test
    type:
      description: The type of the record.
      type: str
      sample: TXT
    values:
      description: The data of the record.
      type: list
      elements: str
      sample: ["v=STSv1; id=0123456789abcdef0123456789abcdef;"]
"""

import hashlib
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._dns import record

_LONGEST = 32  # characters of an id, RFC 8461 section 3.1


def mta_sts_record(policy: str, domain: str) -> dict[str, Any]:
    """The record of a policy.

    Args:
        policy: its text.
        domain: the domain that it is for.
    """
    identity = hashlib.sha256(policy.encode()).hexdigest()[:_LONGEST]
    return record(f"_mta-sts.{domain}", "TXT", [f"v=STSv1; id={identity};"])


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"mta_sts_record": mta_sts_record}
