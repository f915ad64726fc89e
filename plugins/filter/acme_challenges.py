# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an ACME CA wants to see, by the kind of challenge."""

from __future__ import annotations

DOCUMENTATION = r"""
name: acme_challenges
short_description: What an ACME CA wants to see, by the kind of challenge
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Gathers the challenges of all certificates that were ordered, those of V(http-01) as files, those of V(dns-01) as
    records. A name and its wildcard share a record, which has the values of both.
positional: entries, challenge
options:
  _input:
    description:
      - The results of M(community.crypto.acme_certificate), called in a loop over requests that have a C(name). Those
        that the CA refused are left out.
    type: list
    elements: dict
    required: true
  entries:
    description:
      - The entries of C(certificates_list). C(acme_challenge) is the kind of challenge for one.
    type: list
    elements: dict
    required: true
  challenge:
    description:
      - The kind of challenge for every other entry, V(http-01) or V(dns-01).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the answers to the CA's questions
  ansible.builtin.copy:
    content: "{{ item.resource_value }}"
    dest: "/var/www/html/{{ item.resource }}"
    mode: "0644"
  loop: >-
    {{ (ordered.results | postmaster.secure_channel.acme_challenges(certificates_list, 'http-01'))['http-01']
       | default([]) }}
"""

RETURN = r"""
_value:
  description:
    - V(http-01) has a list of files, each with C(resource), its path below the web server's root, and
      C(resource_value), its content. V(dns-01) has a list of TXT records, each with C(name) and C(values). A kind with
      nothing to show is left out.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable


def acme_challenges(
    results: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]], challenge: str
) -> dict[str, list[dict[str, Any]]]:
    """What is to be shown to the CA.

    Args:
        results: what acme_certificate returned, each with the ``item`` of the loop.
        entries: entries of certificates_list.
        challenge: the kind of challenge of entries that have none of their own.
    """
    kinds = {entry["name"]: entry.get("acme_challenge", challenge) for entry in entries}
    files: list[dict[str, Any]] = []
    records: dict[str, list[str]] = {}
    for result in results:
        if "challenge_data" not in result:
            continue
        if kinds.get(result["item"]["name"], challenge) == "http-01":
            files += [dict(one["http-01"]) for one in result["challenge_data"].values() if "http-01" in one]
        else:
            for name, values in (result.get("challenge_data_dns") or {}).items():
                records.setdefault(name, []).extend(values)
    found = {"http-01": files, "dns-01": [{"name": name, "values": values} for name, values in records.items()]}
    return {kind: shown for kind, shown in found.items() if shown}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"acme_challenges": acme_challenges}
