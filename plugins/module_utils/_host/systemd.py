# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: whether one is active, and restarting it."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host

# of what a daemon wrote before it ended: lines, and characters
_LINES, _LONGEST = 4, 500


def is_active(host: Host, unit: str) -> bool:
    """Whether a unit is active."""
    return host.query(["systemctl", "is-active", "--quiet", unit]).code == 0


def is_wanted(host: Host, unit: str) -> bool:
    """Whether the administrator wants a unit to run: it failed, or is started with the system."""
    if host.query(["systemctl", "is-failed", "--quiet", unit]).code == 0:
        return True
    return host.query(["systemctl", "is-enabled", "--quiet", unit]).code == 0


def bring_up(
    run: Callable[..., Completed],
    unit: str,
    daemon: str,
    alive: Callable[[], bool],
    *,
    why: Callable[[], str] = lambda: "it exited at once",
    logs: str = "",
) -> None:
    """Restart a daemon, also where it has hit systemd's start limit.

    Args:
        run: runs a command on the host.
        unit: its unit.
        daemon: what it is called in a message.
        alive: whether it has started; called once, so it may wait.
        why: why it has not, where systemctl reports no reason.
        logs: another log to look at, besides the journal.

    Raises:
        Problem: it does not start.
    """
    run(["systemctl", "reset-failed", unit])
    done = run(["systemctl", "restart", unit])
    if done.code != 0 or not alive():
        said = _last_words(run, unit) or done.complaint or why()
        raise Problem(
            f"{daemon} does not start ({said})",
            f"look at 'journalctl -u {unit}'{f' and {logs}' if logs else ''} on the host",
            subject=daemon,
        )


def _last_words(run: Callable[..., Completed], unit: str) -> str:
    """What a daemon itself wrote when it was started last; empty where it wrote nothing, or that is not known."""
    started = run(["systemctl", "show", "--property=InvocationID", "--value", unit]).out.strip()
    if not started:
        return ""
    wrote = run(["journalctl", "--quiet", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={started}"])
    lines = [line.strip() for line in wrote.out.splitlines() if line.strip()]
    return " / ".join(lines[-_LINES:])[-_LONGEST:] if wrote.code == 0 else ""
