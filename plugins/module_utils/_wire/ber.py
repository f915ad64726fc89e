# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of the Basic Encoding Rules as LDAP uses (RFC 4511 section 5.1): definite lengths, tags of one byte."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

BOOLEAN, INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31
LONGEST_ELEMENT = 128 * 1024  # bytes; a server's description of itself has a few thousand
_CONSTRUCTED = 0x20
_LONG_LENGTH = 0x80


class BerError(Exception):
    """Bytes that are not valid BER; the text is a clause without a final full stop."""


@dataclass(frozen=True)
class Element:
    """One element: its tag, and what is in it.

    Attributes:
        tag: the identifier byte.
        content: the content bytes.
    """

    tag: int
    content: bytes

    @property
    def parts(self) -> list[Element]:
        """The elements of a constructed one. Raises BerError where it is primitive, or they do not fit."""
        if not self.tag & _CONSTRUCTED:
            raise BerError(f"an element with tag {self.tag:#04x} has no parts")
        stream = io.BytesIO(self.content)

        def take(count: int) -> bytes:
            data = stream.read(count)
            if len(data) < count:
                raise BerError("an element ends too early")
            return data

        found = []
        while stream.tell() < len(self.content):
            found.append(read_element(take))
        return found

    @property
    def number(self) -> int:
        """The content as an integer."""
        return int.from_bytes(self.content, "big", signed=True)

    @property
    def text(self) -> str:
        """The content as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")


def read_element(take: Callable[[int], bytes], expected: int = 0) -> Element:
    """The next element of a stream of bytes.

    Args:
        take: returns exactly the number of next bytes it is asked for.
        expected: the only tag allowed; 0 for any.

    Raises:
        BerError: the bytes are not an element, or it is too long.
    """
    (tag,) = take(1)
    if expected not in (0, tag):
        raise BerError(f"it sends {bytes((tag,))!r} instead of {bytes((expected,))!r}")
    (length,) = take(1)
    if length & _LONG_LENGTH:
        count = length & ~_LONG_LENGTH
        if not 1 <= count <= 4:
            raise BerError(f"an element's length has {count} bytes")
        length = int.from_bytes(take(count), "big")
    if length > LONGEST_ELEMENT:
        raise BerError(f"an element has {length} bytes")
    return Element(tag, take(length) if length else b"")


def element(tag: int, *contents: bytes) -> bytes:
    """An element with one content, or a constructed one with its parts."""
    content = b"".join(contents)
    if len(content) < _LONG_LENGTH:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_LENGTH | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A small non-negative number; also the value of an enumeration."""
    return element(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: str, tag: int = OCTET_STRING) -> bytes:
    """A string."""
    return element(tag, value.encode("utf-8"))
