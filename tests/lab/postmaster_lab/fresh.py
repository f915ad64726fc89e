# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bare Debian machine with a copy of the project, to prove what a newcomer has to do."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from postmaster_lab import bases, boot, enter, keeper, kernel, registries
from postmaster_lab.bases import MACHINE, Base
from postmaster_lab.settings import RELEASES, LabError, Settings, release_name

DESCRIPTION = """\
Run a command on a bare Debian machine, freshly booted with systemd, in a copy of the project.
The machine has what a minimal installation has, this machine's network, and its way to the package registries;
it can run the lab in itself. It is removed when the command ends, whose exit code is passed on.
Needs root and the packages of tests/lab/apt-packages.txt, and git.
"""
NAME = "fresh"
PROJECT = "/root/postmaster.secure_channel"
CACHE = "/var/cache/postmaster-secure-channel"


class FreshMachine(keeper.Job):
    """The job that is a fresh machine."""

    namespaces = 0

    def __init__(self, base: Base, project: Path, files: Sequence[str], variables: dict[str, str]) -> None:
        self.base = base
        self.directory = base.settings.bases.parent / f"fresh-{base.release}-{os.urandom(4).hex()}"
        self.project = project
        self.files = files
        self.variables = variables
        self.cgroup = os.path.join(kernel.own_cgroup(), "postmaster-" + self.directory.name)

    def claim(self, link: keeper.Link) -> None:
        """The directory's name is new."""
        self.directory.mkdir(mode=0o700, parents=True)

    def prepare(self, link: keeper.Link) -> None:
        """Lay the layers out on disk: the machine will need more than fits in memory."""
        for name in ("upper", "work", "root", "cache"):
            (self.directory / name).mkdir(mode=0o755)
        self.base.hold()

    def inside(self, init: keeper.Init) -> None:
        """Fill the machine and boot it."""
        cgroup = boot.set_up(self.cgroup)
        root = self.directory / "root"
        layers = f"lowerdir={self.base.tree},upperdir={self.directory}/upper,workdir={self.directory}/work"
        keeper.run("mount", "-t", "overlay", "overlay", "-o", layers, root)
        (root / "etc/hostname").write_text(NAME + "\n")
        (root / "etc/machine-id").write_text(os.urandom(16).hex() + "\n")
        registries.configure(root)
        with (root / "etc/hosts").open("a") as hosts:
            hosts.write(f"127.0.1.1 {NAME}.{bases.BUILD_DOMAIN} {NAME}\n")
        self._copy_project(root)
        lent = registries.local_places(self.variables, root)
        machine = boot.Boot(
            name=NAME,
            root=root,
            cgroup=cgroup / NAME,
            console=self.directory / "console.log",
            notify=self.directory / "notify",
            options=[
                # All that the lab needs to run in there. Its base trees must not lie on an overlay.
                "--capability=all",
                f"--bind={self.directory / 'cache'}:{CACHE}",
                *(f"--bind-ro={place}" for place in lent),
            ],
        )
        boot.start(init, machine, lambda: init.link.tell(ready=True), lambda _exit_code: init.finish(1))

    def clean_up(self) -> None:
        """Remove the layers."""
        if os.getpid() == 1:
            keeper.run("umount", "--lazy", self.directory / "root")
        boot.remove_cgroup(self.cgroup)
        bases.remove_tree(self.directory)

    def _copy_project(self, root: Path) -> None:
        """Copy the project and make it a git checkout, as a newcomer's would be."""
        target = root / PROJECT.lstrip("/")
        for name in self.files:
            source = self.project / name
            if source.is_symlink() or source.is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name, follow_symlinks=False)
        _git(target, "init", "--quiet")
        _git(target, "add", "--all")
        identity = ("-c", "user.name=Fresh machine", "-c", f"user.email=root@{NAME}.{bases.BUILD_DOMAIN}")
        _git(target, *identity, "commit", "--quiet", "--message", "Copy of the project")


def _git(directory: Path, *arguments: str) -> str:
    return keeper.run("git", "-C", directory, *arguments).stdout


def parser() -> argparse.ArgumentParser:
    """The command line."""
    releases = " or ".join([*RELEASES.values(), *RELEASES])
    arguments = argparse.ArgumentParser(
        prog="fresh-machine", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--env", action="append", default=[], metavar="NAME", help="pass this variable on too")
    arguments.add_argument("release", metavar="RELEASE", help=releases)
    arguments.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    arguments.set_defaults(run=run)
    return arguments


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Boot a machine, run the command, remove the machine."""
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise LabError("name a command, for example: fresh-machine trixie -- make demo")
    base = Base(settings, release_name(options.release), MACHINE)
    variables = registries.environment(os.environ)
    variables.update({name: os.environ[name] for name in options.env if name in os.environ})
    project = Path(_git(Path(__file__).parent, "rev-parse", "--show-toplevel").strip())
    files = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    bases.ensure([base], bases.say_to_stderr)
    began = time.monotonic()
    job = FreshMachine(base, project, list(filter(None, files)), variables)
    handle = keeper.start(job)
    try:
        machine = _wait_for_boot(handle)
        bases.say_to_stderr(f"fresh machine ({base.release}): up in {time.monotonic() - began:.1f} s")
        return _run_in_machine(machine, command, variables)
    finally:
        handle.end_job()


def _wait_for_boot(handle: keeper.Handle) -> int:
    """Wait until the machine is up; returns the process id of its systemd."""
    init = 0
    for message in handle.messages():
        init = message.get("init", init)
        if "error" in message:
            raise LabError(message["error"])
        if "ready" in message:
            machine = boot.machine_init(init, NAME)
            if machine is not None:
                return machine
    raise LabError("the fresh machine ended while it was starting")


def _run_in_machine(machine: int, command: Sequence[str], variables: dict[str, str]) -> int:
    """Run a command as a service of the machine, so that it has an ordinary environment and its own cgroup."""
    given = {"HOME": "/root", "USER": "root", "LANG": "C.UTF-8", **variables}
    service = ["systemd-run", "--quiet", "--wait", "--collect", "--pipe", f"--working-directory={PROJECT}"]
    service += [f"--setenv={name}={value}" for name, value in given.items()]
    sys.stdout.flush()
    # systemd would put its own variables in the place of words that begin with a dollar sign.
    return enter.in_host(machine, [*service, "--", *(word.replace("$", "$$") for word in command)])
