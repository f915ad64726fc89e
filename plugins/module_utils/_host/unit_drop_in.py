# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drop-in of ours for a daemon's unit, which runs a few lines of shell each time before the daemon starts.

So what the next release of a daemon needs can wait on the host, and is put in place when that release starts for the
first time, whoever upgrades it and before any run of ours: systemd.service(5), ``ExecStartPre=``.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.platform import SHELL, SYSTEMD_UNITS

_NAME = "postmaster-secure-channel.conf"
_MENDS = "Run the playbook that sets this host up: ansible-playbook postmaster.secure_channel.site"


def path_of(unit: str) -> str:
    """Path of our drop-in for a unit."""
    return f"{SYSTEMD_UNITS}/{unit}.d/{_NAME}"


def before_start(unit: str, script: str, heading: str) -> FileChange:
    """The drop-in as it is to be.

    Args:
        unit: the daemon's unit.
        script: one line of shell without single quotes; empty where nothing waits, and the drop-in goes.
        heading: the comment that it begins with.

    Raises:
        ValueError: the line cannot stand in a unit.
    """
    if "'" in script or "\n" in script:
        raise ValueError(f"{unit}: neither quotes nor line ends can stand in the line")
    # systemd.service(5), command lines: these three are its own
    line = script.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    # '-': nothing of ours keeps the daemon from starting; '+': the unit may see /etc as read-only
    content = f"{heading}[Service]\nExecStartPre=-+{SHELL} -c '{line}'\n".encode() if script else None
    return FileChange(path_of(unit), content, "root", "root", 0o644, own_directory=True, loaded=False)


def warned_unless(condition: str, found: str) -> str:
    """A line of shell that puts a warning into the daemon's journal, with what mends it, unless a condition holds.

    For files of others that have settings of ours in them, and that an upgrade may replace by the package's own.

    Args:
        condition: a command.
        found: what is wrong where it fails, as it may stand in double quotes.
    """
    # the number is the level by which systemd files it, sd-daemon(3)
    return f'{condition} || echo "<4>{found}. {_MENDS}"'


def read_again(run: Callable[..., Completed], host: Host, unit: str) -> None:
    """Have systemd read our drop-in as it is now; one that has just gone does nothing any more, so it need not."""
    if host.state(path_of(unit)) is None:
        return
    if host.query(["systemctl", "show", "--property=NeedDaemonReload", "--value", unit]).out.strip() == "yes":
        run(["systemctl", "daemon-reload"])
