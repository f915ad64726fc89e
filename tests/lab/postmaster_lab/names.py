# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names in the lab: its name server and its hosts files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postmaster_lab import keeper, settings
from postmaster_lab.hosts import Host
from postmaster_lab.settings import LabError

LOOPBACK = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


def table(hosts: Sequence[Host], domain: str) -> str:
    """All addresses of the lab, as a hosts file."""
    lines = [f"{settings.CONTROL_4} control.{domain} control", f"{settings.CONTROL_6} control.{domain} control"]
    for host in hosts:
        lines += [f"{host.address} {host.fqdn} {host.name}", f"{host.address_6} {host.fqdn} {host.name}"]
    return "".join(line + "\n" for line in lines)


def hosts_file(host: Host) -> str:
    """/etc/hosts of a host: itself only, as an installed Debian has it; the rest comes from the name server."""
    own = f"{host.address} {host.fqdn} {host.name}\n{host.address_6} {host.fqdn} {host.name}\n"
    return LOOPBACK + own


def resolver_file(domain: str) -> str:
    """/etc/resolv.conf of every host and of the control side."""
    return f"search {domain}\nnameserver {settings.CONTROL_4}\noptions timeout:1 attempts:2\n"


def records_directory(directory: Path) -> Path:
    """Each file ``*.conf`` in here adds to the name server's configuration."""
    return directory / "records"


def configuration_file(directory: Path) -> Path:
    """The name server's configuration."""
    return directory / "dnsmasq.conf"


def server_command(directory: Path) -> list[str]:
    """What runs the name server."""
    return ["dnsmasq", "--keep-in-foreground", "--log-facility=-", f"--conf-file={configuration_file(directory)}"]


def check_configuration(directory: Path) -> None:
    """Have the name server read its configuration."""
    keeper.run(*server_command(directory), "--test")


def server_configuration(hosts: Sequence[Host], domain: str, addresses: Path, directory: Path) -> str:
    """The name server knows the lab, denies everything else, and asks nobody."""
    lines = [
        "no-resolv",
        "no-poll",
        "no-hosts",
        f"addn-hosts={addresses}",
        f"conf-dir={records_directory(directory)},*.conf",
        "bind-interfaces",
        *(f"listen-address={address}" for address in ("127.0.0.1", settings.CONTROL_4, settings.CONTROL_6)),
        "user=root",
        "group=root",
        "pid-file=",
        f"local=/{domain}/",
        "address=/#/",  # all other names do not exist
        *(f"mx-host={host.fqdn},{host.fqdn},10" for host in hosts),
    ]
    return "".join(line + "\n" for line in lines)


def add_records(directory: Path, records: Sequence[str]) -> None:
    """Add lines to the name server's configuration, if it accepts them; it has to be started again."""
    added = records_directory(directory) / "added.conf"
    before = added.read_text() if added.exists() else ""
    added.write_text(before + "".join(record + "\n" for record in records))
    try:
        check_configuration(directory)
    except LabError as error:
        added.write_text(before)
        raise LabError(f"dnsmasq refuses this: {error}") from error
