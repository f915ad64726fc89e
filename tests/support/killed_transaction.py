# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kills a transaction at each of its steps, and looks at what later ones make of that. Run by test_transaction.py.

A process of its own, since it forks: argv[1] is an empty directory; the outcomes are printed as JSON.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import Compiled, FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.config_roots import ConfigRoot
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed, Host
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.places import Places
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.registered import WayBack
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.transaction import Transaction

# Whatever of the os module changes something, or makes it last.
STEPS = (
    *("chmod", "chown", "fchmod", "fchown", "fsync", "link", "mkdir"),
    *("rename", "replace", "rmdir", "symlink", "unlink"),
)
OWNER: dict[str, Any] = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


class Steps:
    """Counts the steps of this process, and kills it before the last one it may take."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0
        for name in STEPS:
            setattr(os, name, self.counted(getattr(os, name), really=name != "fsync"))

    def take(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, function, *, really):
        def step(*args, **kwargs):
            self.take()
            return function(*args, **kwargs) if really else None  # a disk that works takes its time

        return step


class Machine(Host):
    """A machine whose programs are a compiler of lookup tables, and one that starts others in vain."""

    def __init__(self):
        super().__init__()

    def query(self, argv, **_options):
        if argv[0] == "compile":
            shutil.copyfile(argv[1], argv[1] + ".db")
        return Completed(0, "", "")


class Daemon:
    """A daemon that has loaded what its configuration was when it was last activated."""

    name = "daemon"
    reads_files_by_itself = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config_roots = (ConfigRoot(str(root / "etc")),)

    def refuse_broken(self, _changes):
        """It goes on with whatever is there."""

    def check(self, _run, mirrors):
        (mirror,) = mirrors.values()
        assert Path(mirror, "main.cf").read_text() == "new main\n"
        assert (self.root / "store/deployed/cert.pem").exists()

    def snapshot(self):
        return {}

    def restore(self, run, _snapshot):
        self.activate(run)

    def lay_down(self, _run, _snapshot):
        raise AssertionError("it ran before")

    def way_back(self, _snapshot):
        return WayBack(self.name, (f"{self.name}.service",), (f"{self.name}.service",))

    def activate(self, _run):
        (self.root / "loaded").write_text((self.root / "etc/main.cf").read_text())


def build(root: Path) -> None:
    """The tree before."""
    for name, content in (("etc/main.cf", "old main\n"), ("etc/table", "old row\n"), ("etc/table.db", "old row\n")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o640)
    (root / "elsewhere").write_text("old linked\n")
    (root / "etc/linked.cf").symlink_to("../elsewhere")
    (root / "etc/gone.cf").write_text("going\n")
    (root / "loaded").write_text("old main\n")


def changes(root: Path) -> list[FileChange]:
    """What is to become of it: every kind of change there is."""
    compiled = Compiled(".db", ("compile", "{source}"))
    return [
        FileChange(
            str(root / "store/deployed/cert.pem"), b"key", mode=0o600, parent_mode=0o700, prerequisite=True, **OWNER
        ),
        FileChange(str(root / "etc/main.cf"), b"new main\n"),
        FileChange(str(root / "etc/table"), b"new row\n", mode=0o600, compiled=compiled, **OWNER),
        FileChange(str(root / "etc/fresh"), b"fresh\n", mode=0o600, compiled=compiled, **OWNER),
        FileChange(str(root / "etc/linked.cf"), b"new linked\n"),
        FileChange(str(root / "etc/gone.cf"), None),
    ]


def shape(root: Path, *, identity: bool) -> dict[str, object]:
    """All that is below a directory; with identity, also which inodes and how old."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        state = os.lstat(path)
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = oct(state.st_mode)
        elif name != "loaded":
            found[name] = [oct(state.st_mode), path.read_text()]
            if identity:
                found[name] = [state.st_ino, state.st_mtime_ns, oct(state.st_mode), path.read_text()]
    return found


def places(root: Path) -> Places:
    """The places of a transaction beside the tree, on a host with systemd."""
    found = Places(f"{root}.state", f"{root}.lock", f"{root}.units", f"{root}.systemd")
    os.makedirs(found.systemd, exist_ok=True)
    return found


def transaction(root: Path, daemon: Daemon, warnings: list[str]) -> Transaction:
    """A transaction whose own files lie beside the tree."""
    return Transaction(
        Machine(),
        lambda name: daemon if name == daemon.name else None,
        check_mode=False,
        warn=warnings.append,
        places=places(root),
    )


def guard(root: Path) -> None:
    """What the host does by itself when a run has been killed: the program that is there, on Python without Ansible."""
    own = places(root)
    if os.path.exists(own.program):
        systemctl = Path(f"{root}.systemd", "systemctl")
        systemctl.write_text(f'#!/bin/sh\n[ "$1" != restart ] || cat {root}/etc/main.cf >{root}/loaded\n')
        systemctl.chmod(0o755)
        argv = [sys.executable, "-IS", own.program, "watch", own.state, own.lock, own.units, own.systemd]
        search = f"{own.systemd}:{os.environ['PATH']}"
        subprocess.run(argv, check=True, timeout=60, env={"PATH": search})
        assert not os.path.exists(own.journal)


def in_child(last: int, work) -> bool:
    """Whether a child process does the work before it gets to its last step."""
    child = os.fork()
    if child == 0:
        try:
            Steps(last)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def killed_at(root: Path, step: int, step_of_recovery: int) -> dict[str, object]:
    """What is found after a run was killed, a second one was killed while it recovered, and a third one was not."""
    root.mkdir()
    build(root)
    before = shape(root, identity=True)
    daemon = Daemon(root)
    warnings: list[str] = []

    def run():
        with transaction(root, daemon, warnings) as running:
            running.apply(changes(root), [daemon])

    def recover():
        with transaction(root, daemon, warnings):
            pass

    finished = in_child(step, run)
    in_child(step_of_recovery, recover)
    how = "the next run" if step % 4 else "the guard"
    if how == "the guard":
        guard(root)
    recover()
    return {
        "step": [step, step_of_recovery, how],
        "finished": finished,
        "old": shape(root, identity=True) == before,
        "after": shape(root, identity=False),
        "loaded": (root / "loaded").read_text(),
        "left": sorted(str(path) for name in ("state", "units") for path in Path(f"{root}.{name}").rglob("*")),
    }


def main() -> None:
    """Go on until a run comes to its end."""
    outcomes: list[dict[str, object]] = []
    while not outcomes or not outcomes[-1]["finished"]:
        step = len(outcomes) + 1
        outcomes.append(killed_at(Path(sys.argv[1], str(step)), step, step % 23 + 1))
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
