#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_relay_account
short_description: Manage accounts with which remote hosts submit mail
version_added: 0.3.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - Manages the accounts with which other mail hosts log in to this host's submission server, the other end of
    M(postmaster.secure_channel.mail_domain_security). They are only for sending mail; nobody can read mail or get a
    shell with one.
  - The submission server (Postfix 3.6 to 3.10) must already be set up;
    M(postmaster.secure_channel.mail_vserver_tls) does that with C(protocol=submission).
  - Passwords are compared with what is stored, and nothing is written where they are the same.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
requirements:
  - python >= 3.9
  - sasl2-bin, for accounts in a Cyrus SASL database
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Passwords are never shown, not even hashed.
  idempotent:
    support: full
options:
  name:
    description:
      - Name to log in with, stored byte for byte, so that it may be C(DOMAIN\\user). It cannot contain white space,
        commas or quotation marks. Names must differ in more than upper and lower case.
      - Either this or O(accounts) is required.
    type: str
  password:
    description:
      - Password of the account, at most 511 bytes in Dovecot and 1000 in a Cyrus SASL database, without control
        characters. It must be text; a number needs quotes.
      - An empty string is a blank password, which only Dovecot accepts. If left out, an existing account keeps its
        password, and a new one cannot be made.
    type: str
  update_password:
    description:
      - V(always) sets the password where it differs. V(on_create) sets it for new accounts only.
    type: str
    choices: [always, on_create]
    default: always
  realm:
    description:
      - Realm of an account in a Cyrus SASL database. If left out, it is the one that the server uses for logins without
        a realm, which is nearly always right. Accounts in Dovecot have none.
    type: str
  allowed_senders:
    description:
      - Domains and addresses that the account may use as envelope sender; anything else is refused. A domain does not
        include those below it. Bounces, which have no sender, are always accepted.
      - V(*) alone allows any sender. If left out, an existing account stays as it is, and a new one may use any
        sender.
    type: list
    elements: str
  state:
    description:
      - V(absent) removes the account.
    type: str
    choices: [present, absent]
    default: present
  accounts:
    description:
      - Many accounts in one call, each with the options above. The call is done as a whole or not at all.
    type: list
    elements: dict
    suboptions:
      name:
        description: See O(name).
        type: str
        required: true
      password:
        description: See O(password).
        type: str
      update_password:
        description: See O(update_password).
        type: str
        choices: [always, on_create]
        default: always
      realm:
        description: See O(realm).
        type: str
      allowed_senders:
        description: See O(allowed_senders).
        type: list
        elements: str
      state:
        description: See O(state).
        type: str
        choices: [present, absent]
        default: present
  purge:
    description:
      - Whether all other accounts that this module made are removed. Accounts made by others are never touched.
    type: bool
    default: false
  backend:
    description:
      - Where the accounts are stored. V(auto) is wherever the submission server checks passwords. V(dovecot) is a
        separate file with salted hashes (SHA-512), C(/etc/dovecot/postmaster-accounts), which Dovecot (2.3 and 2.4)
        uses for submission servers only, after its other databases. V(sasldb) is the server's Cyrus SASL database, in
        which passwords are not hashed.
      - The module never changes where the server checks passwords. Any other choice is refused, because nobody could
        log in with the account.
    type: str
    choices: [auto, dovecot, sasldb]
    default: auto
seealso:
  - module: postmaster.secure_channel.mail_domain_security
  - module: postmaster.secure_channel.mail_vserver_tls
  - name: Postfix SASL_README
    description: How Postfix checks passwords.
    link: https://www.postfix.org/SASL_README.html
"""

EXAMPLES = r"""
# From the command line, for one host; the password comes from a vault:
# ansible mx1 -m postmaster.secure_channel.mail_relay_account
#   -a '{"name": "PARTNER\\relay", "password": "{{ partner_password }}", "allowed_senders": ["partner.example"]}'
#   -e @vault.yml

- name: Let a partner's server submit mail from the partner's domain
  postmaster.secure_channel.mail_relay_account:
    name: 'PARTNER\relay'
    password: "{{ partner_password }}"
    allowed_senders:
      - partner.example

- name: Have these accounts and no others
  postmaster.secure_channel.mail_relay_account:
    accounts:
      - name: branch-office
        password: "{{ partner_password }}"
        allowed_senders: [branch.example, alerts@example.test]
      - name: scanner
        password: "{{ partner_password }}"
        update_password: on_create
        allowed_senders: [scanner@example.test]
    purge: true

- name: Remove an account
  postmaster.secure_channel.mail_relay_account:
    name: scanner
    state: absent
"""

RETURN = r"""
accounts:
  description: One entry for each account, also for those that were purged.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name, as it was given.
      type: str
      sample: PARTNER\relay
    state:
      description: V(present) or V(absent).
      type: str
      sample: present
    allowed_senders:
      description: Senders that the account may use, V(*) for any; empty where it is absent.
      type: list
      elements: str
      sample: [partner.example]
    changed:
      description: Whether something was changed for this account, or would be.
      type: bool
    reason:
      description: Why, in words. A password is never among them.
      type: str
      sample: "account: made; senders: * -> partner.example"
backend:
  description: Where the accounts are stored, one of the choices of O(backend).
  returned: success
  type: str
  sample: dovecot
reason:
  description: Why something was changed, or that nothing had to be changed.
  returned: success
  type: str
  sample: all 2 accounts are as desired
files:
  description: Paths of the files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/dovecot/postmaster-accounts]
problem:
  description: The fault in parts, the same as in RV(ignore:msg).
  returned: failure, unless an option was malformed
  type: dict
  contains:
    host:
      description: Name of the host.
      type: str
    object:
      description: The object concerned.
      type: str
    option:
      description: The option or the file at fault, empty where there is none.
      type: str
    found:
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._accounts.service import Accounts
from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import (
    PASSWORD,
    PURGE,
    STATE,
    Spec,
    objects,
    one_or_many,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import STORE_DIRECTORY
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import backend_choices
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import LOGIN, REALM, SENDER

ELEMENT: Spec = {
    "name": {"type": "str", "kind": LOGIN},
    **PASSWORD,
    "realm": {"type": "str", "kind": REALM},
    "allowed_senders": {"type": "list", "elements": "str", "kind": SENDER},
    **STATE,
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the host's accounts as desired, and answer the module's result."""
    params = module.params
    service = Accounts(Site.of(module, STORE_DIRECTORY), params["backend"], purge=params["purge"])
    return run_service(module, service, objects(params, ELEMENT, "accounts"))


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "accounts", "name")
    spec["argument_spec"].update(
        PURGE,
        backend={"type": "str", "choices": backend_choices(), "default": "auto"},
    )
    run(DiscreetModule(title="account {name}", supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
