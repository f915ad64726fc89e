# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much work a file asks for before its passphrase can be tried.

A file itself names the iterations of its key derivation. Billions of them would keep this host's processor busy for
hours, whatever the passphrase, so they are counted before anything is derived. A key inside another encrypted part
cannot be looked at beforehand; whoever makes such a file must have made its passphrase too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

MOST_ITERATIONS = 10_000_000  # in all of a file, some five seconds; programs use 2048 to 600,000 for each part

_INTEGER, _OCTETS, _OID, _SEQUENCE, _OCTETS_IN_PARTS = 0x02, 0x04, 0x06, 0x30, 0x24
_CONSTRUCTED = 0x20
_DEEPEST = 32  # a PKCS#12 file has some fifteen levels
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
        Problem: it asks for too many iterations.
    """
    with contextlib.suppress(ValueError, IndexError, RecursionError):  # damaged: whoever opens it says so better
        total = sum(_iterations(_elements(der)))
        if total > MOST_ITERATIONS:
            raise Problem(
                f"it asks for {total} iterations of key derivation, which would tie up this host",
                f"make the file again with fewer iterations, at most {MOST_ITERATIONS} in all of it",
            )


def _elements(data: bytes, depth: int = 0) -> tuple[_Element, ...]:
    """The elements that follow one another in some bytes."""
    found, at = [], 0
    while at < len(data):
        element, at = _element(data, at, depth)
        found.append(element)
    return tuple(found)


def _element(data: bytes, at: int, depth: int) -> tuple[_Element, int]:
    """The element at a position, and where the next one begins."""
    tag, length, start = data[at], data[at + 1], at + 2
    if depth > _DEEPEST or tag & 0x1F == 0x1F:
        raise ValueError("too deep, or a tag that no such file has")
    if length == 0x80:  # no length: an end of contents follows (section 8.1.3.6)
        children, at = [], start
        while data[at : at + 2] != b"\0\0":
            child, at = _element(data, at, depth + 1)
            children.append(child)
        return _Element(tag, data[start:at], tuple(children)), at + 2
    if length & 0x80:
        octets = length & 0x7F
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    end = start + length
    if end > len(data):
        raise ValueError("cut off")
    contents = data[start:end]
    return _Element(tag, contents, _elements(contents, depth + 1) if tag & _CONSTRUCTED else ()), end


def _iterations(elements: tuple[_Element, ...], depth: int = 0) -> Iterator[int]:
    """The iterations that each key derivation in some elements asks for."""
    if depth > _DEEPEST:
        return
    for one in elements:
        parts = one.children
        if one.tag == _SEQUENCE and len(parts) >= 2:
            yield from _named(parts)
            yield from _mac(parts)
        yield from _iterations(parts, depth + 1)
        text = _joined(one)
        if text[:1] == bytes([_SEQUENCE]):
            with contextlib.suppress(ValueError, IndexError):  # octets that only look like an element
                yield from _iterations(_elements(text), depth + 1)


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
    if [one.tag for one in parts] == [_SEQUENCE, _OCTETS, _INTEGER]:
        yield abs(int.from_bytes(parts[2].contents, "big", signed=True))


def _joined(one: _Element) -> bytes:
    """The octets of an octet string, which may come in parts; empty for any other element."""
    if one.tag == _OCTETS:
        return one.contents
    return b"".join(part.contents for part in one.children) if one.tag == _OCTETS_IN_PARTS else b""
