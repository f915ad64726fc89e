# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TCP ports as configuration files name them: by a number, or by the name of a service."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]{1,5}")
_NAME = re.compile(r"[A-Za-z0-9_+./-]{1,63}")
_LAST = 65535


def port_number(word: str, known: Mapping[str, int] | None = None) -> int | None:
    """The number of a port; None where the word means none to this host.

    Args:
        word: a number or a name.
        known: names whose ports are known whatever this host knows.
    """
    if _NUMBER.fullmatch(word):
        return int(word) if int(word) <= _LAST else None
    if known and word in known:
        return known[word]
    if not _NAME.fullmatch(word):
        return None
    try:
        return socket.getservbyname(word, "tcp")
    except OSError:
        return None
