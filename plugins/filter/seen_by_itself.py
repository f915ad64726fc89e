# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host has looked at its own servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: seen_by_itself
short_description: Whether a host has looked at its own servers
version_added: 0.5.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - A host that looks at itself proves little. It may treat itself better than others, and a packet filter is not in
    the way.
options:
  _input:
    description:
      - The C(endpoints) that M(postmaster.secure_channel.mail_tls_info) returned.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse a proof that is none
  ansible.builtin.assert:
    that: not seen.endpoints | postmaster.secure_channel.seen_by_itself
"""

RETURN = r"""
_value:
  description: Whether one of the connections did not leave the host.
  type: bool
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Callable


def _stayed(endpoint: Mapping[str, Any]) -> bool:
    ends = [endpoint.get(end) for end in ("address", "source")]
    addresses = [ipaddress.ip_address(str(one).partition("%")[0]) for one in ends if one]
    return any(one.is_loopback for one in addresses) or (len(addresses) == 2 and addresses[0] == addresses[1])


def seen_by_itself(endpoints: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a connection did not leave the host.

    Args:
        endpoints: what mail_tls_info returned.
    """
    return any(_stayed(one) for one in endpoints)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"seen_by_itself": seen_by_itself}
