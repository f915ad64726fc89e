# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of the lab."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence

from postmaster_lab import bases, boot, client_files, enter, fresh, keeper, names, state, upgrades
from postmaster_lab import hosts as host_specifications
from postmaster_lab.bases import Base, say_to_stderr
from postmaster_lab.running import LabJob
from postmaster_lab.settings import RELEASES, LabError, Settings, release_name

DESCRIPTION = "A lab of throwaway Debian mail hosts in namespaces of its own. Needs root."
EPILOG = """\
environment:
  LAB_STATE    directory of the running lab (default /run/postmaster-lab); another one makes another lab
  LAB_BASES    directory of the base trees (default $POSTMASTER_CACHE/base,
               or /var/cache/postmaster-secure-channel/base)
  LAB_MIRROR   Debian mirror for the base trees (default: the one this machine's apt uses)
  LAB_DOMAIN   domain of the hosts' names (default example.test)
"""
PROGRAMS = ("dnsmasq", "ip", "mount", "ssh-keygen", "systemd-nspawn", "unshare")
BOOT_SECONDS = 180
DOWN_SECONDS = 20


def main(program: str, arguments: Sequence[str]) -> int:
    """Run one command of a program ("lab" or "fresh-machine"); returns the exit code."""
    # Some ways to become root leave these out.
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end_by_signal)
        options = (_parser() if program == "lab" else fresh.parser()).parse_args(arguments)
        if os.geteuid() != 0:
            raise LabError("only root can do this (it mounts file systems and makes network namespaces)")
        return int(options.run(options, Settings.from_environment()))
    except (LabError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130


def _end_by_signal(number: int, _frame: object) -> None:
    """Unwind, so that what was begun is ended."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    releases = ", ".join(f"{name} or {number}" for number, name in RELEASES.items())
    parser = argparse.ArgumentParser(
        prog="lab", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function: Callable[[argparse.Namespace, Settings], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=function)
        return command

    up = add("up", _up, "boot hosts, building the base trees first where they are missing")
    up.add_argument("hosts", nargs="+", metavar="NAME:RELEASE", help=f"RELEASE: {releases}")
    base = add("base", _base, "build base trees that are missing or out of date")
    base.add_argument("--again", action="store_true", help="build them even if they are there, with today's packages")
    base.add_argument("releases", nargs="+", metavar="RELEASE", help=releases)
    add("down", _down, "remove the lab and everything in it")
    record = add("record", _record, "add records to the lab's name server, in the words of dnsmasq's configuration")
    record.add_argument("records", nargs="+", metavar="RECORD", help="such as txt-record=_mta-sts.example.test,v=STSv1")
    upgrade = add("upgrade", _upgrade, "stop hosts, upgrade them to the next release, boot them again")
    upgrade.add_argument("hosts", nargs="+", metavar="HOST:RELEASE")
    answer = upgrade.add_mutually_exclusive_group()
    answer.add_argument("--keep", action="store_true", help="keep configuration files that were changed (default)")
    answer.add_argument("--new", action="store_true", help="take the packages' new ones")
    add("status", _status, "show the hosts (exit code 1: no lab is up)")
    add("pids", _pids, "print the process ids to give nsenter, the control side's first")
    add("inventory", _inventory, "print the path of the Ansible inventory (a directory)")
    execute = add("exec", _exec, "run a command on the control side, in the lab's network")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    shell = add("sh", _sh, "run a command (default: a shell) inside a host, without ssh")
    shell.add_argument("host", metavar="HOST")
    shell.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    return parser


def _command_of(options: argparse.Namespace) -> list[str]:
    command = list(options.command)
    return command[1:] if command[:1] == ["--"] else command


def _check_programs() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LabError(f"programs not found: {', '.join(missing)} (see tests/lab/apt-packages.txt)")


def _up(options: argparse.Namespace, settings: Settings) -> int:
    hosts = host_specifications.parse(options.hosts, settings)
    _check_programs()
    lab = state.read(settings.state)
    if lab is not None and lab.init.alive:
        known = ", ".join(host.name for host in lab.hosts)
        raise LabError(f"a lab is already up in {settings.state} ({known}): 'lab down' first, or set LAB_STATE")
    bases.ensure((Base(settings, host.release, host.kind) for host in hosts), say_to_stderr)
    began = time.monotonic()
    handle = keeper.start(LabJob(hosts, settings))
    try:
        follow_boot(handle, len(hosts))
        handle.keep()
    finally:
        handle.end_job()
    keeper.wait_for(lambda: state.is_ready(settings.state), 5)
    say_to_stderr(f"up: {len(hosts)} host{'s' if len(hosts) > 1 else ''} in {time.monotonic() - began:.1f} s")
    return 0


def follow_boot(handle: keeper.Handle, count: int) -> None:
    """Wait until all hosts are up, reporting progress when it takes long."""
    began = time.monotonic()
    booted: list[str] = []
    handle.end.settimeout(5)
    while True:
        try:
            messages = handle.receive()
        except TimeoutError:
            seconds = time.monotonic() - began
            if seconds > BOOT_SECONDS:
                raise LabError(f"{count - len(booted)} of {count} hosts did not boot in {seconds:.0f} s") from None
            say_to_stderr(f"{len(booted)} of {count} hosts are up after {seconds:.0f} s")
            continue
        if messages is None:
            raise LabError("the lab was ended while it was starting")
        for message in messages:
            if "error" in message:
                raise LabError(message["error"])
            if "booted" in message:
                booted.append(message["booted"])
            if "ready" in message:
                return


def _base(options: argparse.Namespace, settings: Settings) -> int:
    wanted = [Base(settings, release_name(release)) for release in options.releases]
    bases.ensure(wanted, say_to_stderr, options.again)
    for base in dict.fromkeys(wanted):
        print(base.tree)
    return 0


def _down(_options: argparse.Namespace, settings: Settings) -> int:
    began = time.monotonic()
    if not settings.state.exists():
        say_to_stderr("no lab is up")
        return 0
    state.check_ours(settings.state)
    lab = state.read(settings.state)
    if lab is not None:
        (lab.keeper if lab.keeper.alive else lab.init).signal(signal.SIGTERM if lab.keeper.alive else signal.SIGKILL)
    locks: list[int | None] = [None]

    def freed() -> bool:
        locks[0] = state.lock(settings.state)
        return locks[0] is not None

    if not keeper.wait_for(freed, DOWN_SECONDS):
        raise LabError(f"the lab in {settings.state} did not end in {DOWN_SECONDS} s")
    state.remove(settings.state, lab.cgroup if lab else "")
    say_to_stderr(f"down in {time.monotonic() - began:.1f} s")
    return 0


def _status(_options: argparse.Namespace, settings: Settings) -> int:
    lab = state.read(settings.state)
    if lab is None or not lab.init.alive:
        print("no lab is up")
        return 1
    print(f"lab in {settings.state}, {'up' if lab.ready else 'starting'}")
    for host in lab.hosts:
        running = "running" if boot.machine_init(lab.init.pid, host.name) else "stopped"
        print(f"  {host.name:<16} {host.release:<9} {host.address:<12} {host.fqdn:<32} {running}")
    return 0


def _record(options: argparse.Namespace, settings: Settings) -> int:
    lab = state.running(settings.state)
    names.add_records(settings.state, options.records)
    old = lab.name_server()
    if old:
        os.kill(old, signal.SIGTERM)  # the init starts it again
    if not keeper.wait_for(lambda: lab.name_server() not in (None, old) and enter.answers(lab.init.pid), 5):
        raise LabError(f"the name server does not start, see {settings.state / 'dnsmasq.log'}")
    return 0


def _upgrade(options: argparse.Namespace, settings: Settings) -> int:
    upgrades.run(options.hosts, "new" if options.new else "keep", settings, say_to_stderr)
    return 0


def _inventory(_options: argparse.Namespace, settings: Settings) -> int:
    state.running(settings.state)
    print(client_files.inventory(settings.state))
    return 0


def _pids(_options: argparse.Namespace, settings: Settings) -> int:
    lab = state.running(settings.state)
    print(f"control {lab.init.pid}")
    for host in lab.hosts:
        pid = boot.machine_init(lab.init.pid, host.name)
        if pid is not None:
            print(f"{host.name} {pid}")
    return 0


def _exec(options: argparse.Namespace, settings: Settings) -> int:
    lab = state.running(settings.state)
    command = _command_of(options)
    if not command:
        raise LabError("name a command, for example: lab exec -- getent hosts mx1")
    return enter.on_control_side(lab.init.pid, command)


def _sh(options: argparse.Namespace, settings: Settings) -> int:
    lab = state.running(settings.state)
    host_init = boot.machine_init(lab.init.pid, lab.host(options.host).name)
    if host_init is None:
        raise LabError(f"host '{options.host}' does not run (see {settings.state / 'console'})")
    return enter.in_host(host_init, _command_of(options) or ["/bin/bash", "--login"])
