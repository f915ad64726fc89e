#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_vserver_tls
short_description: Bind a certificate to virtual servers and require the secure channel
version_added: 0.1.0
author:
  - postmaster.secure_channel contributors (@postmaster)
description:
  - A virtual server is a protocol on one host, such as C(imap). This module says which certificate it shows, whether it
    refuses use in clear text, how strong TLS must be, and on which port TLS starts at once.
  - The daemon that serves the protocol is found on the host. Served so far are C(smtp) and C(submission) by Postfix
    (3.6 to 3.10), C(imap) and C(pop3) by Dovecot (2.3 and 2.4).
  - Everything one call says is done as a whole or not at all. New files are staged, tested by the daemons themselves,
    and put in place; the daemons are reloaded; then the module connects to every virtual server, from another address
    than the server's own. Where it does not find what was asked for, everything is put back.
  - Lines and files that belong to somebody else are left alone, byte for byte.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
requirements:
  - python >= 3.9
  - the program openssl
attributes:
  check_mode:
    support: full
    details:
      - A certificate that is not on the host yet is taken to be installed by an earlier task.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  protocol:
    description:
      - What the virtual server speaks.
      - C(smtp) is the server on port 25 that takes mail from other servers. C(submission) is the one on ports 587 and
        465 at which an organisation's own users hand in mail; it is added where it does not exist, takes mail from
        authenticated users only, and has Dovecot check their passwords unless SASL is set up for it already.
      - Either this or O(vservers) is needed.
    type: str
    choices: [smtp, submission, imap, pop3]
  name:
    description:
      - Name of the virtual server. Only V(default) is known, the one that listens on every address.
    type: str
    default: default
  certificate:
    description:
      - Name of a live certificate, as M(postmaster.secure_channel.mail_cert_install) installed it. Needed for each
        virtual server.
    type: str
  key_passphrase:
    version_added: 0.2.0
    description:
      - Opens the key of the certificate, where it was requested or imported with a passphrase. The daemon gets a copy
        in which the key is open, and which it alone can read; see the guide.
      - Needed when a daemon gets its copy of a certificate for the first time. Where it has it already, the passphrase
        may be left out, and is not looked at.
      - At most 1000 bytes on one line. It is an error to give one for a key that is not protected. Virtual servers with
        the same certificate need it once.
    type: str
  require_secure_channel:
    description:
      - Whether use in clear text is refused. On C(submission) clear-text clients get C(530) in answer to C(MAIL), on
        C(imap) and C(pop3) no login is possible before TLS.
      - Passwords are never accepted in clear text, whatever is said here.
      - For C(smtp) O(refuse_strangers_in_clear) is needed as well.
    type: bool
    default: false
  refuse_strangers_in_clear:
    description:
      - Consent to a C(smtp) virtual server that refuses mail from servers that do not use TLS. RFC 3207 section 4
        forbids that for a public mail exchanger, since it loses mail. Has no effect on other protocols.
    type: bool
    default: false
  strength:
    description:
      - How strong TLS must be, after the TLSRef guideline 6.0. Key exchange groups that the host's TLS library does not
        have are left out.
      - V(modern) is TLS 1.3 only. V(intermediate) is TLS 1.2 with forward secrecy and authenticated encryption, and
        TLS 1.3. V(legacy) adds older TLS 1.2 cipher suites, none below 128 bits.
      - V(modern) on C(smtp) keeps older senders from using TLS at all; most then send in clear text.
    type: str
    choices: [modern, intermediate, legacy]
    default: intermediate
  implicit_tls_port:
    description:
      - TCP port, from 1 to 65535, on which TLS starts at once (RFC 8314); V(0) switches such a port off.
      - Left out, it is the registered port, 465 for C(submission), 993 for C(imap), 995 for C(pop3), none for C(smtp).
    type: int
  vservers:
    description:
      - Many virtual servers in one call, each with the options above. The call is a whole. If one of them cannot be
        had, none is changed.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: See O(protocol).
        type: str
        required: true
        choices: [smtp, submission, imap, pop3]
      name:
        description: See O(name).
        type: str
        default: default
      certificate:
        description: See O(certificate).
        type: str
      key_passphrase:
        version_added: 0.2.0
        description: See O(key_passphrase).
        type: str
      require_secure_channel:
        description: See O(require_secure_channel).
        type: bool
        default: false
      refuse_strangers_in_clear:
        description: See O(refuse_strangers_in_clear).
        type: bool
        default: false
      strength:
        description: See O(strength).
        type: str
        choices: [modern, intermediate, legacy]
        default: intermediate
      implicit_tls_port:
        description: See O(implicit_tls_port).
        type: int
  store:
    description:
      - Directory of the certificate store on the host.
    type: path
    default: /etc/postmaster
seealso:
  - module: postmaster.secure_channel.mail_cert_install
  - module: postmaster.secure_channel.mail_tls_info
  - name: RFC 8314
    description: Cleartext considered obsolete, the use of TLS for email submission and access.
    link: https://www.rfc-editor.org/rfc/rfc8314
"""

EXAMPLES = r"""
# From the command line, for one host:
# ansible mx1 -m postmaster.secure_channel.mail_vserver_tls
#   -a "protocol=imap certificate=mx1.example.test require_secure_channel=true"

- name: Let IMAP be used over TLS only
  postmaster.secure_channel.mail_vserver_tls:
    protocol: imap
    certificate: mx1.example.test
    require_secure_channel: true

- name: Secure all that this host serves, in one call
  postmaster.secure_channel.mail_vserver_tls:
    vservers:
      - protocol: smtp # offers TLS, and still takes mail from senders without it
        certificate: mx1.example.test
      - protocol: submission
        certificate: mx1.example.test
        require_secure_channel: true
      - protocol: imap
        certificate: mx1.example.test
        require_secure_channel: true
        strength: modern
      - protocol: pop3
        certificate: mx1.example.test
        require_secure_channel: true
"""

RETURN = r"""
vservers:
  description: One entry for each virtual server, those of one daemon together.
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: What it speaks.
      type: str
      sample: imap
    name:
      description: Its name.
      type: str
      sample: default
    provider:
      description: The daemon that serves it.
      type: str
      sample: dovecot
    changed:
      description: Whether this virtual server was changed, or would be in check mode.
      type: bool
    reason:
      description: Why, in words.
      type: str
      sample: "require_secure_channel: False -> True"
    before:
      description:
        - How it was found, null where it was not there. RV(vservers[].before.certificate) is a path where the
          certificate is not one of the store, RV(vservers[].before.strength) is empty where the settings are those of
          no known strength.
      type: dict
      contains: &vserver
        protocol:
          description: What it speaks.
          type: str
        name:
          description: Its name.
          type: str
        certificate:
          description: Name of the certificate.
          type: str
        require_secure_channel:
          description: Whether clear text is refused.
          type: bool
        strength:
          description: How strong TLS must be.
          type: str
        implicit_tls_port:
          description: TCP port on which TLS starts at once, 0 for none.
          type: int
    after:
      description: How it is now, or would be.
      type: dict
      contains: *vserver
reason:
  description: Why something was changed, or that nothing had to be.
  returned: success
  type: str
  sample: all 4 virtual servers are as desired
files:
  description: Paths of the files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/postmaster/deployed/dovecot/mx1.example.test.pem, /etc/dovecot/conf.d/99-postmaster-imap.conf]
activated:
  description: The daemons that were reloaded, or would be. A daemon that had died is started.
  returned: success
  type: list
  elements: str
  sample: [dovecot]
guideline:
  description: Name and version of the guideline behind O(strength).
  returned: success
  type: str
  sample: TLSRef 6.0 (2026-04-06)
problem:
  description: The fault in parts, also told in RV(ignore:msg).
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

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._keys import passphrases_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import (
    STORE_OPTION,
    DiscreetModule,
    objects,
    one_or_many,
    run,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers._registry import installed_providers
from ansible_collections.postmaster.secure_channel.plugins.module_utils._store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strength import GUIDELINE, STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._transaction import Transaction
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers import VserverCall, parse, summarised

ELEMENT: dict[str, dict[str, Any]] = {
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "name": {"type": "str", "default": "default"},
    "certificate": {"type": "str"},
    "key_passphrase": {"type": "str", "no_log": True},
    "require_secure_channel": {"type": "bool", "default": False},
    "refuse_strangers_in_clear": {"type": "bool", "default": False},
    "strength": {"type": "str", "choices": list(STRENGTHS), "default": "intermediate"},
    "implicit_tls_port": {"type": "int"},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the virtual servers as they are desired, and answer the module's result."""
    host = Host(module.run_command)
    store = Store(host, module.params["store"])
    elements = objects(module.params, ELEMENT, "vservers")
    vservers = [parse(element) for element in elements]
    passphrases = passphrases_of(elements)
    providers = installed_providers(host, store)
    with Transaction(host, providers.get, check_mode=module.check_mode, warn=module.warn) as transaction:
        outcome = VserverCall(host, store, providers, passphrases).run(vservers, transaction)
    for warning in outcome.warnings:
        module.warn(warning)
    return {
        "changed": bool(outcome.activated),
        "vservers": outcome.vservers,
        "reason": summarised(outcome),
        "files": outcome.files,
        "activated": outcome.activated,
        "guideline": GUIDELINE,
        "diff": outcome.diff,
    }


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "vservers", "protocol")
    spec["argument_spec"].update(STORE_OPTION)
    run(DiscreetModule(supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
