# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM text (RFC 7468): finding and writing its blocks. Works without ``cryptography``."""

from __future__ import annotations

import base64
import re
import ssl

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)


def pem_block(label: str, der: bytes) -> bytes:
    """A PEM block (RFC 7468)."""
    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join((f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""))


def certificate_blocks(bundle: bytes) -> list[bytes]:
    """The PEM blocks of the certificates in a file, in their order."""
    return _CERTIFICATE.findall(bundle)


def leaf_of(bundle: bytes) -> bytes:
    """DER of the first certificate in PEM text.

    Raises:
        Problem: there is none.
    """
    blocks = certificate_blocks(bundle)
    try:
        return ssl.PEM_cert_to_DER_cert(blocks[0].decode("ascii"))
    except (IndexError, ValueError) as exc:
        raise Problem("there is no certificate in this file", "install the certificate again") from exc


def key_block(bundle: bytes) -> bytes:
    """The first private key in PEM text, byte for byte; empty where there is none."""
    found = _KEY.search(bundle)
    return found.group(0).rstrip(b"\n") + b"\n" if found else b""


def is_protected(bundle: bytes) -> bool:
    """Whether the private key in PEM text is under a passphrase."""
    return b"ENCRYPTED" in key_block(bundle)  # in the label (RFC 7468 section 11), or in a header of the older form
