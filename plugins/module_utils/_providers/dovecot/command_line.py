# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which configuration systemd starts Dovecot with: systemd.unit(5), and the option -c of dovecot(1)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.dovecot.paths import (
    MAIN,
    UNIT,
    UNIT_DIRECTORIES,
)

_START = re.compile(r"\s*ExecStart\s*=\s*(.*)")
_OTHER = re.compile(r"(?:^|\s)-c[\s=]*[\"']?([^\s\"']+)")


def refuse_other_main(host: Host) -> None:
    """Raise Problem where Dovecot is started with another file than the one that its tools look at."""
    found = ("", "")
    for path in _files(host):
        for number, line in enumerate(host.read_text(path).splitlines(), 1):
            start = _START.match(line)
            if start:
                other = _OTHER.search(start[1])
                found = (f"{path}:{number}", other[1] if other else "")
    place, other_main = found
    if other_main and os.path.normpath(other_main) != MAIN:
        raise Problem(
            f"{place} starts Dovecot with the configuration {other_main}, and its own tools look at {MAIN}",
            f"move that configuration to {MAIN}, with the files that it includes by relative names, and take '-c"
            f" {other_main}' out of that line; then 'systemctl daemon-reload' and 'systemctl restart {UNIT}'",
            option=place,
        )


def _files(host: Host) -> Iterator[str]:
    """The files that make up the unit, in the order in which they count."""
    whole = [one for one in (os.path.join(each, UNIT) for each in UNIT_DIRECTORIES) if host.read(one) is not None]
    yield from whole[-1:]
    parts = {}
    for directory in UNIT_DIRECTORIES:
        for name in host.names_in(os.path.join(directory, f"{UNIT}.d")):
            parts[name] = os.path.join(directory, f"{UNIT}.d", name)
    yield from (parts[name] for name in sorted(parts) if name.endswith(".conf"))
