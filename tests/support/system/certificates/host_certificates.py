# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates of the hosts, from a root of our own with a CA below it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import (
    MAIN,
    RSA,
    SECOND,
    SPARE,
    WILD,
    WILD_RSA,
    names_of,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK

ALL = (MAIN, RSA, SECOND, WILD, WILD_RSA, SPARE)
ISSUER = "System Test Issuer"
ROOT_ON_HOST = "/usr/local/share/ca-certificates/system-tests.crt"


USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True)
class Owner:
    """A key and its certificate."""

    key: Any
    certificate: x509.Certificate


def certify(name: str, key: Any, issuer: Owner | None, names: Sequence[str] = ()) -> x509.Certificate:
    """A certificate after RFC 5280 to the letter, which sslyze insists on; a CA's where no DNS names are given."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usages = ("digital_signature",) if names else ("key_cert_sign", "crl_sign")
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{one: one in usages for one in USAGES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(signer, hashes.SHA256())


class Certificates:
    """They are made once for all hosts, and put on each.

    Args:
        directory: where the root's certificate is kept on the control side.
    """

    def __init__(self, directory: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        root = Owner(key, certify("System Test Root", key, None))
        key = ec.generate_private_key(ec.SECP256R1())
        self._issuer = Owner(key, certify(ISSUER, key, root))
        self._keys: Mapping[str, Any] = {
            name: rsa.generate_private_key(65537, 3072)
            if name in (RSA, WILD_RSA)
            else ec.generate_private_key(ec.SECP256R1())
            for name in ALL
        }
        self.root = directory / "root.pem"
        self.root.write_bytes(root.certificate.public_bytes(Encoding.PEM))

    def put(self, lab: Lab, host: Host) -> None:
        """Copy keys, certificates and the root to a host."""
        lab.write(host, ROOT_ON_HOST, self.root.read_text())
        for name in ALL:
            key, names = self._keys[name], names_of(name, host)
            content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            for one in (certify(names[0], key, self._issuer, names), self._issuer.certificate):
                content += one.public_bytes(Encoding.PEM)
            lab.write(host, f"{WORK}/{name}.pem", content.decode(), "0600")


def installing(host: Host) -> Sequence[Mapping[str, object]]:
    """The option "certificates" of mail_cert_install."""
    return [
        {"name": name, "src": f"{WORK}/{name}.pem", "names": names_of(name, host), "trust_store": ROOT_ON_HOST}
        for name in ALL
    ]
