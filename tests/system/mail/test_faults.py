# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong after files have been put in place is undone: the host is as it was, inodes included, and serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.authorities import DAY, NOW, pem
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.site_root import OwnRoot
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import attributes, mail_daemons, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Result, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import MX, Phase

JOURNAL = "/var/lib/postmaster-secure-channel/transaction/journal.json"
UNIT = "/etc/systemd/system/postmaster-secure-channel-recovery.service"
STRANGER = "import socketserver; socketserver.TCPServer(('', {port}), socketserver.BaseRequestHandler).serve_forever()"
DEAF = "/run/systemd/system/dovecot.service.d/deaf.conf"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong after the files are in place.

    Attributes:
        name: what it is.
        module: the module that is called.
        options: how it is called.
        found: words that the error has to contain.
        begin: shell commands by which it comes about.
        end: shell commands by which it ends.
    """

    name: str
    module: str
    options: Mapping[str, Any]
    found: str
    begin: str
    end: str


def vserver(protocol: str, **options: Any) -> dict[str, Any]:
    """A virtual server as it is declared, but for some options."""
    return {"protocol": protocol, "certificate": "{{ lab_fqdn }}", "require_secure_channel": True, **options}


def stranger(port: int, name: str) -> dict[str, str]:
    """Another program has a port, and the name of a daemon's process."""
    wait = f"until ss -Hltn | grep -q :{port}; do sleep 0.1; done"
    begin = f'systemd-run --quiet --collect --unit=stranger {WORK}/{name} -c "{STRANGER.format(port=port)}"'
    return {
        "begin": f"cp -L /usr/bin/python3 {WORK}/{name}; {begin}; {wait}",
        "end": "systemctl stop stranger",
    }


RENEWED = "{{ lab_fqdn }}"
# A host's clock cannot be set in the lab; dates that do not fit it are what a wrong clock comes to. In days from now.
EARLY, LATE = (365, 455), (-3740, -3650)
DATES = {"": (-1, 90), "-early": EARLY, "-late": LATE}


def answer(dates: str = "") -> dict[str, str]:
    """What the CA has answered to a request, with these dates."""
    path = f"answers ~ '/' ~ inventory_hostname ~ '{dates}'"
    return {"name": RENEWED, "content": f"{{{{ lookup('ansible.builtin.file', {path}) }}}}"}


FAULTS = (
    Fault(
        "Postfix cannot have the port",
        "mail_vserver_tls",
        vserver("submission", implicit_tls_port=8465),
        "does not belong to postfix.service",
        **stranger(8465, "smtpd"),
    ),
    Fault(
        "Dovecot cannot have the port",
        "mail_vserver_tls",
        vserver("imap", implicit_tls_port=8993),
        "does not belong to dovecot.service",
        **stranger(8993, "dovecot"),
    ),
    Fault(
        "Dovecot does not hear that there is a new certificate",
        "mail_cert_install",
        answer(),
        "everything was put back as it was",
        f"mkdir -p $(dirname {DEAF}); printf '[Service]\\nExecReload=\\nExecReload=/bin/true\\n' >{DEAF};"
        " systemctl daemon-reload",
        f"rm {DEAF}; systemctl daemon-reload",
    ),
    Fault(
        "the clock is a year behind",
        "mail_cert_install",
        answer("-early"),
        f"and this host's clock says {NOW:%Y-%m}",
        "true",
        "true",
    ),
    Fault(
        "the clock is ten years ahead",
        "mail_cert_install",
        answer("-late"),
        f"and this host's clock says {NOW:%Y-%m}",
        "true",
        "true",
    ),
)


@dataclass(frozen=True)
class Death:
    """A run is killed that has no guard: the program of this name kills whoever calls it with these words.

    Attributes:
        name: when that is.
        program: the program, of which another one is put before the real one.
        words: how it is called then.
        options: how mail_vserver_tls is called.
    """

    name: str
    program: str
    words: str
    options: Mapping[str, Any]

    @property
    def trap(self) -> str:
        """Shell commands that set the trap."""
        return f"""cat >/usr/local/sbin/{self.program} <<'END'
#!/bin/sh
case "$*" in {self.words}) kill -9 $PPID ;; esac
exec /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin {self.program} "$@"
END
printf '#!/bin/sh\\necho injected >&2; exit 1\\n' >/usr/local/sbin/systemd-run
chmod 755 /usr/local/sbin/{self.program} /usr/local/sbin/systemd-run"""

    @property
    def untrap(self) -> str:
        """Shell commands that take it away."""
        return f"rm /usr/local/sbin/{self.program} /usr/local/sbin/systemd-run"


LEGACY = "legacy"
DEATHS = (
    Death(
        "while Dovecot tests the new files",
        "doveconf",
        "'-c /var/lib/postmaster-secure-channel/'*",
        vserver("pop3", strength=LEGACY),
    ),
    Death("before Dovecot is reloaded", "systemctl", "'reload dovecot.service'", vserver("imap", strength=LEGACY)),
    Death("before Postfix is reloaded", "postfix", "'reload'", vserver("submission", strength=LEGACY)),
)

each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
each_death = pytest.mark.parametrize("death", DEATHS, ids=[one.name for one in DEATHS])


def result_of(run: Run, host: Host, task: str) -> Result:
    """What a task did."""
    return run.one(host.name, task)


# ---- faults


@pytest.fixture(scope="session")
def faults(lab: Lab, ansible: Ansible, site: Site, workshop: Path, secured: Phase) -> Run:
    """One after the other, on mx1 and mx2."""
    assert secured
    answers = workshop / "renewed"
    answers.mkdir()
    play = Play()
    play.shell("attributes are given", attributes.give())
    for number, fault in enumerate(FAULTS):
        play.shell(f"begin: {fault.name}", fault.begin, snapshots.script(f"fault-{number}-before"))
        play.call(fault.name, fault.module, fault.options)
        play.shell(f"end: {fault.name}", snapshots.script(f"fault-{number}-after"), fault.end)
        play.look_at_peer(f"look: {fault.name}")
    play.shell("attributes are taken", attributes.take())
    with left_as_found(lab, MX, "faults"):
        asked = ansible.module("mx*", "mail_cert_request", name=RENEWED, key_type="ECDSA_P384").assert_success()
        for name in MX:
            request = asked.one(name).result["requests"][0]["csr"]
            for label, (begins, ends) in DATES.items():
                dates = {"not_before": NOW + begins * DAY, "not_after": NOW + ends * DAY}
                (answers / f"{name}{label}").write_bytes(pem(OwnRoot(site).answer(request, **dates)))
        run = ansible.play("mx*", play.tasks, answers=str(answers))
        for name in MX:
            lab.ask(lab.hosts[name], "rm", "-r", f"/etc/postmaster/pending/{lab.hosts[name].fqdn}")
    return run


@each_fault
def test_the_error_says_what_went_wrong_and_that_it_was_undone(faults: Run, host: Host, fault: Fault) -> None:
    result = result_of(faults, host, fault.name)
    assert result.status == "failed"
    problem = result.result["problem"]
    assert problem["host"] == host.name
    assert problem["object"]
    assert problem["remedy"]
    assert fault.found in problem["found"]
    assert "\n" not in result.result["msg"]


@each_fault
def test_everything_is_put_back_with_its_inode(faults: Run, lab: Lab, host: Host, fault: Fault) -> None:
    assert faults
    number = FAULTS.index(fault)
    before, after = (snapshots.load(lab, host, f"fault-{number}-{when}") for when in ("before", "after"))
    assert all(before[path][-1] for path in ("/etc/postfix", "/etc/postfix/main.cf", "/etc/postfix/master.cf"))
    snapshots.assert_restored(before, after)


@each_fault
def test_the_host_serves_as_before(faults: Run, host: Host, fault: Fault) -> None:
    seen = result_of(faults, host, f"look: {fault.name}")
    assert seen.status == "ok", seen.result


# ---- deaths


@pytest.fixture(scope="session")
def deaths(lab: Lab, ansible: Ansible, secured: Phase) -> Run:
    """One after the other: a run is killed, somebody looks with a check run, and another run follows."""
    assert secured
    play = Play()
    for number, death in enumerate(DEATHS):
        label = f"death-{number}"
        play.shell(f"trap: {death.name}", snapshots.script(f"{label}-before"), death.trap)
        play.call(f"killed: {death.name}", "mail_vserver_tls", death.options)
        play.shell(f"untrap: {death.name}", death.untrap, f"test -e {JOURNAL}", snapshots.script(f"{label}-killed"))
        play.call(f"check: {death.name}", "mail_vserver_tls", death.options, check_mode=True)
        play.shell(f"checked: {death.name}", snapshots.script(f"{label}-checked"))
        play.call(f"next: {death.name}", "mail_vserver_tls", death.options)
        left = f"test ! -e {JOURNAL}; test ! -e {UNIT}; test -z \"$(find /etc /var -xdev -name '.*.postmaster-*')\""
        play.look_at_peer(f"look: {death.name}", left)
        play.call(f"back: {death.name}", "mail_vserver_tls", {**death.options, "strength": "intermediate"})
        play.shell(f"back again: {death.name}", snapshots.script(f"{label}-back"))
    with left_as_found(lab, MX, "killed runs"):
        return ansible.play("mx*", play.tasks)


@each_death
def test_a_run_can_be_killed(deaths: Run, lab: Lab, host: Host, death: Death) -> None:
    killed = result_of(deaths, host, f"killed: {death.name}")
    assert killed.status == "failed"
    assert "problem" not in killed.result  # nothing was left that could have said anything
    assert result_of(deaths, host, f"untrap: {death.name}").status == "ok"
    number = DEATHS.index(death)
    before, after = (snapshots.load(lab, host, f"death-{number}-{when}") for when in ("before", "killed"))
    assert snapshots.written(before, after)


@each_death
def test_a_check_run_warns_of_it_and_touches_nothing(deaths: Run, lab: Lab, host: Host, death: Death) -> None:
    checked = result_of(deaths, host, f"check: {death.name}")
    assert checked.status == "ok"
    assert any("killed half-way" in str(one) for one in checked.result["warnings"])
    number = DEATHS.index(death)
    snapshots.assert_same(*(snapshots.load(lab, host, f"death-{number}-{when}") for when in ("killed", "checked")))


@each_death
def test_the_next_run_undoes_it_and_completes(deaths: Run, host: Host, death: Death) -> None:
    completed = result_of(deaths, host, f"next: {death.name}")
    assert completed.status == "ok", completed.result
    assert completed.changed
    assert any("put back first" in str(one) for one in completed.result["warnings"])
    (vserver,) = completed.result["vservers"]
    assert (vserver["before"]["strength"], vserver["after"]["strength"]) == ("intermediate", LEGACY)


@each_death
def test_nothing_is_left_of_it_and_the_host_serves(deaths: Run, host: Host, death: Death) -> None:
    seen = result_of(deaths, host, f"look: {death.name}")
    assert seen.status == "ok", seen.result


@each_death
def test_the_way_back_leads_to_where_it_began(deaths: Run, lab: Lab, host: Host, death: Death) -> None:
    assert result_of(deaths, host, f"back: {death.name}").changed
    number = DEATHS.index(death)
    before, after = (snapshots.load(lab, host, f"death-{number}-{when}") for when in ("before", "back"))
    assert {path: node[6] for path, node in before.items()} == {path: node[6] for path, node in after.items()}


# ---- after all that


@pytest.mark.parametrize("trouble", ["faults", "deaths"])
def test_every_port_serves_its_certificate(
    request: pytest.FixtureRequest, trouble: str, clients: Clients, host: Host
) -> None:
    assert request.getfixturevalue(trouble)
    clients.assert_serves(host)


@pytest.mark.parametrize("trouble", ["faults", "deaths"])
def test_mail_flows(request: pytest.FixtureRequest, trouble: str, lab: Lab, host: Host, peer: Host) -> None:
    assert request.getfixturevalue(trouble)
    token = f"after all {trouble}, to {host.name}"
    mail_daemons.send(lab, peer, f"alice@{host.fqdn}", token)
    assert "with ESMTPSA id" in mail_daemons.wait_for_message(lab, host, "alice", token)
