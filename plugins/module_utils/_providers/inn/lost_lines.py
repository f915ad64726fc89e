# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A warning where inn.conf has been replaced, and our lines for TLS with it.

An upgrade may put the package's own inn.conf in its place. Nobody is let in then whom readers.conf has use TLS, so
nothing opens; but nothing says why either. So INN's unit looks for our lines each time it starts.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.unit_drop_in import (
    before_start,
    path_of,
    warned_unless,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.inn_conf import CERTIFICATE_KEYS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.inn.paths import INN_CONF, UNIT
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.text_blocks import heading

_THERE = f'grep -q "^[[:blank:]]*{CERTIFICATE_KEYS[0]}[[:blank:]]*:.*{{certificate}}" {INN_CONF}'


def watch(host: Host, certificate: str) -> Iterator[FileChange]:
    """The unit's drop-in as it must be.

    Args:
        host: the machine.
        certificate: the file that inn.conf names; empty where the settings are not ours.
    """
    line = ""
    if certificate:
        found = f"{INN_CONF} does not name {certificate} any more, so that there is no TLS"
        line = warned_unless(_THERE.format(certificate=certificate), found)
    if line or host.state(path_of(UNIT)) is not None:
        yield before_start(UNIT, line, heading())
