# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab for the tests: hosts by name, and commands on them and on the control side."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from ansible_collections.postmaster.secure_channel.tests.support.system.places import LAB, PROGRAMS

# nsenter does what "lab sh" and "lab exec" do, in a twentieth of the time.
INTO_HOST = ("nsenter", "--cgroup", "--ipc", "--uts", "--net", "--pid", "--mount", "--target")
INTO_CONTROL = ("nsenter", "--net", "--pid", "--mount", "--target")
HOST_ENVIRONMENT = (
    "HOME=/root",
    "LANG=C.UTF-8",
    "LOGNAME=root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL=/bin/bash",
    "USER=root",
)
BOOT_ID = "/proc/sys/kernel/random/boot_id"
PATIENCE = 180.0  # seconds that anything may take on a busy machine

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Host:
    """One host of the lab."""

    name: str
    release: str
    fqdn: str
    address: str


@dataclass(frozen=True)
class Answer:
    """The outcome of a command."""

    code: int
    out: str
    err: str


class Lab:
    """A lab of our own.

    Args:
        state: its directory.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.environment = {**os.environ, "LAB_STATE": str(state)}
        self.hosts: dict[str, Host] = {}
        self._pids: dict[str, str] = {}

    # ---- life

    def up(self, *hosts: str) -> None:
        """Boot hosts given as NAME:RELEASE."""
        self._lab("up", *hosts)
        inventory = json.loads((self.state / "inventory" / "hosts.json").read_text())
        self.hosts = {
            name: Host(name, about["lab_release"], about["lab_fqdn"], about["ansible_host"])
            for name, about in inventory["lab"]["hosts"].items()
        }
        self.find_again()

    def find_again(self, *hosts: Host) -> bool:
        """Find the hosts' processes, which are others after a reboot; whether these hosts have some."""
        self._pids = dict(line.split() for line in self._lab("pids").splitlines())
        return all(host.name in self._pids for host in hosts)

    def down(self) -> None:
        """Remove the lab and everything in it."""
        self._lab("down")

    def record(self, *records: str) -> None:
        """Add records to the name server, in the words of dnsmasq."""
        self._lab("record", *records)

    @property
    def inventory(self) -> Path:
        """The inventory directory."""
        return self.state / "inventory"

    def _lab(self, *arguments: str) -> str:
        return subprocess.run(
            [LAB, *arguments],
            env=self.environment,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def reboot(self, *hosts: Host) -> None:
        """Cut hosts off from one moment to the next, and wait until they have booted again."""
        before = {host: self.ask(host, "cat", BOOT_ID) for host in hosts}
        for host in hosts:
            self.run_in(host, "systemctl", "reboot", "--force", "--force")
        wait_until(lambda: all(self._has_rebooted(*one) for one in before.items()), "they have booted again")

    def _has_rebooted(self, host: Host, before: str) -> bool:
        self._pids = dict(line.split() for line in self._lab("pids").splitlines())
        if host.name not in self._pids:
            return False
        booted = self.run_in(host, "sh", "-c", f"cat {BOOT_ID}; systemctl is-system-running --wait")
        return booted.out.split()[:1] != before.split() and booted.out.split()[1:] in (["running"], ["degraded"])

    def upgrade(self, host: Host, release: str, *, keep: bool) -> None:
        """Upgrade a host to the next release, with one answer to all questions about changed files."""
        self._lab("upgrade", f"{host.name}:{release}", "--keep" if keep else "--new")
        self.hosts[host.name] = replace(host, release=release)
        self.find_again()

    # ---- commands

    def run_in(self, host: Host, *argv: str, given: str = "") -> Answer:
        """Run a command in a host as root, without ssh; any exit code will do."""
        return self._run(self._in(host, argv), given)

    def ask(self, host: Host, *argv: str, given: str = "") -> str:
        """What a command that must succeed prints in a host."""
        done = self.run_in(host, *argv, given=given)
        assert done.code == 0, f"{host.name}: {argv}: {done.err}{done.out}"
        return done.out

    def shell(self, host: Host, script: str) -> str:
        """What a shell script that must succeed prints in a host."""
        return self.ask(host, "sh", "-euc", script)

    def run_beside(self, *argv: str, given: str = "") -> Answer:
        """Run a command on the control side: in the lab's network, at an address of no host."""
        return self._run(self._beside(argv), given)

    def run_many_beside(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Answer]:
        """Run labelled commands on the control side, side by side."""
        done = self.run_beside("python3", str(PROGRAMS / "parallel.py"), given=json.dumps(commands))
        assert done.code == 0, done.err
        return {label: Answer(*answer) for label, answer in json.loads(done.out).items()}

    def start_in(self, host: Host, *argv: str) -> subprocess.Popen[str]:
        """Start a command in a host without waiting for it."""
        return self._start(self._in(host, argv))

    def start_beside(self, *argv: str) -> subprocess.Popen[str]:
        """Start a command on the control side without waiting for it."""
        return self._start(self._beside(argv))

    def _start(self, argv: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _beside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs another command on the control side."""
        return [*INTO_CONTROL, self._pids["control"], "env", f"--chdir={Path.cwd()}", *argv]

    def _in(self, host: Host, argv: Sequence[str]) -> list[str]:
        """The command that runs another command in a host."""
        surroundings = ["env", "--ignore-environment", "--chdir=/root", *HOST_ENVIRONMENT]
        return [*INTO_HOST, self._pids[host.name], *surroundings, *argv]

    def _run(self, argv: list[str], given: str) -> Answer:
        done = subprocess.run(
            argv, env=self.environment, input=given, capture_output=True, text=True, errors="replace", check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    # ---- files

    def read(self, host: Host, path: str) -> str:
        """Content of a host's file."""
        return self.ask(host, "cat", path)

    def write(self, host: Host, path: str, content: str, mode: str = "0644") -> None:
        """Write a file on a host, which has its mode from the first moment."""
        script = 'rm -f "$1" && umask 077 && cat >"$1" && chmod "$2" "$1"'
        self.ask(host, "sh", "-euc", script, "sh", path, mode, given=content)


def wait_until(look: Callable[[], Seen], what: str, patience: float = PATIENCE) -> Seen:
    """Poll until there is a result, and return it."""
    end = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end, f"not within {patience:.0f} s: {what}"
        time.sleep(0.1)
