# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Cyrus' master needs to start: programs that cyrus.conf names, and the directory of its databases.

Facts: cyrus.conf(5), and master(8) of 3.6 and 3.10, tried: it has no test of its own, and ends at a service or at a
command of the section START whose program is missing, and where configdirectory is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.cyrus_conf import (
    refuse_fatal,
    services,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.cyrus.paths import (
    BINARIES,
    CYRUS_CONF,
    IMAPD_CONF,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.start_requirements import (
    cannot_go_on,
    line_with,
)

_DAEMON = "Cyrus"
_DIRECTORY = "configdirectory"
_START = re.compile(r"\s*START\s*\{", re.IGNORECASE)
_COMMAND = re.compile(r"\bcmd=(?:\"\s*([^\"\s]+)|([^\s\"]+))")


def refuse_unmet(host: Host, text: str, options: Mapping[str, str]) -> None:
    """Raise Problem where Cyrus could not start.

    Args:
        host: the machine.
        text: cyrus.conf as it is to be.
        options: the options in force for one of its services.
    """
    refuse_fatal(services(text), host)
    for number, program in _at_start(text):
        path = os.path.join(BINARIES, program)
        state = host.state(path)
        if state is None or not state.mode & 0o100:
            raise cannot_go_on(
                _DAEMON,
                f"the program {path}, which is to run at the start, is not installed",
                "remove that line, or install the package that contains the program",
                f"{CYRUS_CONF}:{number}",
            )
    directory = options.get(_DIRECTORY, "")
    if directory and host.state(directory) is None:
        raise cannot_go_on(
            _DAEMON,
            f"{directory}, the {_DIRECTORY}, is not there",
            "put the directory back, from a backup if need be, or name the right one",
            line_with({IMAPD_CONF: host.read_text(IMAPD_CONF)}, _DIRECTORY) or IMAPD_CONF,
        )


def _at_start(text: str) -> Iterator[tuple[int, str]]:
    """Line and program of each command of the section START."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.partition("#")[0]
        inside = inside or bool(_START.match(bare))
        if inside:
            found = _COMMAND.search(bare)
            if found:
                yield number, found[1] or found[2]
            inside = "}" not in bare
