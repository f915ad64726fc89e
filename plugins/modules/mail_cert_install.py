#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_cert_install
short_description: Check the CA's answer to a request, or a backup with its key, and make it the live certificate
version_added: 0.1.0
description:
  - Takes the certificate that the CA issued for a pending request of M(postmaster.secure_channel.mail_cert_request),
    checks it, and makes it the live certificate, as one unit of key, certificate and chain.
  - Everything is checked before anything is written. The certificate must belong to the pending key, be valid now,
    cover the names, be issued for a server, have a key and a signature that are strong enough, and chain to a trusted
    root.
  - Certificates may come in any order. The chain is sorted, roots and certificates that do not belong to it are left
    out, and a missing issuer is named.
  - Without a pending request, a certificate that the CA reissued for the live key is accepted.
  - Without a pending request, a certificate that comes with its own key is imported, such as a backup that
    M(postmaster.secure_channel.mail_cert_export) made on this or another host. It is checked like a CA's answer. It
    never replaces a live certificate with another key that expires later.
  - A certificate that is replaced is kept as the previous one, which O(state=previous) puts back.
  - Warns about another live certificate for the same name with the same kind of key, since one for each name is enough
    for all protocols. An RSA and an ECDSA certificate for one name cause no warning.
  - PEM, DER, PKCS#7 and PKCS#12 are recognized by their content and converted. Daemons get PEM.
  - Daemons that use the live certificate of this name get the new one in the same step, are reloaded, and must serve
    it; otherwise everything is put back as it was.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._attributes.actiongroup_secure_channel_store
  - postmaster.secure_channel._cryptography_dep
requirements:
  - the program openssl
attributes:
  check_mode:
    support: full
    details:
      - All checks are done in check mode too.
      - If the certificate is not known yet, or its request is not pending yet, as in a check of a whole play on a new
        host, the module predicts its changes.
  diff_mode:
    support: full
    details:
      - Shows the certificate and its chain in parsed form, never a key.
  idempotent:
    support: partial
    details:
      - With O(state=previous) each run swaps the two certificates.
options:
  name:
    description:
      - Name of the certificate, as it was requested.
      - Exactly one of O(name) and O(certificates) must be given.
    type: str
  content: &content
    description:
      - The CA's answer, the certificate and its chain in any order, at most 1 MiB and 64 certificates; or the same with
        the private key.
      - PEM, PKCS#7 as PEM, or base64 of DER, PKCS#7 or PKCS#12.
      - Exactly one of O(content) and O(src) must be given. In check mode both may be missing or empty, since nothing is
        signed in check mode.
      - Since there may be a key in it, it is never logged.
    type: str
  src: &src
    description:
      - Absolute path of a file on the host with the CA's answer, PEM, DER, PKCS#7 or PKCS#12, with the same limits as
        O(content). It must be a regular file; a symbolic link to one is followed.
      - In check mode the file may be missing.
    type: path
  key_src: &key_src
    version_added: 0.2.0
    description:
      - Absolute path of a PEM file on the host with the key of the certificate in O(src), for a certificate that
        another tool looks after, such as certbot or acme.sh, or that a web server has. Both files are only read, and
        their owner and mode do not change. Symbolic links are followed.
      - Run it again after that tool has renewed the certificate, and the renewal is installed; until then nothing
        changes.
      - Such a certificate also replaces a live one that expires later, if it was issued later.
      - In check mode the file may be missing.
    type: path
  passphrase: &passphrase
    description:
      - Opens PKCS#12, or an encrypted private key in PEM. A file that asks for more than ten
        million iterations of key derivation is refused, since it would tie up the host.
      - It is an error to give one for a file that is not protected.
      - An empty passphrase is not the same as none.
    type: str
  key_passphrase: &key_passphrase
    version_added: 0.2.0
    description:
      - Opens the key on this host that the certificate belongs to, if M(postmaster.secure_channel.mail_cert_request)
        protected it. O(passphrase) opens what is in the answer.
      - If a certificate comes with its own key, that key is encrypted with it in the store.
      - The store keeps the key protected. Daemons get copies in which it is open; see the page
        R(certificates and renewal,ansible_collections.postmaster.secure_channel.docsite.certificates).
      - May be left out if this certificate is live already and its copies are in place. It is an error to give one for
        a key that is not protected.
      - At most 1000 bytes on one line, not empty.
    type: str
  chain: &chain
    description:
      - Further certificates of the chain, for CAs that send them separately; in the forms and with the limits of
        O(content), but without a key.
    type: str
  names: &names
    description:
      - DNS names that the certificate must cover. A wildcard in the certificate covers one label (RFC 9525).
      - When not given, the names that were requested; if these are not known, O(name).
    type: list
    elements: str
  trust_store: &trust_store
    description:
      - Absolute path of a PEM file on the host with the trusted roots. The default is maintained by Debian's package
        C(ca-certificates).
    type: path
    default: /etc/ssl/certs/ca-certificates.crt
  replace: &replace
    version_added: 0.5.0
    description:
      - Whether a certificate that comes with its own key takes the place of a live one that is valid at least as long,
        and of a pending request, whose key is lost. Otherwise that is refused.
    type: bool
    default: false
  source: &source
    version_added: 0.5.0
    description:
      - Where the certificate comes from, a word of yours such as C(lineage). It is noted. If it comes with its own key,
        and the live one or the pending request is noted with another source, it takes its place without O(replace).
    type: str
  state: &state
    version_added: 0.2.0
    description:
      - V(present) installs what is given.
      - V(previous) goes back to the certificate that was live before the present one, with its key, and keeps the
        present one as the previous one. The same call again undoes it, since it is an action and not a state. It is
        checked, proven and undone on failure like any other; a pending request stays. The store keeps one previous
        certificate for each name, and only if another one replaced it. It cannot be combined with O(content) or O(src).
    type: str
    choices: [present, previous]
    default: present
  certificates:
    description:
      - Several certificates in one call. Either all of them are installed, or none.
      - It cannot be combined with the other options, except O(store).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the certificate, as in O(name). No name may be in the list twice.
        type: str
        required: true
      content: *content
      src: *src
      key_src: *key_src
      passphrase: *passphrase
      key_passphrase: *key_passphrase
      chain: *chain
      names: *names
      trust_store: *trust_store
      replace: *replace
      source: *source
      state: *state
  store:
    description:
      - Directory of the certificate store on the host, an absolute path below directories that only root can write.
      - Its path may have letters of ASCII, digits, and C(/ . _ + -), since daemons' files name it.
    type: path
    default: /etc/postmaster
seealso:
  - module: postmaster.secure_channel.mail_cert_request
  - module: postmaster.secure_channel.mail_cert_export
  - module: postmaster.secure_channel.mail_vserver_tls
author:
  - postmaster.secure_channel contributors (@postmaster)
"""

EXAMPLES = r"""
# A single server, by hand, once the CA's answer has been copied to it:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_install -a "name=mx1.example.test src=/root/mx1.pem"
#
# To see what is in it, and whether it would be accepted, without installing it:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_install -a "name=mx1.example.test src=/root/mx1.pem" --check

- name: Install the certificate that the CA sent, from a file on the control node
  postmaster.secure_channel.mail_cert_install:
    name: mx1.example.test
    content: "{{ lookup('ansible.builtin.file', 'answers/mx1.example.test.pem') }}"

- name: Install what a CA sent as PKCS#7, from a file on the control node
  postmaster.secure_channel.mail_cert_install:
    name: mx1.example.test
    content: "{{ lookup('ansible.builtin.pipe', 'base64 answers/mx1.example.test.p7b') }}"

- name: Copy a backup with its key to another host
  ansible.builtin.copy:
    src: backups/mx1.example.test.p12
    dest: /root/mx1.example.test.p12
    mode: "0600"

- name: Import it
  postmaster.secure_channel.mail_cert_install:
    name: mx1.example.test
    src: /root/mx1.example.test.p12
    passphrase: "{{ backup_passphrase }}"

- name: Use the certificate that certbot keeps on the host; run again after each renewal
  postmaster.secure_channel.mail_cert_install:
    name: mx1.example.test
    src: /etc/letsencrypt/live/mx1.example.test/fullchain.pem
    key_src: /etc/letsencrypt/live/mx1.example.test/privkey.pem

- name: Go back to the certificate that was live before
  postmaster.secure_channel.mail_cert_install:
    name: mx1.example.test
    state: previous

- name: Install certificates of a public CA and of your own
  postmaster.secure_channel.mail_cert_install:
    certificates:
      - name: mx1.example.test
        src: /root/mx1.example.test.pem
        chain: "{{ lookup('ansible.builtin.file', 'answers/intermediate.pem') }}"
      - name: mail.internal.example.test
        src: /root/mail.internal.example.test.cer
        trust_store: /etc/ssl/certs/internal-ca.pem
"""

RETURN = r"""
certificates:
  description: The result for each certificate, in the order of the call.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate.
      returned: always
      type: str
      sample: mx1.example.test
    changed:
      description: Whether this certificate changed anything, or would in check mode.
      returned: always
      type: bool
    reason:
      description: Why something changed or nothing did.
      returned: always
      type: str
      sample: the CA's answer to the pending request was installed
    path:
      description: Path of the live certificate with its key and chain.
      returned: always
      type: str
      sample: /etc/postmaster/live/mx1.example.test.pem
    files:
      description: Paths of the files that were written or removed, or would be in check mode.
      returned: always
      type: list
      elements: str
      sample: [/etc/postmaster/live/mx1.example.test.pem]
    subject:
      description: Subject, as in RFC 4514.
      returned: when the certificate is known
      type: str
      sample: CN=mx1.example.test,O=Example Ltd,C=DE
    issuer:
      description: Subject of the CA that issued it, as in RFC 4514.
      returned: when the certificate is known
      type: str
      sample: CN=Example Issuing CA
    serial:
      description: Serial number, hexadecimal.
      returned: when the certificate is known
      type: str
      sample: 0A1B2C3D
    not_before:
      description: Start of its life, ISO 8601 in UTC.
      returned: when the certificate is known
      type: str
      sample: "2026-01-01T00:00:00Z"
    not_after:
      description: End of its life, ISO 8601 in UTC.
      returned: when the certificate is known
      type: str
      sample: "2026-07-19T23:59:59Z"
    days_left:
      description: Whole days until it expires.
      returned: when the certificate is known
      type: int
      sample: 199
    names:
      description: DNS names that it covers.
      returned: when the certificate is known
      type: list
      elements: str
      sample: [mx1.example.test]
    purposes:
      description: Its extended key usage; empty where it has none, which means every use.
      returned: when the certificate is known
      type: list
      elements: str
      sample: [serverAuth]
    key_type:
      description: Type of its key.
      returned: when the certificate is known
      type: str
      sample: RSA
    key_size:
      description: Bits of its key.
      returned: when the certificate is known
      type: int
      sample: 3072
    signature_algorithm:
      description: The algorithm with which the CA signed it.
      returned: when the certificate is known
      type: str
      sample: sha256WithRSAEncryption
    must_staple:
      description: Whether clients must demand a stapled OCSP response (TLS feature extension, RFC 7633).
      returned: when the certificate is known
      type: bool
    sha256:
      description: SHA-256 of the certificate, hexadecimal.
      returned: when the certificate is known
      type: str
    spki_sha256:
      description: SHA-256 of its public key (SubjectPublicKeyInfo), hexadecimal.
      returned: when the certificate is known
      type: str
    tlsa_3_1_1:
      description: Data of the TLSA record that pins its key (DANE-EE, RFC 7671).
      returned: when the certificate is known
      type: str
      sample: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    chain:
      description: Subjects of the intermediate certificates that are sent with it, its issuer first.
      returned: when the certificate is known
      type: list
      elements: str
      sample: [CN=Example Issuing CA]
    converted_from:
      description: The form in which the certificate came, V(DER), V(PKCS#7) or V(PKCS#12); V(null) for PEM.
      returned: when the certificate is known
      type: str
      sample: PKCS#12
    friendly_name:
      description: The label that it was requested with, or that came with it; V(null) where there is none.
      returned: when the certificate is known
      type: str
      sample: Default SMTP Virtual Server
reason:
  description: The reasons of all certificates in one line.
  returned: success
  type: str
  sample: "mx1.example.test: this certificate is live already"
files:
  description: Paths of all files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
activated:
  description: The daemons that were reloaded to serve a new certificate, or would be.
  returned: success
  type: list
  elements: str
  sample: [dovecot, postfix]
problem:
  description: The parts of the error message in RV(ignore:msg).
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
      description: The option or file at fault; empty where there is none.
      type: str
    found:
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
"""

from datetime import datetime, timezone
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import STORE, objects, one_or_many
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install_service import (
    Installations,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import require_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SYSTEM_TRUST_STORE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import (
    CERTIFICATES,
    HOST,
    LABEL,
    PASSPHRASE,
    PATH,
    SECRET_CERTIFICATES,
)

ELEMENT: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "kind": LABEL},
    "content": {"type": "str", "no_log": True, "kind": SECRET_CERTIFICATES},
    "src": {"type": "path", "kind": PATH},
    "key_src": {"type": "path", "no_log": False, "kind": PATH},
    "passphrase": {"type": "str", "no_log": True, "kind": PASSPHRASE},
    "key_passphrase": {"type": "str", "no_log": True, "kind": PASSPHRASE},
    "chain": {"type": "str", "kind": CERTIFICATES},
    "names": {"type": "list", "elements": "str", "kind": HOST},
    "trust_store": {"type": "path", "default": SYSTEM_TRUST_STORE, "kind": PATH},
    "replace": {"type": "bool", "default": False},
    "source": {"type": "str", "kind": LABEL},
    "state": {"type": "str", "choices": ["present", "previous"], "default": "present"},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Check all certificates, then make them live together."""
    elements = objects(module.params, ELEMENT, "certificates")
    site = Site.of(module, module.params["store"])
    service = Installations(site, partial(require_cryptography, module), datetime.now(timezone.utc))
    return run_service(module, service, elements)


def main() -> None:
    """Run the module."""
    spec = one_or_many(ELEMENT, "certificates", "name")
    spec["argument_spec"].update(STORE)
    run(DiscreetModule(title="certificate {name}", supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
