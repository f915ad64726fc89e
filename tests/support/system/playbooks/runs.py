# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of Ansible's programs: what they print, and every result as data."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.places import CALLBACKS

COLLECTION = "postmaster.secure_channel"
_LONGEST = 3000  # characters of one failure in a report
_PATIENCE = 120  # seconds for a server on a busy machine
# of all runs of this process, since all have one collection
_PAYLOADS = tempfile.TemporaryDirectory(prefix="payloads-")


@dataclass(frozen=True)
class Result:
    """What one task did on one host."""

    host: str
    task: str
    action: str
    status: str
    ignored: bool
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        """Whether something was changed, or would be."""
        return bool(self.result.get("changed"))

    @property
    def ours(self) -> bool:
        """Whether a module of this collection did it."""
        return self.action.startswith(COLLECTION)


@dataclass(frozen=True)
class Run:
    """One run of a program.

    Attributes:
        code: its exit code.
        out: all that it printed.
        results: every result, in order.
    """

    code: int
    out: str
    results: Sequence[Result] = field(default_factory=tuple)

    def of(self, host: str) -> list[Result]:
        """The results of one host."""
        return [one for one in self.results if one.host == host]

    def one(self, host: str, task: str = "") -> Result:
        """The only result of a host, or of a task there."""
        (found,) = [one for one in self.of(host) if not task or one.task == task]
        return found

    def changed(self, host: str) -> list[str]:
        """Names of the tasks that changed a host, in order."""
        return [one.task for one in self.of(host) if one.changed]

    def assert_success(self) -> Run:
        """The run itself, which must have succeeded."""
        assert self.code == 0, f"{self.out}\n{self.failures()}"
        return self

    def failures(self) -> str:
        """What failed, as a line for each item or host, shortened."""
        lines = []
        for one in self.results:
            for part in one.result.get("results", [one.result]) if one.status in ("failed", "unreachable") else []:
                if part.get("failed", True):
                    rest = {key: value for key, value in part.items() if key not in ("invocation", "item")}
                    lines.append(f"{one.host}: {one.task}: {json.dumps(rest, default=str)[:_LONGEST]}")
        return "\n".join(lines)


class Ansible:
    """Ansible's programs with their own settings only. Several may run at the same time.

    Args:
        inventory: the inventory.
        directory: an empty directory to work in.
    """

    def __init__(self, inventory: Path, directory: Path) -> None:
        self.inventory = inventory
        self.directory = directory
        self._numbers = count(1)

    def environment(self, results: Path) -> dict[str, str]:
        """The environment of a run."""
        return {
            **os.environ,
            "ANSIBLE_INVENTORY": str(self.inventory),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "system_test_results",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_NOCOWS": "true",
            # Ansible's own, but for -C: on one machine it only takes time to compress a megabyte for each task
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_USETTY": "false",  # a session with a terminal is a login, which Debian 13 writes down
            "SYSTEM_TEST_PAYLOADS": _PAYLOADS.name,
            "SYSTEM_TEST_RESULTS": str(results),
        }

    def run(self, argv: Sequence[str], directory: Path | None = None) -> Run:
        """Run a program; any exit code will do."""
        results = self.directory / f"results-{next(self._numbers)}.jsonl"
        done = subprocess.run(
            argv,
            cwd=directory or self.directory,
            env=self.environment(results),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        lines = results.read_text().splitlines() if results.exists() else []
        return Run(done.returncode, done.stdout, tuple(Result(**json.loads(line)) for line in lines))

    def playbook(self, playbook: str, *options: str, **variables: Any) -> Run:
        """Run a playbook of the collection or a file, with extra variables."""
        extra = ["--extra-vars", json.dumps({"verify_timeout": _PATIENCE, **variables})]
        return self.run(["ansible-playbook", *options, *extra, playbook])

    def play(
        self, hosts: str, tasks: Sequence[Mapping[str, Any]], *options: str, strategy: str = "linear", **variables: Any
    ) -> Run:
        """Run tasks on hosts; with the strategy "free" no host waits for another one."""
        path = self.directory / f"play-{next(self._numbers)}.yml"
        play = {"hosts": hosts, "gather_facts": False, "strategy": strategy, "tasks": list(tasks)}
        path.write_text(json.dumps([play], indent=1))
        return self.playbook(str(path), *options, **variables)

    def module(self, hosts: str, module: str, /, *options: str, **arguments: Any) -> Run:
        """Call a module of this collection once."""
        return self.run(["ansible", hosts, "-m", f"{COLLECTION}.{module}", "-a", json.dumps(arguments), *options])
