# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much work a file asks for before its passphrase can be tried.

A file itself names the iterations of its key derivation. Billions of them would keep this host's processor busy for
hours, whatever the passphrase, so they are counted before anything is derived, and a file that asks for too many is
refused in words that say so. What cannot be counted, such as a key inside another encrypted part, is left to the limits
of the process in which such a file is opened (see ``_host/confined.py``).

Bytes behind an element, or that are no element, end the counting there and hide nothing that was before them: libraries
do not mind them either.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

MOST_ITERATIONS = 10_000_000  # in all of a file, some five seconds; programs use 2048 to 600,000 for each part

_INTEGER, _OCTETS, _OID, _SEQUENCE, _OCTETS_IN_PARTS = 0x02, 0x04, 0x06, 0x30, 0x24
_CONSTRUCTED, _LONG_TAG = 0x20, 0x1F
_DEEPEST = 32  # a PKCS#12 file has some fifteen levels
_MOST_ELEMENTS = 200_000  # one with 64 certificates has some thousands
_PBE = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))  # RFC 8018, RFC 7292 appendix C
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # RFC 7914 section 7


@dataclass(frozen=True)
class _Element:
    """A BER element (X.690): its tag, its contents, and the elements in it where it is constructed."""

    tag: int
    contents: bytes
    children: tuple[_Element, ...] = ()


def refuse_costly(der: bytes) -> None:
    """Refuse protected data that would keep the processor busy.

    Args:
        der: PKCS#12, or encrypted PKCS#8.

    Raises:
        Problem: it asks for too many iterations, or has more parts than any such file.
    """
    reader = _Reader()
    total = sum(_iterations(reader, reader.elements(der)))
    if total > MOST_ITERATIONS:
        shown = total if total < 10**20 else "very many"
        raise Problem(
            f"it asks for {shown} iterations of key derivation, which would tie up this host",
            f"make the file again with fewer iterations, at most {MOST_ITERATIONS} in all of it",
        )


def refuse_costly_key(block: bytes, path: str) -> None:
    """The same for a protected key in PEM.

    Args:
        block: the PEM block.
        path: the file it comes from, for the message.

    Raises:
        Problem: it asks for too many iterations.
    """
    if b"Proc-Type" in block:
        return  # the older form has no choice of iterations
    try:
        der = base64.b64decode(b"".join(b"".join(block.strip().splitlines()[1:-1]).split()))
    except ValueError:
        return  # damaged: whoever opens it says so better
    try:
        refuse_costly(der)
    except Problem as exc:
        raise Problem(f"the key in {path} cannot be opened: {exc.found}", exc.remedy, option=exc.option) from exc


class _Reader:
    """Reads elements, and counts them."""

    def __init__(self) -> None:
        self._read = 0

    def elements(self, data: bytes, depth: int = 0) -> tuple[_Element, ...]:
        """The elements that follow one another at the beginning of some bytes, up to what is none."""
        found, at = [], 0
        while at < len(data):
            try:
                element, at = self._element(data, at, depth)
            except (ValueError, IndexError):
                break
            found.append(element)
        return tuple(found)

    def _element(self, data: bytes, at: int, depth: int) -> tuple[_Element, int]:
        """The element at a position, and where the next one begins."""
        self._read += 1
        if self._read > _MOST_ELEMENTS:
            raise Problem(
                f"it has more than {_MOST_ELEMENTS} parts, as no file of a key and its certificates does",
                "make the file again with the key, its certificate and the chain alone",
            )
        if depth > _DEEPEST:
            raise ValueError("too deep")
        tag, at = data[at], at + 1
        if tag & _LONG_TAG == _LONG_TAG:
            while data[at] & 0x80:
                at += 1
            at += 1
        length, start = data[at], at + 1
        if length == 0x80:  # no length: an end of contents follows (section 8.1.3.6)
            children: list[_Element] = []
            at = start
            while data[at : at + 2] != b"\0\0":
                try:
                    child, at = self._element(data, at, depth + 1)
                except (ValueError, IndexError):
                    return _Element(tag, data[start:at], tuple(children)), len(data)
                children.append(child)
            return _Element(tag, data[start:at], tuple(children)), at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
        end = start + length
        if end > len(data):
            raise ValueError("cut off")
        contents = data[start:end]
        return _Element(tag, contents, self.elements(contents, depth + 1) if tag & _CONSTRUCTED else ()), end


def _iterations(reader: _Reader, elements: tuple[_Element, ...], depth: int = 0) -> Iterator[int]:
    """The iterations that each key derivation in some elements asks for."""
    if depth > _DEEPEST:
        return
    for one in elements:
        parts = one.children
        if one.tag == _SEQUENCE and len(parts) >= 2:
            yield from _named(parts)
            yield from _mac(parts)
        yield from _iterations(reader, parts, depth + 1)
        text = _joined(one)
        if text[:1] == bytes([_SEQUENCE]):
            yield from _iterations(reader, reader.elements(text), depth + 1)


def _named(parts: tuple[_Element, ...]) -> Iterator[int]:
    """Of a key derivation that an object identifier names, with a salt and its iterations as parameters."""
    oid, parameters = parts[0], parts[1].children
    if oid.tag != _OID or len(parameters) < 2 or parameters[1].tag != _INTEGER:
        return
    if oid.contents == _SCRYPT:
        cost = 1
        for number in parameters[1:4]:  # N, r and p
            cost *= abs(int.from_bytes(number.contents, "big", signed=True))
        yield cost
    elif oid.contents.startswith(_PBE):
        yield abs(int.from_bytes(parameters[1].contents, "big", signed=True))


def _mac(parts: tuple[_Element, ...]) -> Iterator[int]:
    """Of the MacData of PKCS#12: what is compared, a salt and its iterations (RFC 7292 appendix A)."""
    tags = [one.tag for one in parts]
    if tags in ([_SEQUENCE, _OCTETS, _INTEGER], [_SEQUENCE, _OCTETS_IN_PARTS, _INTEGER]):
        yield abs(int.from_bytes(parts[2].contents, "big", signed=True))


def _joined(one: _Element) -> bytes:
    """The octets of an octet string, which may come in parts; empty for any other element."""
    if one.tag == _OCTETS:
        return one.contents
    return b"".join(part.contents for part in one.children) if one.tag == _OCTETS_IN_PARTS else b""
