# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When two values of a Postfix parameter mean the same (postconf(5))."""

from __future__ import annotations

import re

_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_OLDER = ("SSLv2", "SSLv3")


def words(value: str) -> list[str]:
    """The words of a list; Postfix takes commas and white space alike."""
    return [word for word in re.split(r"[,\s]+", value) if word]


def _versions(value: str) -> frozenset[str]:
    """TLS versions that a protocol list leaves switched on, whichever of its three notations is used."""
    named = [word.replace("TLSv1.0", "TLSv1") for word in re.split(r"[,:\s]+", value) if word]
    known = [word for word in named if word.lstrip("!>=<") in _VERSIONS + _OLDER]
    floor, ceiling = 0, len(_VERSIONS) - 1
    included = [word for word in known if word in _VERSIONS]
    excluded = [word[1:] for word in known if word.startswith("!")]
    for word in known:
        version = word.lstrip("<>=")
        if version in _VERSIONS:
            if word.startswith(">="):
                floor = _VERSIONS.index(version)
            elif word.startswith("<="):
                ceiling = _VERSIONS.index(version)
    enabled = set(included or _VERSIONS[floor : ceiling + 1])
    return frozenset(enabled.difference(excluded))


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
