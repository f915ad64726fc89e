# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of CAs, as mail_cert_install takes them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_installs
short_description: Answers of CAs, as mail_cert_install takes them
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Adds to each answer what the entry of C(certificates_list) with the same name says of its installation, such as the
    passphrase of its key. So answers can be kept and shown without a secret.
positional: entries
options:
  _input:
    description:
      - The answers, each with a C(name), and with the CA's C(content) unless the entry says where that is.
    type: list
    elements: dict
    required: true
  entries:
    description:
      - The entries of C(certificates_list).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Install the answers
  postmaster.secure_channel.mail_cert_install:
    certificates: "{{ answers | postmaster.secure_channel.certificate_installs(certificates_list) }}"
"""

RETURN = r"""
_value:
  description: The C(certificates) for M(postmaster.secure_channel.mail_cert_install).
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

OPTIONS = ("src", "key_src", "passphrase", "key_passphrase", "chain", "names", "trust_store", "replace", "source")


def certificate_installs(
    answers: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What to install.

    Args:
        answers: dictionaries with a name, and mostly with content.
        entries: entries of certificates_list.
    """
    by_name = {entry["name"]: entry for entry in entries}
    return [
        {**{key: value for key, value in by_name.get(answer["name"], {}).items() if key in OPTIONS}, **answer}
        for answer in answers
    ]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"certificate_installs": certificate_installs}
