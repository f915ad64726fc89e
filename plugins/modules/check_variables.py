#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_variables
short_description: Refuse misspelt and malformed variables of this collection's roles
version_added: 0.4.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Looks at all variables of a host, and fails where one looks like a variable of this collection's roles but is none,
    where an entry of a list has an option that does not exist or lacks one that it needs, and where a value is not of
    the right type or not among the choices. The message names each fault and, where there is one, the name that was
    probably meant. Values are never shown.
  - A variable is taken for one of ours if its name begins with the name of one of the roles, such as C(vservers_), or
    with C(secure_channel_), or differs from one of ours by a letter or two. As C(link_) and C(verify_) are words that
    others use as well, such a name must be much like one of ours. List other variables that are taken for ours in
    C(secure_channel_foreign_variables), and they are left alone.
  - What the roles take is read from their argument specs.
  - The playbooks of this collection do this first of all. Use it at the beginning of your own, where they use the
    roles.
  - It also refuses, before anything is changed on any host, what a module would refuse later - options of a virtual
    server, a remote domain or an account that contradict each other, a certificate with C(source=acme) without
    C(certificates_acme_directory), without C(certificates_acme_terms_agreed), or for a name without a domain, and one
    with C(source=lineage) without its files. Names without a domain in other certificates get a warning.
options:
  declared:
    description:
      - Whether it is an error if nothing at all is declared for the host.
    type: bool
    default: false
    version_added: 0.5.0
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
attributes:
  check_mode:
    support: full
    details:
      - It only looks at variables, so check mode makes no difference to it.
  diff_mode:
    support: N/A
    details:
      - It changes nothing, so there is never a difference to show.
  idempotent:
    support: full
    details:
      - It changes nothing.
  platform:
    platforms: all
    details:
      - It runs on the control node, without a connection to the host.
notes:
  - A value that cannot be templated yet, for instance because a vault is not given to this playbook, is not looked at.
"""

EXAMPLES = r"""
- name: Check the variables
  postmaster.secure_channel.check_variables:
    declared: true
"""

RETURN = r"""
faults:
  description: A sentence for each fault, empty where there is none.
  returned: always
  type: list
  elements: str
  sample:
    - "vservers_list[0].certifcate: there is no such option; did you mean certificate?"
"""
