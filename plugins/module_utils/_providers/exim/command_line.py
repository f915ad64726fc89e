# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line with which the distribution starts Exim: options there override the configuration (exim4(8))."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.expressions import DEBIAN_MACROS
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.exim.paths import (
    CONFIG_DIRECTORY,
    DEFAULTS,
    FIRST_FILE,
    LOCALMACROS,
)

_OURS = "|".join(("MAIN_TLS_ENABLE", "MAIN_TLS_CERTKEY", *DEBIAN_MACROS.values()))


def refuse_listeners(host: Host) -> None:
    """Raise Problem where the command line, and not the configuration, says where Exim listens."""
    for number, line in enumerate(host.read_text(DEFAULTS).splitlines(), 1):
        if re.match(r"[^#]*-oX", line):
            raise Problem(
                "the option -oX there overrides where Exim's configuration has it listen",
                "remove -oX, set daemon_smtp_ports in Exim's configuration instead, then run again",
                option=f"{DEFAULTS}:{number}",
            )


def refuse_other_configuration(host: Host) -> None:
    """Raise Problem where the command line has Exim read another configuration than the distribution's."""
    for number, line in enumerate(host.read_text(DEFAULTS).splitlines(), 1):
        found = re.match(
            r"[^#]*?(?:(?<=[\s'\"=])-C\s*/?\S|UPEX4OPTS=.*?(?<=[\s'\"=])(?:-o|--output|-d|--confdir)\b)", line
        )
        if found:
            raise Problem(
                "the options there have Exim read another configuration than"
                f" {CONFIG_DIRECTORY} makes, in which nothing of this would be in force",
                f"move what it has to the files below {CONFIG_DIRECTORY} and take the option out, then run again",
                option=f"{DEFAULTS}:{number}",
            )


def refuse_macros(host: Host, *, split: bool) -> None:
    """Raise Problem where the command line defines macros of ours: the configuration cannot change these.

    Args:
        host: the machine.
        split: whether the split form of the configuration is in force.
    """
    place = FIRST_FILE if split else LOCALMACROS
    for number, line in enumerate(host.read_text(DEFAULTS).splitlines(), 1):
        found = re.match(rf"[^#]*-D\s*({_OURS})\b", line)
        if found:
            raise Problem(
                f"the option -D there defines {found[1]}, whatever Exim's configuration says",
                f"remove it there, and define the macro in {place}, then run again",
                option=f"{DEFAULTS}:{number}",
            )
