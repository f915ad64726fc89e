# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running lab, seen from its keeper and from its init."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from postmaster_lab import boot, client_files, keeper, kernel, names, network, state
from postmaster_lab.bases import Base
from postmaster_lab.hosts import Host
from postmaster_lab.machine import Machine
from postmaster_lab.settings import LabError, Settings

# Below the "work" directory; no host can have this name.
NAMESPACES = "_net"


class LabJob(keeper.Job):
    """The job that is a lab."""

    namespaces = kernel.CLONE_NEWNET

    def __init__(self, hosts: Sequence[Host], settings: Settings) -> None:
        self.hosts = list(hosts)
        self.settings = settings
        self.directory = settings.state
        self.cgroup = os.path.join(kernel.own_cgroup(), "postmaster-lab-" + os.urandom(4).hex())
        self.keeper = kernel.Process(0, 0)
        self.init = kernel.Process(0, 0)

    # ------------------------------------------------------------ in the keeper

    def claim(self, link: keeper.Link) -> None:
        """The lock of the state directory makes this lab its owner."""
        state.check_ours(self.directory)
        if state.lock(self.directory) is None:
            raise LabError(f"a lab is already up in {self.directory}: 'lab down' first, or set another LAB_STATE")
        stale = state.read(self.directory)
        if stale is not None:
            boot.remove_cgroup(stale.cgroup)
        state.empty(self.directory)  # of what a lab left whose keeper and init were both killed
        (self.directory / state.MARK).touch()

    def prepare(self, link: keeper.Link) -> None:
        """Make the keys and directories; hold the base trees."""
        self.keeper = kernel.Process.from_pid(os.getpid())
        for path in (self._work, self._console, names.records_directory(self.directory)):
            path.mkdir()
        client_files.make_keys(self.directory, self.hosts)
        client_files.write(self.directory, self.hosts)
        for base in {self._base(host) for host in self.hosts}:
            base.hold()

    def started(self, init: kernel.Process) -> None:
        """Note who runs the lab."""
        self.init = init
        self._write_state(ready=False)

    def kept(self) -> None:
        """From now on the lab may be used."""
        self._write_state(ready=True)

    def clean_up(self) -> None:
        """Remove cgroups and state directory (in the init: from below our own mount)."""
        if os.getpid() == 1:
            keeper.run("umount", "--lazy", self._work)
        state.remove(self.directory, self.cgroup)

    def _write_state(self, ready: bool) -> None:
        state.write(self.directory, self.cgroup, self.hosts, self.keeper, self.init, ready)

    # -------------------------------------------------------------- in the init

    def inside(self, init: keeper.Init) -> None:
        """Boot all hosts."""
        cgroup = boot.set_up(self.cgroup)
        keeper.run("mount", "-t", "tmpfs", "-o", "mode=0755,size=75%", "lab", self._work)
        network.set_up(self.hosts, self._work / NAMESPACES)
        self._start_name_server(init)
        machines = [Machine(host, self._base(host), self._work / host.name) for host in self.hosts]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._prepare, machines))
        waiting = {host.name for host in self.hosts}

        def up(name: str) -> None:
            waiting.remove(name)
            init.link.tell(booted=name)
            if not waiting:
                init.link.tell(ready=True)
                init.link.close()

        for machine in machines:
            boot.start(init, self._boot(machine, cgroup), partial(up, machine.host.name))

    def _boot(self, machine: Machine, cgroup: Path) -> boot.Boot:
        name = machine.host.name
        return boot.Boot(
            name=name,
            root=machine.root,
            cgroup=cgroup / name,
            console=self._console / f"{name}.log",
            notify=machine.directory / "notify",
            options=[f"--network-namespace-path={self._work / NAMESPACES / name}"],
        )

    def _prepare(self, machine: Machine) -> None:
        machine.prepare(
            self.settings.domain,
            client_files.user_key(self.directory).with_suffix(".pub"),
            client_files.host_key(self.directory, machine.host),
        )

    def _start_name_server(self, init: keeper.Init) -> None:
        """Start dnsmasq, have the control side use it, and start it again whenever it ends."""
        domain = self.settings.domain
        table = self._work / "hosts"
        table.write_text(names.table(self.hosts, domain))
        self._replace_on_control_side(Path("/etc/hosts"), names.LOOPBACK + table.read_text())
        self._replace_on_control_side(Path("/etc/resolv.conf"), names.resolver_file(domain))
        configuration = names.configuration_file(self.directory)
        configuration.write_text(names.server_configuration(self.hosts, domain, table, self.directory))
        names.check_configuration(self.directory)
        log = os.open(self.directory / "dnsmasq.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

        def start(exit_code: int = 0) -> None:
            if exit_code > 0:  # it would fail again
                init.link.tell(error=f"dnsmasq ended with code {exit_code}, see {self.directory / 'dnsmasq.log'}")
                return
            init.spawn(names.server_command(self.directory), start, output=log)

        start()

    def _replace_on_control_side(self, path: Path, content: str) -> None:
        """Give a file of the machine another content in the lab's mount namespace."""
        if path.exists():
            ours = self._work / f"control-{path.name}"
            ours.write_text(content)
            keeper.run("mount", "--bind", ours, path.resolve())

    # -------------------------------------------------------------------- both

    @property
    def _work(self) -> Path:
        return self.directory / "work"

    @property
    def _console(self) -> Path:
        return self.directory / "console"

    def _base(self, host: Host) -> Base:
        return Base(self.settings, host.release, host.kind)
