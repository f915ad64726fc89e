# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command in a running lab: on its control side, or in one of its hosts."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from postmaster_lab import kernel, settings

FORWARDED = (signal.SIGTERM, signal.SIGHUP)
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)

HOST_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "USER": "root",
}

CONTROL_NAMESPACES = ("net", "pid", "mnt")
HOST_NAMESPACES = ("cgroup", "ipc", "uts", "net", "pid", "mnt")


def on_control_side(init: int, command: Sequence[str]) -> int:
    """Run a command where the lab's init is, in this process's directory; returns its exit code."""
    return _run(init, CONTROL_NAMESPACES, command, dict(os.environ), os.getcwd())


def in_host(host_init: int, command: Sequence[str]) -> int:
    """Run a command in a host as its root; returns its exit code."""
    environment = dict(HOST_ENVIRONMENT)
    if "TERM" in os.environ:
        environment["TERM"] = os.environ["TERM"]
    return _run(host_init, HOST_NAMESPACES, command, environment, "/root")


def answers(init: int) -> bool:
    """Whether the lab's name server answers (to any question)."""
    question = b"\0\0\1\0\0\1\0\0\0\0\0\0\7control\0\0\1\0\1"
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    lab = os.open(f"/proc/{init}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    kernel.setns(lab, kernel.CLONE_NEWNET)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
            query.settimeout(0.2)
            query.connect((settings.CONTROL_4, 53))
            query.send(question)
            return bool(query.recv(512))
    except OSError:
        return False
    finally:
        kernel.setns(own, kernel.CLONE_NEWNET)
        os.close(own)
        os.close(lab)


def _run(pid: int, namespaces: Sequence[str], command: Sequence[str], environment: dict[str, str], place: str) -> int:
    # All are opened before any is entered: afterwards /proc is another one.
    descriptors = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in namespaces}
    kernel.setns(descriptors.pop("pid"), kernel.CLONE_NEWPID)  # takes effect for the child only
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(descriptors, command, environment, place)
    for number in FORWARDED:
        signal.signal(number, _forwarder(child))
    for number in FROM_TERMINAL:  # the terminal sends these to the child as well
        signal.signal(number, signal.SIG_IGN)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return exit_code if exit_code >= 0 else 128 - exit_code


def _forwarder(child: int) -> Callable[[int, object], None]:
    return lambda number, _frame: os.kill(child, number)


def _become(descriptors: dict[str, int], command: Sequence[str], environment: dict[str, str], place: str) -> NoReturn:
    try:
        kernel.die_with_parent()
        for descriptor in descriptors.values():
            kernel.setns(descriptor)
        os.chdir(place)
        os.execvpe(command[0], list(command), environment)
    except FileNotFoundError:
        print(f"lab: command not found: {command[0]}", file=sys.stderr, flush=True)
    except OSError as error:
        print(f"lab: {command[0]}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)
