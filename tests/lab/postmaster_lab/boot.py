# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot a Debian tree with systemd-nspawn, from a job's init."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from postmaster_lab import keeper, kernel

# systemd-nspawn ends with this code when the machine was told to reboot.
REBOOT = 133

# Sent to a machine's notification socket to have it booted again after it was stopped.
BOOT_AGAIN = b"X_LAB_BOOT=1"

CGROUPS = Path("/sys/fs/cgroup")
NSPAWN_STATE = Path("/run/systemd/nspawn")
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_WANTED = 1024


@dataclass(frozen=True)
class Boot:
    """What is booted, and where its traces go."""

    name: str
    root: Path
    cgroup: Path
    console: Path
    notify: Path
    options: Sequence[str]

    def command(self) -> list[str]:
        """The systemd-nspawn command."""
        return [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--settings=no",
            "--notify-ready=yes",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            f"--directory={self.root}",
            f"--machine={self.name}",
            f"--hostname={self.name}",
            *self.options,
        ]

    def enter_cgroup(self) -> None:
        """With --keep-unit a machine boots below the cgroup it is started in: each one needs its own."""
        (self.cgroup / "cgroup.procs").write_text("0")

    def last_words(self) -> str:
        """The end of the console's output."""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-10:])


def set_up(cgroup: str) -> Path:
    """Prepare the init's namespaces for systemd-nspawn; returns the cgroup made for its machines."""
    _raise_inotify_limit()
    # Two labs may have machines of the same name, which systemd-nspawn locks here.
    NSPAWN_STATE.mkdir(parents=True, exist_ok=True)
    keeper.run("mount", "-t", "tmpfs", "tmpfs", NSPAWN_STATE)
    # systemd 256 and later refuse any cgroup hierarchy but the unified one; some machines still have both.
    if not (CGROUPS / "cgroup.controllers").exists():
        keeper.run("umount", "--recursive", CGROUPS)
        keeper.run("mount", "-t", "cgroup2", "cgroup2", CGROUPS)
    path = CGROUPS / cgroup
    path.mkdir()
    return path


def start(
    init: keeper.Init, boot: Boot, up: Callable[[], None], ended: Callable[[int], None] = lambda _exit_code: None
) -> None:
    """Boot a machine, again whenever it reboots or is asked for; call back when it is first up, and when it ends."""
    # systemd-nspawn passes the message on that the machine's systemd sends at the end of its boot.
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(boot.notify))
    waiting = True

    def notified() -> None:
        nonlocal waiting
        words = notify.recv(4096).split(b"\n")
        if b"READY=1" in words and waiting:
            waiting = False
            up()
        if BOOT_AGAIN in words:
            launch()

    def launch() -> None:
        boot.cgroup.mkdir(exist_ok=True)
        console = os.open(boot.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(boot.notify),
            "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # what /tmp is, the machine itself decides
        }
        init.spawn(boot.command(), exited, console, boot.enter_cgroup, environment)
        os.close(console)

    def exited(exit_code: int) -> None:
        if exit_code == REBOOT:
            launch()
        elif waiting:
            init.link.tell(error=f"{boot.name} did not boot (code {exit_code}):\n{boot.last_words()}")
            init.finish(1)
        else:
            ended(exit_code)

    init.watch(notify, notified)
    launch()


def remove_cgroup(path: str) -> None:
    """Remove a job's cgroups, whose last processes may still be on their way out."""
    mount = kernel.cgroup2_mount()
    if mount is None or not path:
        return
    top = mount / path
    end = time.monotonic() + 5
    while top.exists() and time.monotonic() < end:
        for directory, _subdirectories, _files in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(directory)
        if top.exists():
            time.sleep(0.05)


def machine_init(init: int, name: str) -> int | None:
    """Process id of a booted machine's systemd, found from the process id of the job's init."""
    nspawn = container(init, name)
    return next((pid for pid in kernel.children(nspawn) if kernel.is_init(pid)), None) if nspawn else None


def container(init: int, name: str) -> int | None:
    """Process id of the systemd-nspawn that runs a machine."""
    return next((pid for pid in kernel.children(init) if f"--machine={name}" in kernel.command_line(pid)), None)


def _raise_inotify_limit() -> None:
    """All machines share the default of 128 instances, of which each needs ten: beyond it systemd hangs in mid-boot."""
    with suppress(OSError):  # read-only in a container
        if int(INOTIFY_LIMIT.read_text()) < INOTIFY_WANTED:
            INOTIFY_LIMIT.write_text(str(INOTIFY_WANTED))
