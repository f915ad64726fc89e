# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the own CA has signed, as answers to requests."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ca_answers
short_description: What the own CA has signed, as answers to requests
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Makes answers to certificate requests of what M(community.crypto.x509_certificate_pipe) has signed. In check mode,
    where nothing was signed, each answer is empty.
positional: signed, chain
options:
  _input:
    description:
      - The requests, each with a C(name).
    type: list
    elements: dict
    required: true
  signed:
    description:
      - The results of M(community.crypto.x509_certificate_pipe), called in a loop over the requests.
    type: list
    elements: dict
    required: true
  chain:
    description:
      - Certificates to add to each answer, PEM text.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Sign the requests
  community.crypto.x509_certificate_pipe:
    provider: ownca
    csr_content: "{{ item.csr }}"
    ownca_path: /root/ca/issuing.pem
    ownca_privatekey_path: /root/ca/issuing.key
  loop: "{{ requests }}"
  register: signed

- name: Install the certificates
  postmaster.secure_channel.mail_cert_install:
    certificates: "{{ requests | postmaster.secure_channel.ca_answers(signed.results, ca_chain) }}"
"""

RETURN = r"""
_value:
  description: The answers, each with C(name) and C(content).
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable


def ca_answers(
    requests: Sequence[Mapping[str, Any]], signed: Sequence[Mapping[str, Any]], chain: str = ""
) -> list[dict[str, str]]:
    """Answers to requests.

    Args:
        requests: dictionaries with a name.
        signed: results of the loop over the requests; none in check mode.
        chain: certificates to add to each.
    """
    contents = {result["item"]["name"]: result["certificate"] + chain for result in signed}
    return [{"name": request["name"], "content": contents.get(request["name"], "")} for request in requests]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"ca_answers": ca_answers}
