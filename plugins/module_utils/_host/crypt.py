# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Salted hashes of passwords, by the system's crypt(3); Python has no module for it since 3.13.

To check a password, its hash is computed with the old salt; a new hash always has a new salt.
"""

from __future__ import annotations

import ctypes
import hmac
import secrets
import string
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import (
    FAMILY,
    LIBCRYPT,
    how_to_install,
)

LONGEST = 511  # bytes of a password (crypt(3), CRYPT_MAX_PASSPHRASE_SIZE)
_SHA512 = "$6$"  # crypt(5)
_SALT = string.ascii_letters + string.digits + "./"
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")


def _function() -> Any:
    for name in _LIBRARIES:
        try:
            found = ctypes.CDLL(name).crypt
        except OSError:
            continue
        found.restype = ctypes.c_char_p
        found.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
        return found
    raise Problem("the library libcrypt is not installed", f"install it ({how_to_install(LIBCRYPT)})")


def _crypt(password: str, setting: str) -> str:
    hashed = _function()(password.encode("utf-8", "surrogateescape"), setting.encode())
    return (hashed or b"*0").decode()


def hash_of(password: str) -> str:
    """A new salted hash (SHA-512, 5000 rounds).

    Args:
        password: without NUL, at most LONGEST bytes.
    """
    hashed = _crypt(password, _SHA512 + "".join(secrets.choice(_SALT) for _place in range(16)))
    if not hashed.startswith(_SHA512):
        raise Problem("the library libcrypt cannot hash with SHA-512", f"use {FAMILY}'s own libcrypt")
    return hashed


def matches(password: str, hashed: str) -> bool:
    """Whether a hash, of whatever kind the library knows, is one of this password."""
    found = _crypt(password, hashed)
    return not found.startswith("*") and hmac.compare_digest(found, hashed)
