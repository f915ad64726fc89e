# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates an ACME CA wants to have renewed by now."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ari_due
short_description: List the certificates that an ACME CA wants to have renewed by now
version_added: 0.2.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - A CA that supports ACME Renewal Information (RFC 9773) suggests a time window for the renewal of each certificate.
    This filter picks a moment within each window, the same one in every run, so that not all of the CA's customers come
    at once, and returns the names of those certificates whose moment has passed.
options:
  _input:
    description:
      - The results of M(community.crypto.acme_ari_info), called in a loop over the names of certificates. Results
        without a window are left out.
    type: list
    elements: dict
    required: true
seealso:
  - module: community.crypto.acme_ari_info
  - name: RFC 9773
    description: ACME Renewal Information (ARI) Extension.
    link: https://www.rfc-editor.org/rfc/rfc9773
"""

EXAMPLES = r"""
- name: Ask the CA when its certificates should be renewed
  community.crypto.acme_ari_info:
    acme_directory: https://acme.example.test/directory
    acme_version: 2
    certificate_path: /root/answers/{{ item }}.pem
  loop:
    - mx1.example.test
    - imap.example.test
  register: windows

- name: Show those that it wants to have renewed now
  ansible.builtin.debug:
    msg: "{{ windows.results | postmaster.secure_channel.ari_due }}"
"""

RETURN = r"""
_value:
  description: Names of the certificates to renew now, in the order of the results.
  type: list
  elements: str
  sample: [mx1.example.test]
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable


def _moment(text: str) -> datetime:
    """A moment in the form of RFC 3339, in UTC, without fractions of a second."""
    whole, _point, rest = text.partition(".")
    zone = rest.lstrip("0123456789")
    moment = datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _due(results: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    for result in results:
        window = (result.get("renewal_info") or {}).get("suggestedWindow")
        if not window:
            continue
        try:
            begin, end = _moment(window["start"]), _moment(window["end"])
        except (KeyError, ValueError) as exc:
            raise AnsibleFilterError(
                f"the renewal window for {result['item']} cannot be read: {printable(str(window))}"
            ) from exc
        digest = hashlib.sha256(f"{result['item']} {begin.isoformat()}".encode()).digest()
        if now >= begin + (end - begin) * (digest[0] / 256):
            yield str(result["item"])


def ari_due(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the certificates whose moment has passed.

    Args:
        results: what acme_ari_info returned, each with the loop's ``item``.

    Raises:
        AnsibleFilterError: a window cannot be read.
    """
    return list(_due(results, datetime.now(timezone.utc)))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"ari_due": ari_due}
