# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd's configuration of the SASL library: which mechanisms it offers (Cyrus SASL's options, ``mech_list``)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MECHANISMS = re.compile(r"^mech_list:[ \t]*(.*)$", re.MULTILINE)


def mechanisms(text: str) -> set[str] | None:
    """The SASL mechanisms that a configuration allows; None where it allows all."""
    found = _MECHANISMS.findall(text)
    return set(found[-1].upper().split()) if found else None


def with_mechanisms(text: str, names: Sequence[str]) -> str:
    """A configuration with these mechanisms allowed."""
    line = f"mech_list: {' '.join(names)}"
    if _MECHANISMS.search(text):
        return _MECHANISMS.sub(line, text)
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
