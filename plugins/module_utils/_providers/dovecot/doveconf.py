# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot's settings as doveconf(1) prints them, and as its configuration files take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = dict[str, Any]


def parse(printed: str) -> Settings:
    """What doveconf printed, as nested dictionaries: a block is a dictionary under its name, a setting a string.

    Args:
        printed: lines such as ``ssl = required``, and blocks such as ``service auth {`` ... ``}``.

    Returns:
        Settings by name; a block's name is the whole text before the brace, such as ``service imap-login``.
    """
    root: Settings = {}
    stack = [root]
    for raw in printed.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line == "}":
            stack.pop()
        elif line.endswith("{"):
            block: Settings = stack[-1].setdefault(line[:-1].strip(), {})
            stack.append(block)
        else:
            name, equals, value = line.partition("=")
            if equals:
                stack[-1][name.strip()] = value.strip()
    return root


def render(settings: Mapping[str, Any], indent: str = "") -> str:
    """Settings as text for a configuration file, the reverse of parse()."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            lines.append(f"{indent}{name} {{\n{render(value, indent + '  ')}{indent}}}\n")
        else:
            lines.append(f"{indent}{name} = {value}".rstrip() + "\n")
    return "".join(lines)
