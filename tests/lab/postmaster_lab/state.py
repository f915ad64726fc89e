# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory of a lab: who runs it, with which hosts, and how to remove what it left."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postmaster_lab import boot, kernel
from postmaster_lab.bases import remove_tree
from postmaster_lab.hosts import Host
from postmaster_lab.settings import LabError

# Marks a directory as a lab's.
MARK = "postmaster-lab"


@dataclass(frozen=True)
class Lab:
    """A lab as its state file tells."""

    directory: Path
    cgroup: str
    keeper: kernel.Process
    init: kernel.Process
    ready: bool
    began: float
    hosts: list[Host]

    def host(self, name: str) -> Host:
        """The host of that name."""
        for host in self.hosts:
            if host.name == name:
                return host
        names = ", ".join(host.name for host in self.hosts)
        raise LabError(f"the lab has no host '{name}', but: {names}")

    def name_server(self) -> int | None:
        """Process id of dnsmasq."""
        return next((pid for pid in kernel.children(self.init.pid) if "dnsmasq" in kernel.command_line(pid)), None)


def file_of(directory: Path) -> Path:
    """The state file."""
    return directory / "lab.json"


def check_ours(directory: Path) -> None:
    """Refuse a directory that somebody has put other things in: a lab's state directory is emptied and removed."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARK).exists():
        raise LabError(f"{directory} is not the state directory of a lab: set another LAB_STATE")


def lock(directory: Path) -> int | None:
    """Lock a state directory, creating it: the descriptor, or None when a lab's keeper or init has it.

    The lock is the lab's sign of life: it is free as soon as the last of the two is dead.
    """
    while True:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            if os.path.lexists(directory):
                raise LabError(f"cannot make the state directory: {error}") from error
            continue  # it was there still, and the last owner has removed it
        except OSError as error:
            raise LabError(f"cannot make the state directory: {error}") from error
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # the last owner removes it right now
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.stat(directory).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)


def write(
    directory: Path, cgroup: str, hosts: list[Host], keeper: kernel.Process, init: kernel.Process, ready: bool
) -> None:
    """Write the state file in one step."""
    content = {
        "cgroup": cgroup,
        "keeper": {"pid": keeper.pid, "started": keeper.started},
        "init": {"pid": init.pid, "started": init.started},
        "ready": ready,
        "began": time.time(),
        "hosts": [host.as_dict() for host in hosts],
    }
    new = directory / "lab.json.new"
    new.write_text(json.dumps(content, indent=2) + "\n")
    new.rename(file_of(directory))


def read(directory: Path) -> Lab | None:
    """What the state file says; None without one."""
    try:
        content: dict[str, Any] = json.loads(file_of(directory).read_text())
    except FileNotFoundError:
        return None
    return Lab(
        directory=directory,
        cgroup=content["cgroup"],
        keeper=kernel.Process(**content["keeper"]),
        init=kernel.Process(**content["init"]),
        ready=content["ready"],
        began=content["began"],
        hosts=[Host(**host) for host in content["hosts"]],
    )


def running(directory: Path) -> Lab:
    """The lab, which must be up and ready for use."""
    lab = read(directory)
    if lab is None or not lab.init.alive:
        raise LabError("no lab is up: start one with 'lab up NAME:RELEASE...'")
    if not lab.ready:
        raise LabError("the lab is still starting: wait for its 'lab up' to end")
    return lab


def is_ready(directory: Path) -> bool:
    """Whether a lab is up and ready for use."""
    lab = read(directory)
    return lab is not None and lab.ready


def end_ssh_masters(directory: Path) -> None:
    """End ssh's idle connections to the lab's hosts: their sockets would keep its network namespace alive."""
    for control_socket in _sockets(directory / "cp"):
        command = ["ssh", "-F", "none", "-o", f"ControlPath={control_socket}", "-O", "exit", "lab"]
        with suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=2)


def _sockets(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in directory.iterdir() if path.is_socket())


def remove(directory: Path, cgroup: str) -> None:
    """Remove all of a lab that the kernel does not; its processes are dead."""
    end_ssh_masters(directory)
    boot.remove_cgroup(cgroup)
    empty(directory)
    (directory / MARK).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        directory.rmdir()


def empty(directory: Path) -> None:
    """Remove everything but the mark, so that a removal that is broken off can be taken up again."""
    if directory.exists():
        for path in directory.iterdir():
            if path.name != MARK:
                remove_tree(path)
