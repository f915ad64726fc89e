# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's code on a host, as it is or deliberately broken, and modules that run there, also to their death."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT, PROGRAMS

CODE = "/opt/reliability"  # survives a reboot
OWN_PROGRAMS = Path(__file__).resolve().parent / "programs"
PACKAGE = "ansible_collections/postmaster/secure_channel"
KILLED = {137, -9, 143, -15, 129, -1}

# path below the checkout -> Python that is appended to that file
Mutation = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What became of a module.

    Attributes:
        code: its exit code.
        result: what it answered; empty where it could not.
        steps: how many it has taken.
        err: what it said besides.
    """

    code: int
    result: Mapping[str, Any]
    steps: int
    err: str

    @property
    def died(self) -> bool:
        """Whether it was killed."""
        return self.code in KILLED

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was asked for."""
        return self.code == 0 and bool(self.result) and not self.result.get("failed")

    @property
    def complaint(self) -> str:
        """What went wrong, in one line."""
        last = self.err.strip().splitlines()[-1:]
        return str(self.result.get("msg") or "".join(last) or f"exit code {self.code}")


def _archive(mutation: Mutation) -> bytes:
    """All that a host needs, as a compressed archive."""
    library = Path(ansible.__file__).parent
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        parts = ("__init__.py", "release.py", "_vendor/**/*.py", "module_utils/**/*.py", "_internal/__init__.py")
        for path in sorted(path for part in parts for path in library.glob(part)):
            add(f"ansible/{path.relative_to(library)}", path.read_bytes())
        for path in sorted(CHECKOUT.glob("plugins/**/*.py")):
            name = str(path.relative_to(CHECKOUT))
            add(f"{PACKAGE}/{name}", path.read_bytes() + mutation.get(name, "").encode())
        for program in (*OWN_PROGRAMS.glob("*.py"), PROGRAMS / "snapshot.py", PROGRAMS / "config_snapshot.py"):
            add(program.name, program.read_bytes())
    return stream.getvalue()


def ship(lab: Lab, host: Host, mutation: Mutation | None = None) -> None:
    """Put the code on a host in place of what was there."""
    for name in mutation or {}:
        assert (CHECKOUT / name).is_file(), f"{name} has gone: this mutation breaks nothing any more"
    script = f"rm -rf {CODE}; mkdir -m 700 {CODE}; base64 -d | tar -C {CODE} -xz; python3 -m compileall -q {CODE} || :"
    lab.ask(host, "sh", "-euc", script, given=base64.b64encode(_archive(mutation or {})).decode())


def command(module: str, step: int, ending: str) -> tuple[str, ...]:
    """The command that runs a module on a host, with its arguments on standard input."""
    return ("python3", f"{CODE}/dying_module.py", CODE, module, str(step), ending)


def outcome(code: int, out: str, err: str, steps: int = 0) -> Outcome:
    """What became of such a command."""
    lines = [line for line in out.splitlines() if line.startswith("{")]
    return Outcome(code, json.loads(lines[-1]) if lines else {}, steps, err)


def run(
    lab: Lab, host: Host, module: str, arguments: Mapping[str, Any], step: int = 0, ending: str = "kill"
) -> Outcome:
    """Run a module on a host, which may end before one of its steps."""
    lab.run_in(host, "rm", "-f", f"{CODE}/steps")
    done = lab.run_in(host, *command(module, step, ending), given=json.dumps(arguments))
    counted = lab.run_in(host, "cat", f"{CODE}/steps").out
    return outcome(done.code, done.out, done.err, int(counted or 0))
