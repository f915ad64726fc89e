# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Declared certificates, as mail_cert_request takes them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_requests
short_description: Declared certificates, as mail_cert_request takes them
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Takes those entries of C(certificates_list) that need a request, which are all but the ones with
    C(source=lineage), and leaves out what only the role P(postmaster.secure_channel.certificates#role) knows.
positional: due
options:
  _input:
    description:
      - The entries.
    type: list
    elements: dict
    required: true
  due:
    description:
      - Names of certificates that are to be requested now, whether the module finds them due or not.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Have a request pending for each certificate that is missing or due
  postmaster.secure_channel.mail_cert_request:
    requests: "{{ certificates_list | postmaster.secure_channel.certificate_requests(['mx1.example.test']) }}"
"""

RETURN = r"""
_value:
  description: The C(requests) for M(postmaster.secure_channel.mail_cert_request).
  type: list
  elements: dict
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.postmaster.secure_channel.plugins.plugin_utils._inventory import LINEAGE, OWN_CA

WITHOUT_REQUEST = (LINEAGE,)
OPTIONS_OF_THE_ROLE = ("source", "acme_challenge")
# of the answer alone, as certificate_installs takes them
_OF_THE_ANSWER = ("src", "key_src", "passphrase", "chain", "names", "trust_store", "replace")


def certificate_requests(entries: Sequence[Mapping[str, Any]], due: Collection[str] = ()) -> list[dict[str, Any]]:
    """Requests for those entries that need one.

    Args:
        entries: entries of certificates_list.
        due: names of certificates that are to be requested now in any case.
    """
    found = []
    ignored = {*OPTIONS_OF_THE_ROLE, *_OF_THE_ANSWER}
    for entry in entries:
        if entry.get("source") in WITHOUT_REQUEST:
            continue
        request = {option: value for option, value in entry.items() if option not in ignored}
        request["source"] = entry.get("source", OWN_CA)
        if request["name"] in due:
            request["renew"] = "now"
        found.append(request)
    return found


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificate_requests": certificate_requests}
