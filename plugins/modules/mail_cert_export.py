#!/usr/bin/python

# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_cert_export
short_description: Back up a live certificate with its key, under a passphrase
version_added: 0.1.0
description:
  - Writes the live certificate with its key and chain into one file, protected with a passphrase, for another host or
    in case this one is lost. M(postmaster.secure_channel.mail_cert_install) imports it.
  - The file belongs to root, and nobody else can read it at any moment.
  - A backup of the same key, certificate, chain and friendly name, in the same format and with the same passphrase,
    stays as it is. An older one of a certificate for one of the same names is replaced, as after a renewal.
  - A file that cannot be read with this passphrase, or that is the backup of a certificate for other names, is never
    overwritten. To change the passphrase, name a new file, or remove the old one first.
extends_documentation_fragment:
  - postmaster.secure_channel._attributes
  - postmaster.secure_channel._attributes.actiongroup_secure_channel
  - postmaster.secure_channel._attributes.actiongroup_secure_channel_store
  - postmaster.secure_channel._cryptography_dep
attributes:
  check_mode:
    support: full
    details:
      - If the certificate is not live yet, as in a check of a whole play on a new host, the module predicts its change.
  diff_mode:
    support: full
    details:
      - Says that the backup differs, but never shows its content.
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the live certificate.
    type: str
    required: true
  path:
    description:
      - Absolute path of the backup on the host, outside the certificate store. A missing directory is created
        for root alone.
      - A directory in which others than root can replace files is refused, except one such as V(/tmp).
    type: path
    required: true
  passphrase:
    description:
      - Protects the backup. Without it the backup is worthless, so keep it somewhere else, such as in a vault.
      - Ansible masks it wherever it occurs in the result, so a common word as passphrase makes the result hard to read.
    type: str
    required: true
  key_passphrase:
    version_added: 0.2.0
    description:
      - Opens the key of the live certificate, if M(postmaster.secure_channel.mail_cert_request) protected it. In the
        backup the key is protected with O(passphrase) instead; both may be the same.
      - May be left out if the backup is there already.
      - It is an error to give one for a key that is not protected.
    type: str
  format:
    description:
      - V(pkcs12) is one encrypted file (AES-256, with an HMAC) that most programs can read.
      - V(pem) is text in which only the key is encrypted.
      - Both keep the friendly name.
    type: str
    choices: [pkcs12, pem]
    default: pkcs12
  store:
    description:
      - Directory of the certificate store on the host, an absolute path below directories that only root can write.
      - Its path may have letters of ASCII, digits, and C(/ . _ + -), since daemons' files name it.
    type: path
    default: /etc/postmaster
seealso:
  - module: postmaster.secure_channel.mail_cert_install
  - module: postmaster.secure_channel.mail_cert_info
author:
  - postmaster.secure_channel contributors (@postmaster)
"""

EXAMPLES = r"""
# A single server, by hand, with the passphrase in a file that ansible-vault protects:
#
#   ansible mx1 -m postmaster.secure_channel.mail_cert_export -e @vault.yml
#     -a "name=mx1.example.test path=/root/mx1.example.test.p12 passphrase='{{ backup_passphrase }}'"

- name: Back up a certificate with its key
  postmaster.secure_channel.mail_cert_export:
    name: mx1.example.test
    path: /root/backup/mx1.example.test.p12
    passphrase: "{{ backup_passphrase }}"

- name: Fetch the backup to the control node
  ansible.builtin.fetch:
    src: /root/backup/mx1.example.test.p12
    dest: backups/
"""

RETURN = r"""
name:
  description: Name of the certificate.
  returned: success
  type: str
  sample: mx1.example.test
backup_path:
  description: Path of the backup.
  returned: success
  type: str
  sample: /root/backup/mx1.example.test.p12
format:
  description: Its format.
  returned: success
  type: str
  sample: pkcs12
reason:
  description: Why something changed or nothing did.
  returned: success
  type: str
  sample: the backup is there already
files:
  description: Paths of the files that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/root/backup/mx1.example.test.p12]
friendly_name:
  description: The label in the backup. That of the certificate, or its name if it has none.
  returned: success, when the certificate is live
  type: str
  sample: Default SMTP Virtual Server
serial:
  description: Serial number of the certificate, hexadecimal.
  returned: success, when the certificate is live
  type: str
  sample: 0A1B2C3D
sha256:
  description: SHA-256 of the certificate, hexadecimal.
  returned: success, when the certificate is live
  type: str
not_after:
  description: When the certificate expires, ISO 8601 in UTC.
  returned: success, when the certificate is live
  type: str
  sample: "2026-12-31T23:59:59Z"
chain:
  description: Subjects of the intermediate certificates in the backup, the certificate's issuer first.
  returned: success, when the certificate is live
  type: list
  elements: str
  sample: [CN=Example Issuing CA]
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

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.postmaster.secure_channel.plugins.module_utils._argspec import STORE
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export_service import Exports
from ansible_collections.postmaster.secure_channel.plugins.module_utils._cryptography_dep import require_cryptography
from ansible_collections.postmaster.secure_channel.plugins.module_utils._module import DiscreetModule, run
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import run_service
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.plugins.module_utils._strings import LABEL, PASSPHRASE, PATH

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True, "kind": LABEL},
    "path": {"type": "path", "required": True, "kind": PATH},
    "passphrase": {"type": "str", "required": True, "no_log": True, "kind": PASSPHRASE},
    "key_passphrase": {"type": "str", "no_log": True, "kind": PASSPHRASE},
    "format": {"type": "str", "choices": ["pkcs12", "pem"], "default": "pkcs12"},
    **STORE,
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Plan the backup, then write it."""
    site = Site.of(module, module.params["store"])
    return run_service(module, Exports(site, partial(require_cryptography, module)), [module.params])


def main() -> None:
    """Entry point."""
    run(DiscreetModule(title="certificate {name}", argument_spec=ARGUMENTS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
