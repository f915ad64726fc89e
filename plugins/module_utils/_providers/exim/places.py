# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a driver of Exim's is written: its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    TEMPLATE,
)


def place_of(host: Host, name: str, directory: str, *, split: bool) -> str:
    """File and line of a router, transport or authenticator; the directory of all files where it is in none of these.

    Args:
        host: the machine.
        name: the driver's name.
        directory: that of its kind in the split form.
        split: whether that form is in force.
    """
    heading = re.compile(rf"[ \t]*{re.escape(name)}[ \t]*:(?!:)")
    for path in _files(host, directory) if split else (TEMPLATE,):
        for number, line in enumerate(host.read_text(path).split("\n"), start=1):
            if heading.match(line):
                return f"{path} line {number}"
    return f"a file that {CONFIG_DIRECTORY} includes"


def _files(host: Host, directory: str) -> Iterator[str]:
    for name in host.names_in(directory):
        yield f"{directory}/{name}"
