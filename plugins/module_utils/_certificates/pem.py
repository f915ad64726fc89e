# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM text (RFC 7468): finding and writing its blocks. Works without ``cryptography``."""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass, field

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

_MARK = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 #]+)-----")
_CERTIFICATE = b"CERTIFICATE"
_KEY = b"PRIVATE KEY"


@dataclass(frozen=True)
class Block:
    """A PEM block.

    Attributes:
        label: what it says that it is.
        text: all of it, from the first hyphen to the last.
        body: what is between its two marks.
    """

    label: bytes
    text: bytes = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_key(self) -> bool:
        """Whether it is a private key, of whatever form."""
        return self.label.endswith(_KEY)


def blocks_in(text: bytes) -> list[Block]:
    """The blocks in a text, in their order. A beginning without an end is none, and what is between is ignored.

    Each mark is looked at once, so that a megabyte of beginnings without an end takes no longer than any other.
    """
    marks = list(_MARK.finditer(text))
    ends: dict[bytes, list[re.Match[bytes]]] = {}
    for mark in reversed(marks):
        if mark[1] == b"END":
            ends.setdefault(mark[2], []).append(mark)
    found, behind = [], 0
    for mark in marks:
        if mark[1] == b"END" or mark.start() < behind:
            continue
        following = ends.get(mark[2], [])
        while following and following[-1].start() < mark.end():
            following.pop()
        if following:
            end = following[-1]
            behind = end.end()
            found.append(Block(mark[2], text[mark.start() : behind], text[mark.end() : end.start()]))
    return found


def pem_block(label: str, der: bytes) -> bytes:
    """A PEM block (RFC 7468)."""
    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join((f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""))


def certificate_blocks(bundle: bytes) -> list[bytes]:
    """The PEM blocks of the certificates in a file, in their order."""
    return [one.text for one in blocks_in(bundle) if one.label == _CERTIFICATE]


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
    return next((one.text + b"\n" for one in blocks_in(bundle) if one.is_key), b"")


def is_protected(bundle: bytes) -> bool:
    """Whether the private key in PEM text is under a passphrase."""
    return b"ENCRYPTED" in key_block(bundle)  # in the label (RFC 7468 section 11), or in a header of the older form
