# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our two tables for Exim (``lsearch``): what holds for a domain, and the accounts."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._model import EVERYTHING, SaslAccount
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import GROUP
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.line_values import lines_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

Fields = dict[str, str]  # what holds for an entry, by word
Table = dict[str, Fields]  # by domain


def parse(text: str, path: str, needed: str) -> Table:
    """The entries of a table. A key for all subdomains is a word of its domain's entry.

    Args:
        text: its content.
        path: where it lies, for messages.
        needed: the word that every entry has.

    Raises:
        Problem: an entry lacks that word, or names a host without its port.
    """
    found: Table = {}
    for number, line in enumerate(text.split("\n"), 1):
        key, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            pairs = (word.partition("=") for word in value.split())
            fields = {name: text for name, _equals, text in pairs}
            if needed not in fields or ("host" in fields and "port" not in fields):
                raise Problem(
                    f"{path} line {number}: this entry is not one that was written here",
                    "remove that line, then run again with all entries",
                    option=f"{path}:{number}",
                )
            found.setdefault(fields.pop("entry", key), fields)
    return found


def render(table: Mapping[str, Fields]) -> str:
    """The text of a table; the shorter domains come last among those that fit, by the way Exim looks."""
    lines = []
    for domain, fields in sorted(table.items()):
        value = " ".join(f"{name}={text}" for name, text in {"entry": domain, **fields}.items())
        lines.append(f"{domain}: {value}")
        if fields.get("subdomains") and domain != EVERYTHING:
            lines.append(f"*.{domain}: {value}")
    return heading() + lines_of(lines, "a table of domains")


def account_fields(account: SaslAccount) -> Fields:
    """An account as the table has it: in base64, so that every sign can be in it."""
    both = {"user": account.username, "password": account.password}
    return {name: base64.b64encode(text.encode("utf-8", "surrogateescape")).decode() for name, text in both.items()}


def change(path: str, table: Mapping[str, Fields], *, secret: bool = False) -> FileChange:
    """The table as a file that only Exim can read, from its birth; a table without entries is removed.

    Exim looks into it for each message.
    """
    return FileChange(
        path,
        render(table).encode() if table else None,
        "root",
        GROUP,
        0o640,
        secret=secret,
        summary="rows for " + ", ".join(sorted(table)) + " (content not shown)",
        loaded=False,
    )
