# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The MTA-STS policy of a domain, as its web server must serve it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mta_sts_policy
short_description: Write the MTA-STS policy of a domain
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Returns the text that C(https://mta-sts.DOMAIN/.well-known/mta-sts.txt) must serve, so that other hosts require TLS
    with a certificate for one of the domain's mail exchangers (RFC 8461 section 3.2).
positional: mode, max_age
options:
  _input:
    description:
      - Names of all mail exchangers of the domain, as in its MX records. C(*.) in front matches exactly one label.
    type: list
    elements: str
    required: true
  mode:
    description:
      - With V(enforce), senders do not deliver to an exchanger whose certificate does not match. With V(testing), they
        deliver and report it. V(none) withdraws the policy.
    type: str
    choices: [enforce, testing, none]
    default: testing
  max_age:
    description:
      - Seconds for which senders may cache the policy, from 1 to 31557600. RFC 8461 recommends weeks or more; less than
        a day protects little.
    type: int
    default: 604800
seealso:
  - plugin: postmaster.secure_channel.mta_sts_record
    plugin_type: filter
  - name: RFC 8461
    description: SMTP MTA Strict Transport Security (MTA-STS).
    link: https://www.rfc-editor.org/rfc/rfc8461
"""

EXAMPLES = r"""
- name: Write the policy to where the web server serves it
  ansible.builtin.copy:
    content: "{{ ['mx1.example.test', 'mx2.example.test'] | postmaster.secure_channel.mta_sts_policy('enforce') }}"
    dest: /var/www/html/.well-known/mta-sts.txt
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The policy. Each line ends with carriage return and line feed.
  type: str
  sample: "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.test\r\nmax_age: 604800\r\n"
"""

import re
from collections.abc import Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

MODES = ("enforce", "testing", "none")
LONGEST = 31557600  # RFC 8461 section 3.2
_NAME = re.compile(r"(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def mta_sts_policy(exchangers: Sequence[str], mode: str = "testing", max_age: int = 604800) -> str:
    """The text of a policy.

    Args:
        exchangers: names of the mail exchangers.
        mode: ``enforce``, ``testing`` or ``none``.
        max_age: seconds.

    Raises:
        AnsibleFilterError: the policy would not be valid.
    """
    if isinstance(exchangers, str) or any(not _NAME.fullmatch(str(one)) for one in exchangers):
        raise AnsibleFilterError(f"{exchangers!r} is not a list of host names; give those of the MX records")
    if mode not in MODES:
        raise AnsibleFilterError(f"the mode {mode!r} is not one of {', '.join(MODES)}")
    if not exchangers and mode != "none":
        raise AnsibleFilterError("no mail exchanger is given; only the mode none allows that")
    if not 1 <= int(max_age) <= LONGEST:
        raise AnsibleFilterError(f"max_age is {max_age!r}; give seconds from 1 to {LONGEST}")
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {one}" for one in exchangers), f"max_age: {int(max_age)}"]
    return "".join(f"{line}\r\n" for line in lines)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"mta_sts_policy": mta_sts_policy}
