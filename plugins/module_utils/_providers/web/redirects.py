# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redirects of the administrator's to https: which of them would lead a site with TLS back to itself."""

from __future__ import annotations

import re
from collections.abc import Collection

from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers

_PLACE = r"\$\{?(?:request_uri|uri|document_uri)\b|%\{REQUEST_URI\}"
_TARGET = re.compile(rf"https://((?:(?!{_PLACE})[^/?])*)(.*)", re.I | re.S)
_PORT = re.compile(r":(?:\d+|[$%]\{?\w+\}?)?$")


def is_itself(target: str, names: Collection[str]) -> bool:
    """Whether a URL of a redirect leads to https on the same site.

    Args:
        target: as it is written, with the web server's variables.
        names: the site's own names, wildcards among them.
    """
    match = _TARGET.match(target)
    if not match:
        return False
    host = _PORT.sub("", match.group(1)).lower()
    if re.search(r"[$%]", host) or host in names:
        return True
    return any(covers([one], host) for one in names if one.startswith("*."))


def path_of(target: str) -> str:
    """What stands behind the host in a URL of a redirect."""
    match = _TARGET.match(target)
    return match.group(2) if match else ""
