# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, good and bad ones, signed below the site's own root."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ansible_collections.postmaster.secure_channel.tests.support.authorities import Authority
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site


class OwnRoot(Authority):
    """The root that the site playbook made, with its passphrase."""

    def __init__(self, site: Site) -> None:
        self.certificate = x509.load_pem_x509_certificate(site.root_certificate.read_bytes())
        self.key = load_pem_private_key(Path(site.authority, "root.key").read_bytes(), site.secrets.authority.encode())
        self.subject = self.certificate.subject
        self.above = None
