# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upgrade hosts to the next release: stopped, their trees upgraded from outside, booted again."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from postmaster_lab import bases, boot, client_files, keeper, state
from postmaster_lab.hosts import Host
from postmaster_lab.settings import LabError, Settings, check_upgrade, release_name

SCRIPT = Path(__file__).resolve().parent.parent / "upgrade.sh"
STOP_SECONDS = 60
BOOT_SECONDS = 180


def parse(texts: Sequence[str], lab: state.Lab) -> list[tuple[Host, str]]:
    """The hosts and their new releases for "HOST:RELEASE" texts."""
    found = []
    for text in texts:
        name, separator, release = text.partition(":")
        if not separator:
            raise LabError(f"'{text}' is not HOST:RELEASE, for example mx1:trixie")
        host, wanted = lab.host(name), release_name(release)
        check_upgrade(host.release, wanted)
        found.append((host, wanted))
    return found


def run(texts: Sequence[str], answer: str, settings: Settings, say: Callable[[str], None]) -> None:
    """Upgrade hosts side by side.

    Args:
        texts: the hosts, as "HOST:RELEASE".
        answer: "keep" or "new": what becomes of configuration files that were changed on the host.
        settings: where the lab is.
        say: reports progress.
    """
    lab = state.running(settings.state)
    wanted = parse(texts, lab)
    began = time.monotonic()
    for host, _release in wanted:
        _stop(lab, host)
    processes = {host: _start(lab, host, release, answer, settings) for host, release in wanted}
    while any(process.poll() is None for process in processes.values()):
        try:
            next(one for one in processes.values() if one.poll() is None).wait(bases.SILENCE_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"still upgrading ({time.monotonic() - began:.0f} s)")
    failed = [host for host, process in processes.items() if process.returncode]
    if failed:
        logs = ", ".join(f"{host.name}: {_log(lab, host)}\n{bases.last_lines(_log(lab, host))}" for host in failed)
        raise LabError(f"the upgrade failed, see {logs}")
    _note(lab, dict(wanted))
    for host, _release in wanted:
        _boot(lab, host)
    say(f"upgraded: {len(wanted)} host{'s' if len(wanted) > 1 else ''} in {time.monotonic() - began:.1f} s")


def _log(lab: state.Lab, host: Host) -> Path:
    return lab.directory / "console" / f"{host.name}-upgrade.log"


def _directory(lab: state.Lab, host: Host) -> Path:
    return lab.directory / "work" / host.name


def _stop(lab: state.Lab, host: Host) -> None:
    """Have a host shut down in an orderly way."""
    container = boot.container(lab.init.pid, host.name)
    if container is not None:
        os.kill(container, signal.SIGTERM)
    if not keeper.wait_for(lambda: boot.container(lab.init.pid, host.name) is None, STOP_SECONDS):
        raise LabError(f"{host.name} did not stop in {STOP_SECONDS} s")


def _start(lab: state.Lab, host: Host, release: str, answer: str, settings: Settings) -> subprocess.Popen[bytes]:
    """Begin to upgrade a host's tree, in the lab's namespaces but for its network."""
    archives = settings.bases.parent / "archives" / release
    archives.mkdir(parents=True, exist_ok=True)
    reaching = [word for line in bases.apt_reaching_options() for word in ("-o", line.replace(' "', "=").rstrip('"'))]
    enter = ["nsenter", "--mount", "--pid", f"--target={lab.init.pid}", "unshare", "--mount"]
    script = ["sh", SCRIPT, _directory(lab, host) / "root", host.release, release, answer, archives, *reaching]
    with _log(lab, host).open("wb") as log:
        return subprocess.Popen([*enter, *map(str, script)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _note(lab: state.Lab, releases: dict[Host, str]) -> None:
    """Have the lab's own files say which release the hosts have now; other upgrades may do so at the same time."""
    with (lab.directory / "upgrades.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lab = state.running(lab.directory)
        _write(lab, {host.name: release for host, release in releases.items()})


def _write(lab: state.Lab, releases: dict[str, str]) -> None:
    hosts = [replace(host, release=releases.get(host.name, host.release)) for host in lab.hosts]
    state.write(lab.directory, lab.cgroup, hosts, lab.keeper, lab.init, ready=True)
    client_files.write_inventory(lab.directory, hosts)


def _boot(lab: state.Lab, host: Host) -> None:
    """Have the lab's init boot a host again, and wait until all of its units have been started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect(f"/proc/{lab.init.pid}/root{_directory(lab, host) / 'notify'}")
        line.send(boot.BOOT_AGAIN)
    command = ["systemctl", "is-system-running", "--wait"]

    def is_up() -> bool:
        pid = boot.machine_init(lab.init.pid, host.name)
        into = ["nsenter", "--mount", "--uts", "--ipc", "--net", "--pid", f"--target={pid}"]
        done = subprocess.run([*into, *command], capture_output=True, text=True, check=False) if pid else None
        return done is not None and done.stdout.strip() in ("running", "degraded")

    if not keeper.wait_for(is_up, BOOT_SECONDS):
        raise LabError(f"{host.name} did not boot in {BOOT_SECONDS} s, see {lab.directory / 'console'}")
