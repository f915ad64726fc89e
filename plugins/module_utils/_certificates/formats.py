# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file formats of certificates and keys: PEM, DER, PKCS#7 and PKCS#12, each also as base64 text.

Everything is converted here, before anything else sees it. The store has PEM only.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.kdf_cost import refuse_costly
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import (
    PrivateKey,
    key_der,
    open_key,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.parsing import reading
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import blocks_in
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.x509 import (
    Certificate,
    load_certificate,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.confined import confined
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import printable

with contextlib.suppress(ImportError):  # a module asks require_cryptography before it calls anything here
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

LARGEST_INPUT = 1024 * 1024  # bytes; a leaf with its chain has some ten thousand
MOST_CERTIFICATES = 64  # in one answer; a leaf with its chain has three or four

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]+)-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+=*")
_FRIENDLY_NAME = re.compile(rb"^[ \t]*friendlyName:([^\n]*)", re.MULTILINE)  # as openssl-pkcs12(1) writes it
_OID_PKCS7 = bytes.fromhex("06092a864886f70d010702")  # signedData, RFC 2315
_OID_PKCS12 = bytes.fromhex("06092a864886f70d010701")  # data, the outer shell of RFC 7292
_LABELS_CERTIFICATE = (b"CERTIFICATE", b"X509 CERTIFICATE")
_LABELS_PKCS7 = (b"PKCS7", b"CMS", b"PKCS #7 SIGNED DATA")
_WHOLE = "get the file from the CA again, whole"
_NO_CERTIFICATE = "there is no certificate in it"
_GIVE_ONE = "give the certificate that the CA sent, as PEM, DER, PKCS#7 or PKCS#12"
_A_KEY = ("there is a private key in it", "give certificates only")
_A_REQUEST = (
    "this is a request, not the CA's answer to it",
    "send it to the CA, and give the certificate that the CA returns",
)


@dataclass(frozen=True)
class Content:
    """What was found in a file, in whatever form it came.

    Attributes:
        certificates: all certificates in their order, each one once.
        key: the private key among them, None where there is none.
        friendly_name: the label that the file gives to the certificate; empty where it gives none.
        converted_from: the form it came in, None for PEM.
    """

    certificates: Sequence[Certificate]
    key: PrivateKey | None = field(default=None, repr=False)
    friendly_name: str = ""
    converted_from: str | None = None


@dataclass
class _Found:
    """What has been found so far: DER of certificates, PEM blocks of keys, and the form."""

    certificates: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list, repr=False)
    converted_from: str | None = None


def opened(data: bytes, passphrase: str | None = None) -> Content:
    """Everything in a file of certificates, and of a key where there is one; opened in a process with limits.

    Text around PEM blocks is ignored, and line breaks may be missing.

    Args:
        data: the file's bytes.
        passphrase: opens the key in it; None where none was given, which differs from an empty one.

    Raises:
        Problem: there is no certificate, there are too many, something else is there, or the passphrase does not fit.
    """
    if len(data) > LARGEST_INPUT:
        raise Problem(
            f"{len(data)} bytes are too many for a certificate with its chain",
            f"give only the leaf and its chain, at most {LARGEST_INPUT} bytes",
        )
    return _unpacked(confined(lambda: _packed(parsed(data, passphrase)), "it"))


def parsed(data: bytes, passphrase: str | None = None) -> Content:
    """The same as :func:`opened` in this very process, for bytes that were opened before."""
    if not data.strip():
        raise Problem("it is empty", "give the certificate that the CA sent")
    if not _BEGIN.search(data):
        der = _bare(data)
        if _OID_PKCS12 in der[:60] and _OID_PKCS7 not in der[:40]:
            return _pkcs12(der, passphrase)
        return _content(_in_der(der), b"", passphrase)
    return _content(_in_pem(data), data, passphrase)


def opened_key(data: bytes, passphrase: str | None = None) -> PrivateKey:
    """The private key in a PEM file of its own; certificates in it are ignored.

    Raises:
        Problem: there is none, there are several, or the passphrase does not fit.
    """
    if len(data) > LARGEST_INPUT:
        raise Problem(f"{len(data)} bytes are too many for a key", "give the file that has the key")
    keys = [one.text + b"\n" for one in blocks_in(data) if one.is_key]
    if len(keys) != 1:
        raise Problem(f"there are {len(keys) or 'no'} private keys in it", "give a PEM file with one private key")
    return open_key(confined(lambda: key_der(_key(keys[0], passphrase)), "the private key in it"))


def load_certificates(data: bytes) -> list[Certificate]:
    """All certificates in a file that must have no private key in it, in their order and each one once.

    Raises:
        Problem: as for :func:`opened`, or there is a key.
    """
    return _only_certificates(data, opened)


def stored_certificates(data: bytes) -> list[Certificate]:
    """The same for the store's own files, which were opened with limits before they came there."""
    return _only_certificates(data, parsed)


def _only_certificates(data: bytes, look: Callable[[bytes], Content]) -> list[Certificate]:
    try:
        found = look(data)
    except Problem as exc:
        if exc.option != "passphrase":
            raise
        raise Problem(*_A_KEY) from exc
    if found.key is not None:
        raise Problem(*_A_KEY)
    return list(found.certificates)


# ---- to and from the process with limits


def _packed(content: Content) -> bytes:
    """What was found, in plain forms that take no effort to open again."""
    return json.dumps(
        {
            "certificates": [base64.b64encode(one.der).decode() for one in content.certificates],
            "key": base64.b64encode(key_der(content.key)).decode() if content.key is not None else None,
            "friendly_name": content.friendly_name,
            "converted_from": content.converted_from,
        }
    ).encode()


def _unpacked(packed: bytes) -> Content:
    found = json.loads(packed)
    key = open_key(base64.b64decode(found["key"])) if found["key"] else None
    certificates = _certificates_of([base64.b64decode(one) for one in found["certificates"]])
    return Content(certificates, key, found["friendly_name"], found["converted_from"])


# ---- PEM


def _in_pem(data: bytes) -> _Found:
    blocks = blocks_in(data)
    if len(blocks) != len(_BEGIN.findall(data)):
        raise Problem("a certificate in it has no end: it was cut off", _WHOLE)
    found = _Found()
    for block in blocks:
        if block.label.endswith(b"CERTIFICATE REQUEST"):
            raise Problem(*_A_REQUEST)
        if block.is_key:
            found.keys.append(block.text + b"\n")
        elif block.label in _LABELS_PKCS7:
            found.certificates += _pkcs7(_decoded(block.body))
            found.converted_from = "PKCS#7"
        elif block.label in _LABELS_CERTIFICATE:
            found.certificates.append(_decoded(block.body))
    return found


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as exc:
        raise Problem(f"a certificate in it is damaged ({exc})", _WHOLE) from exc


def _content(found: _Found, text: bytes, passphrase: str | None) -> Content:
    """What was found, parsed.

    Args:
        found: its parts.
        text: the PEM text they come from, empty for other forms.
        passphrase: as given.
    """
    if not found.certificates:
        only = " but a private key" if found.keys else ""
        raise Problem(_NO_CERTIFICATE + only, _GIVE_ONE)
    certificates = _certificates_of(found.certificates)
    if len(found.keys) > 1:
        raise Problem(f"there are {len(found.keys)} private keys in it", "give one certificate with its key")
    if not found.keys:
        if passphrase is not None:
            raise _needless("there is no key in it")
        return Content(certificates, converted_from=found.converted_from)
    name = _FRIENDLY_NAME.search(text)
    label = printable(name.group(1).strip().decode("utf-8", "replace")) if name else ""
    return Content(certificates, _key(found.keys[0], passphrase), label, found.converted_from)


def _certificates_of(ders: Sequence[bytes]) -> list[Certificate]:
    if len(ders) > MOST_CERTIFICATES:
        raise Problem(
            f"there are {len(ders)} certificates in it",
            "give only the certificate and its chain, not a whole trust store",
        )
    unique = list(dict.fromkeys(ders))
    return [load_certificate(der, f"certificate {number} of {len(unique)}") for number, der in enumerate(unique, 1)]


# ---- keys and their passphrases


def _key(block: bytes, passphrase: str | None) -> PrivateKey:
    """The private key in a PEM block."""
    if b"ENCRYPTED" not in block:  # in the label (RFC 7468 section 11), or in a header of the older form
        if passphrase is not None:
            raise _needless("the key in it is not protected")
        with reading("the private key in it", "give the key again, whole"):
            return serialization.load_pem_private_key(block, None)
    if passphrase is None:
        raise _missing("the key in it")
    if b"Proc-Type" not in block:  # the older form has no choice of iterations
        refuse_costly(_decoded(b"".join(block.splitlines()[1:-1])))
    try:
        with reading("the private key in it", ""):
            return serialization.load_pem_private_key(block, passphrase.encode())
    except Problem as exc:
        raise _wrong("the key in it") from exc


def _missing(what: str) -> Problem:
    return Problem(
        f"{what} is protected with a passphrase, and none was given", "give the passphrase", option="passphrase"
    )


def _wrong(what: str) -> Problem:
    return Problem(
        f"the passphrase does not open {what}",
        "give the passphrase it was made with; if this is the right one, the file is damaged: get it again",
        option="passphrase",
    )


def _needless(why: str) -> Problem:
    return Problem(
        f"a passphrase was given, but {why}",
        "omit the passphrase, or give the file that it belongs to",
        option="passphrase",
    )


# ---- other forms


def _bare(data: bytes) -> bytes:
    """DER, from the bytes themselves or from base64 of them."""
    joined = b"".join(data.split())
    if data[:1] != b"\x30" and _BASE64.fullmatch(joined):
        with contextlib.suppress(binascii.Error):
            data = base64.b64decode(joined, validate=True)
    if data[:1] != b"\x30":  # every form of certificates is an ASN.1 SEQUENCE
        raise Problem(_NO_CERTIFICATE, _GIVE_ONE)
    if _is_cut_off(data):
        raise Problem("it has no end: it was cut off", _WHOLE)
    return data


def _in_der(data: bytes) -> _Found:
    if _OID_PKCS7 in data[:40]:
        return _Found(_pkcs7(data), converted_from="PKCS#7")
    if _is_request(data):
        raise Problem(*_A_REQUEST)
    return _Found([data], converted_from="DER")


def _is_request(data: bytes) -> bool:
    try:
        with reading("it", ""):
            x509.load_der_x509_csr(data)
    except Problem:
        return False
    return True


def _pkcs7(data: bytes) -> list[bytes]:
    """DER of the certificates in PKCS#7 (RFC 2315): a signature without content, which CAs use as an envelope."""
    with reading("the PKCS#7 data", _WHOLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # most programs do not sort the certificates as DER wants it; no harm is done
        found = [_der(one) for one in pkcs7.load_der_pkcs7_certificates(data)]
    if not found:
        raise Problem(_NO_CERTIFICATE, _GIVE_ONE)
    return found


def _pkcs12(data: bytes, passphrase: str | None) -> Content:
    """Key and certificates in PKCS#12 (RFC 7292)."""
    refuse_costly(data)
    bundle = _pkcs12_bundle(data, passphrase)
    entries = [one for one in (bundle.cert, *bundle.additional_certs) if one is not None]
    with reading("the PKCS#12 data", _WHOLE):
        ders = [_der(one.certificate) for one in entries]
    if not ders:
        only = " but a private key" if bundle.key is not None else ""
        raise Problem(_NO_CERTIFICATE + only, _GIVE_ONE)
    labels = [one.friendly_name for one in entries if one.friendly_name]
    label = printable(labels[0].decode("utf-8", "replace")) if labels else ""
    return Content(_certificates_of(ders), bundle.key, label, "PKCS#12")


def _pkcs12_bundle(data: bytes, passphrase: str | None) -> pkcs12.PKCS12KeyAndCertificates:
    """PKCS#12 data, opened. The library cannot say whether it fails for the passphrase or for damaged data."""
    what = "the PKCS#12 data"
    try:
        with reading(what, _WHOLE):
            bundle = pkcs12.load_pkcs12(data, None)
    except Problem as exc:
        if "password" not in exc.found:
            raise
    else:
        if passphrase:
            raise _needless("the PKCS#12 data in it is not protected")
        return bundle
    if passphrase is None:
        raise _missing(what)
    try:
        with reading(what, ""):
            return pkcs12.load_pkcs12(data, passphrase.encode())
    except Problem as exc:
        raise _wrong(what) from exc


def _is_cut_off(der: bytes) -> bool:
    """Whether the DER element that this begins with is longer than what is there (X.690 section 8.1.3)."""
    if len(der) < 2 or der[1] == 0x80:  # without a length, its end is marked
        return len(der) < 2
    octets = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + octets], "big") if octets else der[1]
    return 2 + octets + length > len(der)


def _der(certificate: x509.Certificate) -> bytes:
    der: bytes = certificate.public_bytes(serialization.Encoding.DER)
    return der
