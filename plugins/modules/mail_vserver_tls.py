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
    refuses use in clear text, how strong TLS must be, at which addresses and ports it listens, and how users log in.
  - The daemon that serves the protocol is found on the host. The guide lists the daemons, their versions, and what is
    done to each of them.
  - A call is done as a whole or not at all, even across several daemons. New files are staged, tested by the daemons
    themselves, and put in place; the daemons are reloaded; then the module connects to every virtual server, at each
    address of the host at which its port is open, from another address than that. If it does not find what was asked
    for, everything is put back.
  - A port that another program listens on, or a second instance of the daemon, at any address of the virtual server, is
    refused before anything is changed.
  - Lines and files of others are left alone, byte for byte. Changes to shared files are recorded, and undone with
    O(state=absent).
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._attributes.actiongroup_secure_channel_store
requirements:
  - python >= 3.9
  - the program openssl
attributes:
  check_mode:
    support: full
    details:
      - A certificate that is not on the host yet is assumed to be installed by an earlier task.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  protocol:
    description:
      - The protocol of the virtual server.
      - V(smtp) is the server on port 25 that takes mail from other servers. V(submission) is the one on ports 587 and
        465 where an organisation's own users submit mail; it is added where it does not exist, accepts mail from
        authenticated users only, and has Dovecot check their passwords unless SASL is already set up for it.
      - V(http) is webmail, served by a web server. Its content is not touched.
      - Exactly one of O(protocol) and O(vservers) must be given.
    type: str
    choices: [smtp, submission, imap, pop3, nntp, ldap, http]
  name: &name
    description:
      - Name of the virtual server among those of its protocol on this host. At most 63 letters, digits, full stops,
        hyphens and underscores.
      - V(default) is the daemon's own. Any other name is an additional virtual server, with its own addresses or ports.
        Not every daemon supports that.
      - For V(http) it is the host name (C(server_name), C(ServerName)) of the site, and V(default) is the one for
        clients that ask for no known name.
    type: str
    default: default
  provider: &provider
    version_added: 0.2.0
    description:
      - The daemon that serves it. With V(auto) it is, of the installed ones, the one that listens on the protocol's
        ports.
    type: str
    choices: [auto, apache, cyrus, dovecot, exim, inn, nginx, openldap, postfix]
    default: auto
  state: &state
    version_added: 0.2.0
    description:
      - V(absent) undoes what this module did. The daemon's own virtual server is again as it was before the first call,
        any other is removed, and so are the daemon's copies of certificates that nothing uses any more.
    type: str
    choices: [present, absent]
    default: present
  certificate: &certificate
    description:
      - Name of a live certificate that M(postmaster.secure_channel.mail_cert_install) installed. Required unless
        O(state=absent).
      - A certificate that clients must refuse without a stapled OCSP response (must-staple, RFC 7633) is refused, also
        as O(alternative_certificate) and in O(sni), unless it is for a site of a web server that you have set up to
        staple.
    type: str
  key_passphrase: &key_passphrase
    version_added: 0.2.0
    description:
      - Opens the key of the certificate, if it was requested or imported with a passphrase. The daemon gets a copy with
        the key decrypted, which only the daemon can read; see the page
        R(certificates and renewal,ansible_collections.postmaster.secure_channel.docsite.certificates).
      - Needed when a daemon gets its copy of a certificate for the first time. Later it may be left out, and is
        ignored.
      - It also opens the keys of O(alternative_certificate) and O(sni), if they are protected.
      - At most 1000 bytes on one line. It is an error to give one for a key that is not protected. Virtual servers with
        the same certificate need it once.
    type: str
  alternative_certificate: &alternative_certificate
    version_added: 0.2.0
    description:
      - Name of a second live certificate for the same names with another type of key, such as RSA in addition to ECDSA.
        Each client gets the one that it supports.
    type: str
  sni: &sni
    version_added: 0.2.0
    description:
      - Certificates for clients that ask for a host name (SNI). All others get O(certificate).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The host name. The left-most label may be V(*). The certificate must cover it.
        type: str
        required: true
      certificate:
        description:
          - Name of a live certificate.
        type: str
        required: true
      alternative_certificate:
        version_added: 0.5.0
        description:
          - Name of a second live certificate for this name, with another type of key. If left out, clients that ask for
            this name get no other one, also where O(alternative_certificate) is given.
        type: str
  server_names: &server_names
    version_added: 0.2.0
    description:
      - Host names that clients use for this virtual server. Each of its certificates except those of O(sni) must cover
        all of them. If left out, nothing is checked.
    type: list
    elements: str
  addresses: &addresses
    version_added: 0.2.0
    description:
      - IP addresses of this host to listen on. If left out, it listens on every address. Only for a O(name) other than
        V(default).
    type: list
    elements: str
  port: &port
    version_added: 0.2.0
    description:
      - TCP port, from 1 to 65535, on which the conversation starts in clear text; V(0) for none. A virtual server with
        the O(name) V(default) has the registered port or none.
      - If left out, the daemon's setting stays, and any other O(name) uses the registered port, 25 for V(smtp), 587 for
        V(submission), 143 for V(imap), 110 for V(pop3), 119 for V(nntp), 389 for V(ldap).
    type: int
  implicit_tls_port: &implicit_tls_port
    description:
      - TCP port, from 1 to 65535, on which TLS starts at once (RFC 8314); V(0) switches such a port off.
      - If left out, it is the registered port, 465 for V(submission), 993 for V(imap), 995 for V(pop3), 563 for
        V(nntp), 636 for V(ldap), 443 for V(http), none for V(smtp).
    type: int
  require_secure_channel: &require_secure_channel
    description:
      - Whether use in clear text is refused. On V(submission) clear-text clients get C(530) in answer to C(MAIL), on
        V(imap) and V(pop3) no login is possible before TLS, on V(nntp) neither login nor reading, on V(ldap) every
        operation is refused with C(confidentialityRequired), on V(http) every request is redirected to https and
        browsers are told to ask for nothing else (HSTS).
      - Whatever this says, passwords are never accepted in clear text unless O(auth_clear) allows it.
      - For V(smtp) O(refuse_strangers_in_clear) is needed as well.
      - On V(nntp) Cyrus needs O(port=0) as well, since it answers some commands in clear text whatever is configured.
      - If left out, clear text stays refused where the daemon's own settings refuse it; otherwise it is not refused.
    type: bool
  refuse_strangers_in_clear: &refuse_strangers_in_clear
    description:
      - Allows an V(smtp) virtual server to refuse mail from servers that do not use TLS. RFC 3207 section 4 forbids
        that for a public mail exchanger, because it loses mail. Has no effect on other protocols.
    type: bool
    default: false
  strength: &strength
    description:
      - How strong TLS must be, following the TLSRef guideline 6.0. Key exchange groups that the host's TLS library does
        not have are left out.
      - V(modern) is TLS 1.3 only. V(intermediate) is TLS 1.2 with forward secrecy and authenticated encryption, and
        TLS 1.3. V(legacy) adds older TLS 1.2 cipher suites, none below 128 bits.
      - V(modern) on V(smtp) prevents older senders from using TLS at all; most then send in clear text.
      - If left out, it is V(intermediate), or V(modern) where the daemon's own settings allow TLS 1.3 alone, and the
        cipher suites and key exchange groups that these settings bar stay barred. Own settings are those from before
        this collection, so a strength that is left out again gives them back. A strength that is given takes their
        place; what it allows and they do not is a warning.
    type: str
    choices: [modern, intermediate, legacy]
  require_128_bit: &require_128_bit
    version_added: 0.2.0
    description:
      - Whether the keys of certificates must have at least 128 bits of security as well, which is 3072 bits for RSA. No
        strength has a cipher below 128 bits.
    type: bool
    default: false
  auth_clear: &auth_clear
    version_added: 0.2.0
    description:
      - SASL mechanisms with which users may log in before TLS, such as V(SCRAM-SHA-256). C(PLAIN) and C(LOGIN) send the
        password as it is. For V(ldap), C(SIMPLE) is a simple bind with name and password.
      - If left out, there are none. Not together with O(require_secure_channel).
    type: list
    elements: str
  auth_tls: &auth_tls
    version_added: 0.2.0
    description:
      - SASL mechanisms with which users may log in inside TLS. If left out, that is left to the daemon.
      - For V(ldap), C(SIMPLE) is a simple bind with name and password, and C(ANONYMOUS) is use without a login.
    type: list
    elements: str
  vservers:
    description:
      - Many virtual servers in one call, each with the options above. If one of them fails, none is changed.
      - None of the other options except O(store) may be given with it.
    type: list
    elements: dict
    suboptions:
      protocol:
        description:
          - The protocol, as in O(protocol).
        type: str
        required: true
        choices: [smtp, submission, imap, pop3, nntp, ldap, http]
      name: *name
      provider: *provider
      state: *state
      certificate: *certificate
      key_passphrase: *key_passphrase
      alternative_certificate: *alternative_certificate
      sni: *sni
      server_names: *server_names
      addresses: *addresses
      port: *port
      implicit_tls_port: *implicit_tls_port
      require_secure_channel: *require_secure_channel
      refuse_strangers_in_clear: *refuse_strangers_in_clear
      strength: *strength
      require_128_bit: *require_128_bit
      auth_clear: *auth_clear
      auth_tls: *auth_tls
  store:
    description:
      - Directory of the certificate store on the host, an absolute path below directories that only root can write.
      - Its path may have letters of ASCII, digits, and C(/ . _ + -), since daemons' files name it.
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

- name: Add a submission server on another port, and undo what was done to POP3
  postmaster.secure_channel.mail_vserver_tls:
    vservers:
      - protocol: submission
        name: partners
        port: 0
        implicit_tls_port: 2465
        certificate: mx1.example.test
        require_secure_channel: true
      - protocol: pop3
        state: absent
"""

RETURN = r"""
vservers:
  description: One entry for each virtual server, those of one daemon together.
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: The protocol.
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
        - How it was found, null where it was absent. RV(vservers[].before.certificate) is a path where the certificate
          is not from the store. RV(vservers[].before.strength) is empty where the settings match no known strength.
      type: dict
      contains: &vserver
        protocol:
          description: The protocol.
          type: str
        name:
          description: Its name.
          type: str
        certificate:
          description: Name of the certificate.
          type: str
        alternative_certificate:
          description: Name of the second certificate, empty where there is none.
          type: str
        sni:
          description:
            - Certificates for clients that ask for a name, each with C(name), C(certificate) and
              C(alternative_certificate), which is empty where there is none.
          type: list
          elements: dict
        require_secure_channel:
          description: Whether clear text is refused.
          type: bool
        strength:
          description: How strong TLS must be.
          type: str
        addresses:
          description: IP addresses that it listens on, empty for every address.
          type: list
          elements: str
        port:
          description: TCP port on which it starts in clear text, 0 for none, null where that is not known.
          type: int
        implicit_tls_port:
          description: TCP port on which TLS starts at once, 0 for none.
          type: int
        auth_clear:
          description: Mechanisms with which users may log in before TLS.
          type: list
          elements: str
        auth_tls:
          description: Mechanisms with which users may log in inside TLS, null where that is not known.
          type: list
          elements: str
    after:
      description: How it is now, or would be. Null where it is absent.
      type: dict
      contains: *vserver
    oldest_clients:
      description: The oldest clients that can still connect, according to the guideline. Empty where it is absent.
      type: list
      elements: str
      sample: [Firefox 27, Chrome 31]
    cut_off:
      description: Clients that are excluded, in words. Empty where it is absent.
      type: list
      elements: str
      sample: [clients without TLS at all]
reason:
  description: Why something was changed, or that nothing had to be changed.
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
proofs:
  description:
    - Where the module has found each virtual server to be as desired, connecting from this host. In check mode, those
      that would be changed are left out.
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: The protocol.
      type: str
      sample: submission
    name:
      description: The name.
      type: str
      sample: default
    seen:
      description: Where it showed what was asked for, and refused use in clear text if that was asked for.
      type: list
      elements: dict
      contains:
        address:
          description: IP address of this host.
          type: str
          sample: 192.0.2.1
        port:
          description: TCP port.
          type: int
          sample: 587
    unseen:
      description:
        - Where it listens as well, but this host could not look, so that nothing is proven. There is a warning, too.
          Look from another host, as with the role C(verify) or M(postmaster.secure_channel.mail_tls_info).
      type: list
      elements: dict
      contains:
        address:
          description: IP address of this host.
          type: str
          sample: 2001:db8::1
        port:
          description: TCP port.
          type: int
          sample: 587
        reason:
          description: Why it could not look.
          type: str
          sample: >-
            the server greets with '450 4.7.25 Client host rejected: cannot find your hostname'
guideline:
  description: Name and version of the guideline that O(strength) follows.
  returned: success
  type: str
  sample: TLSRef 6.0 (2026-04-06)
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

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import (
    STATE,
    STORE,
    Spec,
    objects,
    one_or_many,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.passphrase import passphrases_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._protocols import PROTOCOLS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.registry import provider_choices
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import (
    HOST,
    LABEL,
    MECHANISM,
    PASSPHRASE,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._tls.strength import STRENGTHS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.options import DEFAULT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._vservers.service import Vservers

ELEMENT: Spec = {
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "name": {"type": "str", "default": DEFAULT, "kind": LABEL},
    "provider": {"type": "str", "choices": provider_choices(), "default": "auto"},
    **STATE,
    "certificate": {"type": "str", "kind": LABEL},
    "key_passphrase": {"type": "str", "no_log": True, "kind": PASSPHRASE},
    "alternative_certificate": {"type": "str", "kind": LABEL},
    "sni": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True, "kind": HOST},
            "certificate": {"type": "str", "required": True, "kind": LABEL},
            "alternative_certificate": {"type": "str", "kind": LABEL},
        },
    },
    "server_names": {"type": "list", "elements": "str", "kind": HOST},
    "addresses": {"type": "list", "elements": "str", "kind": HOST},
    "port": {"type": "int"},
    "implicit_tls_port": {"type": "int"},
    "require_secure_channel": {"type": "bool"},
    "refuse_strangers_in_clear": {"type": "bool", "default": False},
    "strength": {"type": "str", "choices": list(STRENGTHS)},
    "require_128_bit": {"type": "bool", "default": False},
    "auth_clear": {"type": "list", "elements": "str", "kind": MECHANISM},
    "auth_tls": {"type": "list", "elements": "str", "kind": MECHANISM},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the virtual servers as they are desired, and answer the module's result."""
    elements = objects(module.params, ELEMENT, "vservers")
    site = Site.of(module, module.params["store"])
    return run_service(module, Vservers(site, passphrases_of(elements)), elements)


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "vservers", "protocol")
    spec["argument_spec"].update(STORE)
    run(DiscreetModule(title="virtual server {protocol}/{name}", supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
