# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of strings that options take: what a string of each may consist of, and how long it may be.

Every option for text has one of these in its argument spec, so that no value reaches a daemon's file, a path or a
message before it was looked at. What a value means is found out later, by the code that parses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._text import COMMAND, escaped

# In a secret, characters that are merely invisible are its own affair: they reach the other server as they are.
_ENDS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NO_BYTES = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # the other halves stand for bytes that are not UTF-8


@dataclass(frozen=True)
class Kind:
    """What a string may be.

    Attributes:
        noun: what it is, with its article.
        most: how long it may be.
        octets: whether that counts octets in UTF-8; otherwise characters.
        characters: the only characters it may have, as the inside of a class of a regular expression; empty for all.
        allowed: the same in words, for a message.
        block: whether it is the content of a file, which is only parsed, and so may have any characters.
        secret: whether it is never shown.
    """

    noun: str
    most: int
    octets: bool = False
    characters: str = ""
    allowed: str = ""
    block: bool = False
    secret: bool = False

    def check(self, text: str, *, subject: str = "", option: str = "") -> None:
        """Refuse a string that is not of this kind.

        Args:
            text: the string.
            subject: the object that it belongs to, for a message.
            option: the option that it comes from.

        Raises:
            Problem: it is none. The message does not show a secret.
        """
        found = self._fault(text)
        if found:
            raise Problem(f"{found[0]} in {self.noun}", found[1], subject=subject, option=option)

    def _fault(self, text: str) -> tuple[str, str] | None:
        strange = (_NO_BYTES if self.block else _ENDS_A_LINE if self.secret else COMMAND).search(text)
        if strange:
            shown = "a control character or a line break" if self.secret else _named(strange[0])
            return f"there is {shown}", "take it out; only characters that can be seen are allowed"
        if self.characters:
            other = re.search(f"[^{self.characters}]", text)
            if other:
                shown = "a character that is not allowed" if self.secret else repr(other[0])
                return f"there is {shown}", f"use {self.allowed}"
        size = len(text.encode("utf-8", "surrogatepass")) if self.octets else len(text)
        if size > self.most:
            unit = "octets" if self.octets else "characters"
            return f"there are {size} {unit}", f"give at most {self.most}"
        return None


def _named(character: str) -> str:
    if 0xD800 <= ord(character) <= 0xDFFF:  # also a byte that is not UTF-8
        return f"something that is not UTF-8 ({escaped(character)})"
    return (
        f"a line break ({escaped(character)})" if character in "\n\r" else f"a control character ({escaped(character)})"
    )


# Host names may be written with letters of all scripts; how long a label may be is said by the name's ASCII form.
HOST = Kind(
    "a host name or an address",
    254,
    characters=r"\w.:*\[\]\-\u3002\uff0e\uff61 ",
    allowed="letters, digits, hyphens and full stops",
)
# A server to connect to, whose address may name an interface.
SERVER = Kind(
    "a host name or an address",
    270,
    characters=HOST.characters + "%",
    allowed="letters, digits, hyphens and full stops",
)
NETWORK = Kind(
    "an address, a network or a host name",
    254,
    characters=r"\w.:/*\-\u3002\uff0e\uff61 ",
    allowed="an address such as 192.0.2.1, a network such as 192.0.2.0/24, or a host name",
)
SENDER = Kind("a domain or an address", 320)
REALM = Kind("a realm", 253)
LOGIN = Kind("a name to log in with", 320, octets=True)
PASSWORD = Kind("the password", 1000, octets=True, secret=True)
PASSPHRASE = Kind("the passphrase", 1000, octets=True, secret=True)
# The names that become part of a file's name have rules of their own where that is made.
LABEL = Kind("a name", 253)
MECHANISM = Kind("the name of a SASL mechanism", 40)
FINGERPRINT = Kind("a fingerprint", 200)
SUBJECT = Kind("a part of a certificate's subject", 255)
EMAIL = Kind("an address", 320)
# A file that this collection itself opens.
PATH = Kind("a path", 4096, octets=True)
# A path that is written into daemons' files. To each of them other characters mean something.
WRITTEN_PATH = Kind(
    "a path that is written into a daemon's configuration",
    4096,
    octets=True,
    characters="A-Za-z0-9/._+-",
    allowed="letters of ASCII, digits, and / . _ + - only",
)
_MEGABYTE = 1 << 20
CERTIFICATES = Kind("certificates", _MEGABYTE, octets=True, block=True)
SECRET_CERTIFICATES = Kind("the answer", _MEGABYTE, octets=True, block=True, secret=True)
