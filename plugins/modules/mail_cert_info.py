#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_cert_info
short_description: Report which certificates are pending and live on a host
version_added: 0.1.0
description:
  - Reports what the certificate store of a host holds. For each name it says what is pending, what is live and for how
    long, whether it is due for renewal, and which daemons have a copy of it.
  - Faults, such as a damaged file or a key that does not belong to its certificate, are reported in
    RV(certificates[].faults); the module does not fail.
  - Never returns a key.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.info_module
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._attributes.actiongroup_secure_channel_store
  - postmaster.secure_channel._cryptography_dep
options:
  name:
    description:
      - Name of one certificate. When not given, all of them are reported.
    type: str
  renew_at:
    description:
      - A live certificate is due for renewal when this fraction of its life is over, as in
        M(postmaster.secure_channel.mail_cert_request). Above 0, at most 1.
    type: float
    default: 0.67
  store:
    description:
      - Directory of the certificate store on the host.
      - Its path may have letters of ASCII, digits, and C(/ . _ + -), since daemons' files name it.
    type: path
    default: /etc/postmaster
seealso:
  - module: postmaster.secure_channel.mail_cert_request
  - module: postmaster.secure_channel.mail_cert_install
  - module: postmaster.secure_channel.mail_tls_info
    description: Reports what clients see on the wire.
author:
  - postmaster.secure_channel contributors (@postmaster)
"""

EXAMPLES = r"""
# A single server, by hand:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_info

- name: See what the store holds
  postmaster.secure_channel.mail_cert_info:
  register: store

- name: Show which certificates are due for renewal
  ansible.builtin.debug:
    msg: "{{ store.certificates | selectattr('due') | map(attribute='name') | list }}"

- name: Show what all hosts hold, the most urgent first
  ansible.builtin.debug:
    msg: >-
      {{ ansible_play_hosts | map('extract', hostvars, ['store', 'certificates']) | flatten
         | postmaster.secure_channel.certificates_table }}
  run_once: true

- name: Fail where a certificate has a fault or expires within a week
  ansible.builtin.assert:
    that:
      - item.faults | length == 0
      - item.live is none or item.live.days_left >= 7
    quiet: true
  loop: "{{ store.certificates }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
certificates:
  description: What the store holds under each name, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the certificate.
      returned: always
      type: str
      sample: mx1.example.test
    host:
      description: The host's own name, so that entries of many hosts can be put together.
      returned: always
      type: str
      sample: mx1
    due:
      description: Whether there is a live certificate and it is due for renewal.
      returned: always
      type: bool
    daemons:
      description: The daemons that have a copy of the live certificate.
      returned: always
      type: list
      elements: str
      sample: [dovecot, postfix]
    faults:
      description: What is wrong and what to do about it; empty if nothing is.
      returned: always
      type: list
      elements: str
    tlsa:
      description:
        - Data of the TLSA records that pin the keys (DANE-EE, RFC 7671). Publish both before the answer to the pending
          request is installed, and remove the old one once its time to live has passed after that.
      returned: always
      type: dict
      contains:
        current:
          description: The record for the live key; V(null) where there is none.
          returned: always
          type: str
          sample: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
        next:
          description:
            - The record for the pending key; V(null) where there is none, where it cannot be read, and where it is the
              live key.
          returned: always
          type: str
    previous:
      description:
        - The certificate that was live before and can be put back; V(null) where none is kept, or where it cannot be
          read.
      returned: always
      type: dict
      contains:
        path:
          description: Path of the certificate with its key and chain.
          returned: when there is one
          type: str
          sample: /etc/postmaster/previous/mx1.example.test.pem
        subject: &subject
          description: Subject, as in RFC 4514.
          returned: when there is one
          type: str
          sample: CN=mx1.example.test,O=Example Ltd,C=DE
        issuer: &issuer
          description: Subject of the CA that issued it, as in RFC 4514.
          returned: when there is one
          type: str
          sample: CN=Example Issuing CA
        serial: &serial
          description: Serial number, hexadecimal.
          returned: when there is one
          type: str
          sample: 0A1B2C3D
        not_before: &not_before
          description: Start of its life, ISO 8601 in UTC.
          returned: when there is one
          type: str
          sample: "2026-01-01T00:00:00Z"
        not_after: &not_after
          description: End of its life, ISO 8601 in UTC.
          returned: when there is one
          type: str
          sample: "2026-07-19T23:59:59Z"
        days_left: &days_left
          description: Whole days until it expires.
          returned: when there is one
          type: int
          sample: 199
        names: &names
          description: DNS names that it covers.
          returned: when there is one
          type: list
          elements: str
          sample: [mx1.example.test]
        purposes: &purposes
          description: Its extended key usage; empty where it has none, which means every use.
          returned: when there is one
          type: list
          elements: str
          sample: [serverAuth]
        key_type: &key_type
          description: Type of its key.
          returned: when there is one
          type: str
          sample: RSA
        key_size: &key_size
          description: Bits of its key.
          returned: when there is one
          type: int
          sample: 3072
        signature_algorithm: &signature_algorithm
          description: The algorithm with which the CA signed it.
          returned: when there is one
          type: str
          sample: sha256WithRSAEncryption
        must_staple: &must_staple
          description: Whether clients must demand a stapled OCSP response (TLS feature extension, RFC 7633).
          returned: when there is one
          type: bool
        sha256: &sha256
          description: SHA-256 of the certificate, hexadecimal.
          returned: when there is one
          type: str
        spki_sha256: &spki_sha256
          description: SHA-256 of its public key (SubjectPublicKeyInfo), hexadecimal.
          returned: when there is one
          type: str
        tlsa_3_1_1: &tlsa_3_1_1
          description: Data of the TLSA record that pins its key (DANE-EE, RFC 7671).
          returned: when there is one
          type: str
          sample: 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    live:
      description: The live certificate; V(null) where there is none, or where it cannot be read.
      returned: always
      type: dict
      contains:
        path:
          description: Path of the live certificate with its key and chain.
          returned: when there is one
          type: str
          sample: /etc/postmaster/live/mx1.example.test.pem
        friendly_name:
          description: Its label; V(null) where it has none.
          returned: when there is one
          type: str
          sample: Default SMTP Virtual Server
        source:
          description:
            - Where it comes from, as O(postmaster.secure_channel.mail_cert_request#module:source) said; V(null) where
              that was not said.
          returned: when there is one
          type: str
          sample: own_ca
          version_added: 0.5.0
        subject: *subject
        issuer: *issuer
        serial: *serial
        not_before: *not_before
        not_after: *not_after
        days_left: *days_left
        names: *names
        purposes: *purposes
        key_type: *key_type
        key_size: *key_size
        signature_algorithm: *signature_algorithm
        key_protected:
          description: Whether a passphrase protects its key. If so, the key is not compared with the certificate.
          returned: when there is one
          type: bool
        must_staple: *must_staple
        sha256: *sha256
        spki_sha256: *spki_sha256
        tlsa_3_1_1: *tlsa_3_1_1
        chain:
          description: Subjects of the intermediate certificates that are sent with it, its issuer first.
          returned: when there is one
          type: list
          elements: str
          sample: [CN=Example Issuing CA]
    pending:
      description: The pending request; V(null) where there is none. What is not known of it is V(null).
      returned: always
      type: dict
      contains:
        csr:
          description: The request, PEM.
          returned: when there is one
          type: str
        csr_path:
          description: Path of the file with it.
          returned: when there is one
          type: str
          sample: /etc/postmaster/pending/mx1.example.test/request.csr
        spki_sha256:
          description: SHA-256 of its public key, hexadecimal; V(null) where the key cannot be read.
          returned: when there is one
          type: str
        tlsa_3_1_1:
          description: Data of the TLSA record that pins its key; V(null) where the key cannot be read.
          returned: when there is one
          type: str
        subject:
          description: The subject that is asked for, as in RFC 4514.
          returned: when there is one
          type: str
          sample: CN=mx1.example.test
        subject_alt_names:
          description: All DNS names that are asked for in ASCII form, the common name first.
          returned: when there is one
          type: list
          elements: str
          sample: [mx1.example.test]
        key_type:
          description: Type of key that is asked for.
          returned: when there is one
          type: str
          sample: RSA
        key_size:
          description: Bits of the RSA key that is asked for; V(null) for other types.
          returned: when there is one
          type: int
          sample: 3072
        digest:
          description: The hash in the request's own signature; V(null) where the key type has its own.
          returned: when there is one
          type: str
          sample: sha256
        key_protected:
          description: Whether a passphrase protects its key.
          returned: when there is one
          type: bool
        must_staple:
          description: Whether the request asks for the TLS feature extension.
          returned: when there is one
          type: bool
        friendly_name:
          description: The label of the certificate; V(null) where it has none.
          returned: when there is one
          type: str
        key_reused:
          description: Whether the pending request has the key of the live certificate.
          returned: when there is one
          type: bool
shared_names:
  description:
    - DNS names that more than one of the reported live certificates covers, with keys of the same kind. One certificate
      for each name is enough for all protocols. The module warns about them.
  returned: success
  type: list
  elements: dict
  contains: &shared
    dns_name:
      description: The name.
      returned: always
      type: str
      sample: imap.example.test
    certificates:
      description: Names of the certificates.
      returned: always
      type: list
      elements: str
paired_names:
  description:
    - DNS names that reported live certificates with keys of different kinds cover, such as RSA and ECDSA. This is fine;
      a server can show each client the one that it supports.
  returned: success
  type: list
  elements: dict
  contains: *shared
reason:
  description: How many certificates are live, due, pending and faulty, in one line.
  returned: success
  type: str
  sample: 2 live, 1 due for renewal, 1 pending, 0 with faults
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
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import STORE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.info import (
    StoreReport,
    summarised,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.live import check_renew_at
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import require_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import LABEL

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "kind": LABEL},
    "renew_at": {"type": "float", "default": 0.67},
    **STORE,
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Look at one certificate or at all of them."""
    check_renew_at(module.params["renew_at"])
    store = Store(Host(), module.params["store"])
    report = StoreReport(store, datetime.now(timezone.utc), module.params["renew_at"])
    names = report.names() if module.params["name"] is None else [module.params["name"]]
    if names:  # an empty store can be told empty without the library
        require_cryptography(module)
    entries = [report.entry(name) for name in names]
    shared = report.shared(same_kind=True)
    for one in shared:
        module.warn(f"{one['dns_name']} is in several certificates ({', '.join(one['certificates'])}); one is enough")
    return {
        "changed": False,
        "certificates": entries,
        "shared_names": shared,
        "paired_names": report.shared(same_kind=False),
        "reason": summarised(entries),
    }


def main() -> None:
    """Entry point."""
    run(DiscreetModule(title="certificate {name}", argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
