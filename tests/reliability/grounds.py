# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts for measuring: booted, with certificates in their store, virtual servers set up, and the code on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.reliability import shipped
from ansible_collections.postmaster.secure_channel.tests.reliability.crash_targets import CYRUS, EXIM, FULL
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds, host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab, wait_until
from ansible_collections.postmaster.secure_channel.tests.support.system.places import CHECKOUT, WORK

KINDS: Mapping[str, str] = {
    **dict.fromkeys(host_kinds.FULL, FULL),
    **dict.fromkeys(host_kinds.EXIM, EXIM),
    **dict.fromkeys(host_kinds.CYRUS, CYRUS),
}
SPECS: Mapping[str, str] = {spec.partition(":")[0]: spec for spec in host_kinds.HOSTS}


@dataclass(frozen=True)
class Ground:
    """A host that is ready.

    Attributes:
        host: the host.
        kind: its kind.
        renewals: two certificates with chain and key for the lineage "main"; the second is the one that is live.
    """

    host: Host
    kind: str
    renewals: tuple[str, str]


def prepare(lab: Lab, name: str, workshop: Path) -> Ground:
    """Have a host ready, with everything secured that it serves."""
    host = lab.hosts[name]
    host_setup.settle(lab, host)
    certificates = Certificates(workshop)
    lab.ask(host, "mkdir", "-p", WORK)
    renewals = []
    for _time in range(2):
        certificates.put(lab, host)
        renewals.append(lab.read(host, f"{WORK}/{host_kinds.MAIN}.pem"))
    lab.ask(host, "update-ca-certificates")
    shipped.ship(lab, host)
    must_run(lab, host, "mail_cert_install", {"certificates": installing(host)})
    declared = {one["protocol"]: one for one in host_kinds.declared(host) if "name" not in one}
    plain = [
        {
            **host_kinds.vserver(protocol),
            "require_secure_channel": protocol != "smtp",
            **{option: value for option, value in declared[protocol].items() if option == "port"},
        }
        for protocol in host_kinds.AT
        if protocol in declared
    ]
    must_run(lab, host, "mail_vserver_tls", {"vservers": plain})
    return Ground(host, KINDS[name], (renewals[0], renewals[1]))


def must_run(lab: Lab, host: Host, module: str, arguments: Mapping[str, object]) -> shipped.Outcome:
    """Run a module that has to succeed."""
    done = shipped.run(lab, host, module, arguments)
    assert done.succeeded, f"{host.name}: {module}: {done.complaint}"
    return done


def observe(lab: Lab, host: Host, looks: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """What a host serves now."""
    found: dict[str, str] = json.loads(lab.ask(host, "python3", f"{shipped.CODE}/observe.py", given=json.dumps(looks)))
    return found


def start_of_init(lab: Lab, host: Host) -> str:
    """When a host's first process was started, in clock ticks; empty where there is none."""
    state = lab.run_in(host, "cat", "/proc/1/stat").out.rpartition(")")[2].split()
    return state[19] if len(state) > 19 else ""


def wait_for_boot(lab: Lab, host: Host, before: str) -> None:
    """Wait until a host that was reset has booted again.

    Args:
        lab: the lab.
        host: the host.
        before: what start_of_init() said before.
    """

    def up() -> bool:
        if not lab.find_again(host):
            return False
        if start_of_init(lab, host) in ("", before):
            return False
        return lab.run_in(host, "systemctl", "is-system-running").out.strip() in {"running", "degraded"}

    wait_until(up, f"{host.name} to boot again")


KEPT = "/var/tmp/reliability.tar"  # /opt/reliability goes whenever other code is put there
CLEAR = """
tar -C / -xf {kept}
rm -rf /var/lib/postmaster-secure-channel/transaction
find /etc /root -xdev -name '.*.postmaster-*' -delete
systemctl daemon-reload
systemctl restart {units}
"""


def keep(lab: Lab, host: Host) -> None:
    """Keep the settings of a host."""
    lab.shell(host, f"cd /; tar -cf {KEPT} etc $(ls -d var/lib/postmaster-secure-channel 2>/dev/null)")


def restore(lab: Lab, host: Host, units: Sequence[str]) -> None:
    """Have a host as it was kept, whatever a broken copy has left there."""
    lab.shell(host, CLEAR.format(kept=KEPT, units=" ".join(units)))


def undoes_by_itself() -> bool:
    """Whether hosts themselves undo what a killed run has left."""
    return (CHECKOUT / "plugins/module_utils/_host/guard.py").exists()
