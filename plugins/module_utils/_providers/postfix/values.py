# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When two values of a Postfix parameter mean the same (postconf(5))."""

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.postfix.lines import (
    SPACE,
    split_words,
)

_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_KNOWN = {name.lower(): number for number, name in enumerate(_VERSIONS)}
_LOWEST = _VERSIONS.index("TLSv1")  # Postfix speaks nothing older, whatever it is told


def words(value: str) -> list[str]:
    """The words of a list; Postfix takes commas and white space alike, and keeps what is between braces together."""
    return [value[start:end] for start, end in split_words(value, "," + SPACE)]


def _versions(value: str) -> object:
    """TLS versions that a protocol list leaves switched on, whichever of its three notations is used.

    A list with a word in it that is not known means nothing but itself.
    """
    floor, ceiling = 0, len(_VERSIONS) - 1
    included: set[int] = set()
    excluded: set[int] = set()
    for word in words(value.replace(":", " ")):
        sign = word[: len(word) - len(word.lstrip("!<>="))]
        version = _KNOWN.get(word[len(sign) :].lower())
        if version is None or sign not in ("", "!", ">=", "<="):
            return words(value)
        if sign == ">=":
            floor = version
        elif sign == "<=":
            ceiling = version
        else:
            (excluded if sign else included).add(version)
    enabled = (included or set(_KNOWN.values())).intersection(range(floor, ceiling + 1))
    return frozenset(version for version in enabled - excluded if version >= _LOWEST)


def same(name: str, one: str, other: str) -> bool:
    """Whether two values of the parameter mean the same.

    Args:
        name: the parameter.
        one: a value.
        other: another value.
    """
    if name.endswith("_protocols"):
        return _versions(one) == _versions(other)
    return words(one) == words(other)
