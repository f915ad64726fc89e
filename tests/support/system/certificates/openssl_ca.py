# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An outside CA made of calls of openssl, and what openssl says of a certificate."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

_LEAF = """basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
authorityKeyIdentifier = keyid
"""
_CA = """basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(*arguments: str | Path, given: str | bytes = b"") -> str:
    """What openssl prints."""
    data = given.encode() if isinstance(given, str) else given
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}"
    return done.stdout.decode()


class OpensslAuthority:
    """A root CA with an intermediate one below it.

    Args:
        directory: an empty place for its files.
        name: what it is called.
    """

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir()
        self._directory = directory
        self.root = directory / "root.pem"
        self._extensions(_CA, "ca")
        openssl(
            *("req", "-x509", "-newkey", "rsa:3072", "-noenc", "-keyout", directory / "root.key", "-out", self.root),
            *("-subj", f"/C=DE/O={name}/CN={name} Root", "-days", "30"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),  # or else Python 3.13 will not have it
        )
        openssl(
            *("req", "-newkey", "rsa:2048", "-noenc", "-keyout", directory / "middle.key"),
            *("-subj", f"/C=DE/O={name}/CN={name} Issuing", "-out", directory / "middle.csr"),
        )
        (directory / "middle.pem").write_text(self._signed("root", (directory / "middle.csr").read_text(), "ca"))
        self._extensions(_LEAF, "leaf")

    def _extensions(self, text: str, name: str) -> None:
        (self._directory / f"{name}.ext").write_text(text)

    def _signed(self, signer: str, csr: str, kind: str) -> str:
        keep = ("-copy_extensions", "copy") if kind == "leaf" else ()
        return openssl(
            *("x509", "-req", "-days", "20", "-sha256", "-extfile", self._directory / f"{kind}.ext", *keep),
            *("-CA", self._directory / f"{signer}.pem", "-CAkey", self._directory / f"{signer}.key", "-CAcreateserial"),
            given=csr,
        )

    def answer(self, csr: str) -> str:
        """A server's certificate with its chain, PEM."""
        return self._signed("middle", csr, "leaf") + (self._directory / "middle.pem").read_text()

    def subordinate(self, csr: str) -> str:
        """The certificate of a CA below the intermediate one, with its chain, PEM."""
        return self._signed("middle", csr, "ca") + (self._directory / "middle.pem").read_text()


def new_request(name: str, *, rsa: bool = False) -> tuple[str, str]:
    """A request for a name, and the key to it, PEM."""
    kind = ("RSA", "-pkeyopt", "rsa_keygen_bits:2048") if rsa else ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    key = openssl("genpkey", "-algorithm", *kind)
    subject_names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    return openssl("req", "-new", "-key", "/dev/stdin", *subject_names, given=key), key


def _line(pem: str, *options: str) -> str:
    """What openssl says of a certificate in one line, after the equals sign."""
    return openssl("x509", "-noout", *options, given=pem).partition("=")[2].strip()


def spki_sha256(pem: str) -> str:
    """SHA-256 of a certificate's public key, hexadecimal."""
    public = openssl("x509", "-noout", "-pubkey", given=pem)
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.encode(), capture_output=True, check=True
    ).stdout
    return openssl("dgst", "-sha256", "-r", given=der).split()[0]


def key_spki_sha256(key: str) -> str:
    """SHA-256 of the public part of a private key, hexadecimal."""
    der = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=key.encode(), capture_output=True, check=True
    ).stdout
    return openssl("dgst", "-sha256", "-r", given=der).split()[0]


def summary(pem: str) -> dict[str, Any]:
    """What openssl says of a certificate, in the words of mail_cert_install."""
    text = openssl("x509", "-noout", "-text", given=pem)

    def moment(option: str) -> str:
        return datetime.strptime(_line(pem, option), "%b %d %H:%M:%S %Y GMT").strftime("%Y-%m-%dT%H:%M:%SZ")

    def section(title: str) -> str:
        found = re.search(rf"{title}:.*\n\s+(.*)", text)
        return found[1] if found else ""

    words = {"TLS Web Server Authentication": "serverAuth", "TLS Web Client Authentication": "clientAuth"}
    bits = re.search(r"Public-Key: \((\d+) bit\)", text)
    signature = re.search(r"Signature Algorithm: (\S+)", text)
    curve = re.search(r"NIST CURVE: (\S+)", text)
    assert bits
    assert signature
    spki = spki_sha256(pem)
    return {
        "subject": subject(pem),
        "issuer": issuer(pem),
        "serial": serial(pem),
        "not_before": moment("-startdate"),
        "not_after": moment("-enddate"),
        "names": sorted(one.strip().removeprefix("DNS:") for one in section("Subject Alternative Name").split(",")),
        "purposes": [words[one.strip()] for one in section("Extended Key Usage").split(",") if one],
        "key_type": f"ECDSA_{curve[1].replace('-', '')}" if curve else "RSA",
        "key_size": int(bits[1]),
        "signature_algorithm": signature[1],
        "must_staple": "TLS Feature" in text,
        "sha256": fingerprint(pem),
        "spki_sha256": spki,
        "tlsa_3_1_1": f"3 1 1 {spki}",
    }


def blocks(pem: str) -> list[str]:
    """The certificates in a text."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    return [begin + part.partition(end)[0] + end for part in pem.split(begin)[1:]]


def subject(pem: str) -> str:
    """Subject of a certificate."""
    return _line(pem, "-subject", "-nameopt", "RFC2253")


def issuer(pem: str) -> str:
    """Subject of the CA that issued a certificate."""
    return _line(pem, "-issuer", "-nameopt", "RFC2253")


def fingerprint(pem: str) -> str:
    """SHA-256 of a certificate, hexadecimal."""
    return _line(pem, "-fingerprint", "-sha256").replace(":", "").lower()


def serial(pem: str) -> str:
    """Serial number of a certificate, hexadecimal."""
    return _line(pem, "-serial")
