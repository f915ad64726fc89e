# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared certificates, sorted by who signs them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_by_source
short_description: Declared certificates, sorted by who signs them
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Sorts the entries of C(certificates_list) by their C(source), see the role
    P(postmaster.secure_channel.certificates#role).
options:
  _input:
    description:
      - The entries. One without a C(source) has V(own_ca).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show whether anything is signed by the own CA
  ansible.builtin.debug:
    msg: "{{ 'own_ca' in certificates_list | postmaster.secure_channel.certificates_by_source }}"
"""

RETURN = r"""
_value:
  description: Lists of entries, by source, V(own_ca) first. Sources without an entry are left out.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import OWN_CA


def certificates_by_source(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Entries by source. The own CA comes first, the others by name.

    Args:
        entries: entries of certificates_list.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        found.setdefault(entry.get("source", OWN_CA), []).append(entry)
    return {source: found[source] for source in sorted(found, key=lambda one: (one != OWN_CA, one))}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificates_by_source": certificates_by_source}
