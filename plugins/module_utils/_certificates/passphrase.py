# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passphrases of stored keys: whether one can protect a key, and what is wrong where it does not open one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.pem import is_protected
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import title
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem

LONGEST_PASSPHRASE = 1000  # bytes; openssl-passphrase-options(1) reads one line, and not more than 1023 of it

_OPTION = "key_passphrase"


def missing(path: str) -> Problem:
    """A protected key for which no passphrase was given."""
    return Problem(
        f"the key in {path} is protected with a passphrase, and none was given",
        f"give the one it was encrypted with as {_OPTION}; the key stays as it is",
        option=_OPTION,
    )


def wrong(path: str) -> Problem:
    """A protected key that the given passphrase does not open."""
    return Problem(
        f"the passphrase does not open the key in {path}",
        "give the one it was encrypted with; the key stays as it is",
        option=_OPTION,
    )


def needless(path: str) -> Problem:
    """An open key for which a passphrase was given."""
    return Problem(
        f"a passphrase was given, but the key in {path} is not protected with one",
        f"omit {_OPTION}",
        option=_OPTION,
    )


def refuse_needless(bundle: bytes, path: str, passphrase: str | None) -> None:
    """Raise Problem where a passphrase was given for a key that has none."""
    if passphrase is not None and not is_protected(bundle):
        raise needless(path)


def check_passphrase(passphrase: str | None) -> None:
    """Refuse a passphrase that cannot protect a key.

    Raises:
        Problem: it cannot.
    """
    if passphrase is None:
        return
    if not passphrase:
        raise Problem("the passphrase is empty", "give a long one, or omit it", option=_OPTION)
    if any(char in passphrase for char in "\n\r\0") or len(encoded(passphrase)) > LONGEST_PASSPHRASE:
        raise Problem(
            "the passphrase is too long, or more than one line",
            f"give one line of at most {LONGEST_PASSPHRASE} bytes",
            option=_OPTION,
        )


def passphrases_of(elements: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The passphrases of the keys of certificates, from the objects of a module that names certificates.

    Raises:
        Problem: one of them is unsuitable, or one certificate has different ones.
    """
    found: dict[str, str] = {}
    for element in elements:
        passphrase = element[_OPTION]
        shown = [element, *(element["sni"] or ())]
        names = [one[option] for one in shown for option in ("certificate", "alternative_certificate")]
        for name in filter(None, names if passphrase is not None else ()):
            try:
                check_passphrase(passphrase)
            except Problem as exc:
                raise exc.about(subject=title(name)) from exc
            if found.setdefault(name, passphrase) != passphrase:
                raise Problem(
                    "different passphrases are given for its key", "give one", subject=title(name), option=_OPTION
                )
    return found


def encoded(passphrase: str) -> bytes:
    """A passphrase as the bytes that were given."""
    return passphrase.encode("utf-8", "surrogateescape")
