#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_cert_request
short_description: Create a key and a certificate request, and keep them pending until the CA answers
version_added: 0.1.0
description:
  - Creates a private key and a certificate signing request (CSR) for a mail server, and keeps both as a pending
    request. The key never leaves the host.
  - The CA may take its time. Meanwhile the play can be run again; the same key and the same request stay pending, and
    nothing changes. M(postmaster.secure_channel.mail_cert_install) takes the CA's answer.
  - A pending request never disturbs the live certificate of the same name, which stays in use until the answer is
    installed.
  - If the live certificate of this name has all the names, the key type and the subject that are asked for and is not
    due for renewal, there is nothing to do. Otherwise a new key and request are created, and it stays in use meanwhile.
  - The subject that is asked for now is compared with the one that was requested, not with the one in the certificate,
    since a CA may drop attributes.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._attributes.actiongroup_secure_channel_store
  - postmaster.secure_channel._cryptography_dep
attributes:
  check_mode:
    support: full
    details:
      - The request is returned in check mode too. If it is not pending yet, it is made with a key that is thrown away.
      - On a host that does not have C(cryptography) yet, the module predicts its changes, and RV(requests[].csr) is
        V(null).
  diff_mode:
    support: full
    details:
      - Shows what is asked for, never a key.
  idempotent:
    support: partial
    details:
      - With O(renew=now) each run after an answer was installed makes another request.
options:
  name:
    description:
      - Name under which the certificate is installed and bound to virtual servers later. Use the main host name.
      - "Letters, digits, full stops, hyphens and underscores, at most 200 of them, a letter or digit first."
      - Exactly one of O(name) and O(requests) must be given.
    type: str
  common_name: &common_name
    description:
      - The main host name, at most 64 characters. It is always among the subject alternative names too, since clients
        look at nothing else.
      - A name in Unicode is stored in its ASCII form (A-labels). C(*) is allowed as the whole left-most label.
      - The value of O(name) when not given.
    type: str
  subject_alt_names: &subject_alt_names
    description:
      - Further DNS names that the certificate is to cover, written like O(common_name), at most 253 characters each.
        Their order does not matter.
    type: list
    elements: str
  organization: &organization
    description:
      - Name of the organization, at most 64 characters.
    type: str
  organizational_unit: &organizational_unit
    description:
      - Department of the organization, at most 64 characters. Public CAs ignore or refuse it today.
    type: str
  country: &country
    description:
      - Country of the organization, the two letters of ISO 3166.
    type: str
  state_or_province: &state_or_province
    description:
      - State or province of the organization, at most 128 characters.
    type: str
  locality: &locality
    description:
      - City of the organization, at most 128 characters.
    type: str
  email: &email
    description:
      - Mail address to put into the subject, at most 255 ASCII characters. Public CAs ignore it today.
    type: str
  key_type: &key_type
    description:
      - Type of the key.
      - V(RSA) is supported by every client, including unknown servers that deliver mail to an MX, and is therefore the
        default. V(ECDSA_P256) and V(ECDSA_P384) make certificates shorter and handshakes faster; nearly every client
        supports them today.
      - V(Ed25519) is for your own CA and for clients that you know. No public CA issues certificates for it (the
        Baseline Requirements of the CA/Browser Forum do not allow it), and many mail servers do not support it.
    type: str
    choices: [RSA, ECDSA_P256, ECDSA_P384, Ed25519]
    default: RSA
  key_size: &key_size
    description:
      - Length of an RSA key in bits. NCSC-NL (2025) rates less than 3072 bits as "phase out".
      - Ignored for other types of keys.
    type: int
    choices: [2048, 3072, 4096]
    default: 3072
  key_passphrase: &key_passphrase
    version_added: 0.2.0
    description:
      - Protects the key on the host's disk, while it is pending and while it is live (PKCS#8, AES-256, PBKDF2). Daemons
        get copies in which the key is open; what that does and does not protect is on the page
        R(certificates and renewal,ansible_collections.postmaster.secure_channel.docsite.certificates).
      - A run that finds the request pending needs no passphrase. If one is given, it must be the right one. A pending
        key without a passphrase is encrypted with it; a live key stays as it is until it is renewed.
      - At most 1000 bytes on one line, not empty. It takes the program C(openssl).
      - M(postmaster.secure_channel.mail_cert_install) needs it to install the answer. It cannot be recovered; a key
        whose passphrase is lost must be replaced.
    type: str
  digest: &digest
    description:
      - The hash in the signature of the request itself. The CA chooses the one in the certificate's signature.
      - When not given, the one that is as strong as the key, V(sha384) for V(ECDSA_P384) and V(sha256) for the others.
        Ignored for V(Ed25519), which has its own.
      - Another digest makes a pending request a different one. A live certificate stays as it is.
    type: str
    choices: [sha256, sha384, sha512]
  must_staple: &must_staple
    description:
      - Whether to ask for a certificate that clients must accept only with a stapled OCSP response (TLS feature
        extension, RFC 7633).
      - Not for mail, so there is a warning. Postfix, Dovecot, Cyrus, INN and slapd cannot staple, and Exim is not set
        up to, so a client that honors the extension would reject them;
        M(postmaster.secure_channel.mail_vserver_tls) and M(postmaster.secure_channel.mail_cert_install) refuse to bind
        such a certificate to them. A web server may have it if your own configuration staples (C(ssl_stapling on),
        C(SSLUseStapling on)).
      - Public CAs are abandoning OCSP; Let's Encrypt has refused such requests since 2025.
      - A live certificate with the extension is requested again without it where this is V(false).
    type: bool
    default: false
  friendly_name: &friendly_name
    description:
      - A label for people, at most 128 characters. It is kept with the certificate and goes into its backups, not into
        the request, so changing it makes no new request.
      - When not given, the certificate keeps the label it has. An empty string removes it.
    type: str
  renewal_key: &renewal_key
    description:
      - Which key is used for a request that renews a live certificate.
      - V(new) makes a new key for each request. With DANE, its TLSA record (RV(requests[].tlsa_3_1_1)) must then be
        published before the answer is installed.
      - V(reuse) asks for the live key again, so that a TLSA record of the form C(3 1 1) stays valid. If the live key
        is not of the type and size that O(key_type) and O(key_size) ask for, a new one is made.
      - A request that is pending already keeps its key.
    type: str
    choices: [new, reuse]
    default: new
  renew_at: &renew_at
    description:
      - A live certificate is due for renewal when this fraction of its life is over. Above 0, at most 1.
      - Unlike a number of days, a fraction suits certificates of 47 days as well as those of two years.
    type: float
    default: 0.67
  renew: &renew
    version_added: 0.2.0
    description:
      - V(due) waits until the live certificate is due for renewal, or something different is asked for.
      - V(now) makes a request in any case, with a new key unless O(renewal_key=reuse), for instance because the key may
        have been compromised. A request that is pending already is kept, so nothing changes until its answer is
        installed.
      - V(now) is an action, not a state. Each run after the answer was installed makes another request, so give it on
        the command line or as an extra variable, not in an inventory.
    type: str
    choices: [due, now]
    default: due
  source: &source
    version_added: 0.5.0
    description:
      - Who is to sign it, a word of yours such as C(acme). It is noted with the certificate. If the live one is noted
        with another source, a new one is requested, whether it is due or not. A pending request stays, since any CA can
        sign it.
    type: str
  pending_policy: &pending_policy
    description:
      - What to do when a different request is pending under this name.
      - V(keep) fails, since a CA may be working on it.
      - V(replace) discards its key and makes a new request.
      - A key that cannot be read, because it is damaged or O(key_passphrase) does not open it, is never overwritten,
        and the module fails. This applies to pending and live keys.
    type: str
    choices: [keep, replace]
    default: keep
  check_dns: &check_dns
    version_added: 0.2.0
    description:
      - Whether to check, before a request is made, that each name without a wildcard resolves to O(expected_addresses)
        and to nothing else. The host asks the DNS, without C(/etc/hosts).
      - V(off) does not check, V(warn) warns, V(fail) fails. The names of a pending request or of a live certificate
        that stays in use are not checked again.
    type: str
    choices: ["off", warn, fail]
    default: "off"
  expected_addresses: &expected_addresses
    version_added: 0.2.0
    description:
      - IP addresses that the names must resolve to, for O(check_dns). When not given, those of the host itself, without
        loopback and link-local ones; behind NAT they must be given.
    type: list
    elements: str
  csr_path: &csr_path
    description:
      - Absolute path of a file outside the store that gets a copy of the pending request, readable by everyone.
      - With O(state=absent) that copy is removed too.
      - A directory in which others than root can replace files is refused, except one such as V(/tmp).
    type: path
  state: &state
    description:
      - V(present) makes sure that a request is pending unless the live certificate is as asked for and not due for
        renewal.
      - V(absent) cancels the pending request and deletes its key. The live certificate stays as it is.
    type: str
    choices: [present, absent]
    default: present
  requests:
    description:
      - Several requests in one call. Either all of them are made, or none.
      - It cannot be combined with the other options, except O(store).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the certificate, as in O(name). No name may be in the list twice.
        type: str
        required: true
      common_name: *common_name
      subject_alt_names: *subject_alt_names
      organization: *organization
      organizational_unit: *organizational_unit
      country: *country
      state_or_province: *state_or_province
      locality: *locality
      email: *email
      key_type: *key_type
      key_size: *key_size
      key_passphrase: *key_passphrase
      digest: *digest
      must_staple: *must_staple
      friendly_name: *friendly_name
      renewal_key: *renewal_key
      renew_at: *renew_at
      renew: *renew
      source: *source
      pending_policy: *pending_policy
      check_dns: *check_dns
      expected_addresses: *expected_addresses
      csr_path: *csr_path
      state: *state
  store:
    description:
      - Directory of the certificate store on the host, an absolute path below directories that only root can write.
      - Its path may have letters of ASCII, digits, and C(/ . _ + -), since daemons' files name it.
    type: path
    default: /etc/postmaster
seealso:
  - module: postmaster.secure_channel.mail_cert_install
author:
  - postmaster.secure_channel contributors (@postmaster)
"""

EXAMPLES = r"""
# A single server, by hand:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_request -a "name=mx1.example.test"
#
# To see what would be requested, without creating anything:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_request -a "name=mx1.example.test" --check --diff

- name: Request a certificate for all names of a mail server
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    subject_alt_names:
      - imap.example.test
      - smtp.example.test
    organization: Example Ltd
    country: DE
  register: result

- name: Show what to send to the CA
  ansible.builtin.debug:
    msg: "{{ result.requests | selectattr('pending') | map(attribute='csr') | list }}"

- name: Request certificates from two CAs, a public one for the world and your own for colleagues
  postmaster.secure_channel.mail_cert_request:
    requests:
      - name: mx1.example.test
        csr_path: /root/for-the-public-ca.csr
      - name: mail.internal.example.test
        key_type: ECDSA_P256
        renew_at: 0.5

- name: Renew with the same key, so that TLSA records stay valid, and set a label
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    friendly_name: Default SMTP Virtual Server
    renewal_key: reuse

- name: Protect the key with a passphrase, which mail_cert_install needs as well
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    key_passphrase: "{{ key_passphrase }}"

- name: Ask for a certificate with a new key now, since the old one may have been compromised
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    renew: now

- name: Warn about names that do not resolve to this host, before the CA is asked
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    check_dns: warn

- name: Cancel a pending request
  postmaster.secure_channel.mail_cert_request:
    name: mx1.example.test
    state: absent
"""

RETURN = r"""
requests:
  description: The result of each request, in the order of the call.
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
      description: Whether this request changed anything, or would in check mode.
      returned: always
      type: bool
    reason:
      description: Why something changed or nothing did.
      returned: always
      type: str
      sample: the live certificate is due for renewal (30 days left)
    pending:
      description: Whether a request for what was asked for is waiting for the CA's answer.
      returned: always
      type: bool
    files:
      description: Paths of the files that were written or removed, or would be in check mode.
      returned: always
      type: list
      elements: str
      sample: [/etc/postmaster/pending/mx1.example.test/key.pem]
    csr:
      description:
        - The pending request, PEM.
        - V(null) when none is pending, and in check mode on a host without C(cryptography).
      returned: O(state=present)
      type: str
    csr_path:
      description: Path of the file with the pending request; V(null) when none is pending.
      returned: O(state=present)
      type: str
      sample: /etc/postmaster/pending/mx1.example.test/request.csr
    spki_sha256:
      description:
        - SHA-256 of the public key of the pending request (SubjectPublicKeyInfo), hexadecimal.
        - V(null) when none is pending, and in check mode where a real run would make a new key.
      returned: O(state=present)
      type: str
    tlsa_3_1_1:
      description:
        - Data of the TLSA record that pins that key (DANE-EE, RFC 7671), to be published before the answer is
          installed.
        - V(null) where RV(requests[].spki_sha256) is.
      returned: O(state=present)
      type: str
      sample: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    subject:
      description:
        - The subject that is asked for, as in RFC 4514.
        - V(null) in check mode on a host without C(cryptography).
      returned: O(state=present)
      type: str
      sample: CN=mx1.example.test,O=Example Ltd,C=DE
    subject_alt_names:
      description: All DNS names that are asked for in ASCII form, the common name first.
      returned: O(state=present)
      type: list
      elements: str
      sample: [mx1.example.test, imap.example.test]
    key_type:
      description: Type of key that is asked for.
      returned: O(state=present)
      type: str
      sample: RSA
    key_size:
      description: Bits of the RSA key that is asked for; V(null) for other types.
      returned: O(state=present)
      type: int
      sample: 3072
    digest:
      description: The hash in the request's own signature; V(null) where the key type has its own.
      returned: O(state=present)
      type: str
      sample: sha256
    must_staple:
      description: Whether the request asks for the TLS feature extension.
      returned: O(state=present)
      type: bool
    friendly_name:
      description: The label of the certificate; V(null) where it has none.
      returned: O(state=present)
      type: str
      sample: Default SMTP Virtual Server
    key_reused:
      description: Whether the pending request has the key of the live certificate.
      returned: O(state=present)
      type: bool
    not_after:
      description: When the live certificate expires, ISO 8601 in UTC; V(null) where there is none.
      returned: O(state=present)
      type: str
      sample: "2026-12-31T23:59:59Z"
    days_left:
      description: Whole days until the live certificate expires, negative once it has; V(null) where there is none.
      returned: O(state=present)
      type: int
      sample: 61
reason:
  description: The reasons of all requests in one line.
  returned: success
  type: str
  sample: "mx1.example.test: the request is pending: the CA's answer is awaited"
files:
  description: Paths of all files that were written or removed, or would be in check mode.
  returned: success
  type: list
  elements: str
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
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request_service import Requests
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import require_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import (
    EMAIL,
    HOST,
    LABEL,
    NETWORK,
    PASSPHRASE,
    PATH,
    SUBJECT,
)

ELEMENT: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "kind": LABEL},
    "common_name": {"type": "str", "kind": HOST},
    "subject_alt_names": {"type": "list", "elements": "str", "kind": HOST},
    "organization": {"type": "str", "kind": SUBJECT},
    "organizational_unit": {"type": "str", "kind": SUBJECT},
    "country": {"type": "str", "kind": SUBJECT},
    "state_or_province": {"type": "str", "kind": SUBJECT},
    "locality": {"type": "str", "kind": SUBJECT},
    "email": {"type": "str", "kind": EMAIL},
    "key_type": {"type": "str", "choices": ["RSA", "ECDSA_P256", "ECDSA_P384", "Ed25519"], "default": "RSA"},
    "key_size": {"type": "int", "choices": [2048, 3072, 4096], "default": 3072},
    "key_passphrase": {"type": "str", "no_log": True, "kind": PASSPHRASE},
    "digest": {"type": "str", "choices": ["sha256", "sha384", "sha512"]},
    "must_staple": {"type": "bool", "default": False},
    "friendly_name": {"type": "str", "kind": SUBJECT},
    "renewal_key": {"type": "str", "choices": ["new", "reuse"], "default": "new", "no_log": False},
    "renew_at": {"type": "float", "default": 0.67},
    "renew": {"type": "str", "choices": ["due", "now"], "default": "due"},
    "source": {"type": "str", "kind": LABEL},
    "pending_policy": {"type": "str", "choices": ["keep", "replace"], "default": "keep"},
    "check_dns": {"type": "str", "choices": ["off", "warn", "fail"], "default": "off"},
    "expected_addresses": {"type": "list", "elements": "str", "kind": NETWORK},
    "csr_path": {"type": "path", "kind": PATH},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Plan all requests, then make them together."""
    elements = objects(module.params, ELEMENT, "requests")
    site = Site.of(module, module.params["store"])
    service = Requests(site, partial(require_cryptography, module), datetime.now(timezone.utc))
    return run_service(module, service, elements)


def main() -> None:
    """Entry point."""
    spec = one_or_many(ELEMENT, "requests", "name")
    spec["argument_spec"].update(STORE)
    run(DiscreetModule(title="certificate {name}", supports_check_mode=True, **spec), work)


if __name__ == "__main__":
    main()
