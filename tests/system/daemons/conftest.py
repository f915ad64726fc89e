# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of every daemon that has a provider, one session fixture for each phase.

start (as Debian sets the hosts up, with certificates in the store) -> on -> again -> stronger -> fed with bad input ->
closed (without the ports on which TLS starts at once) -> absent, on pairs of hosts of every kind, one of each release
(daemons/host_kinds.py). Each phase is one run of Ansible, in which one call of mail_vserver_tls changes all that a host
serves; before and after each, clients at other addresses look at all hosts at once (clients/wire.py). Faults are
injected (daemons/faults.py) between "stronger" and bad input, and on a pair that nothing else happens to. In the end
hosts are switched off half-way.

These are a run of their own beside tests/system/mail: eight hosts of other kinds, which its tests do not need and would
have to wait for, and whose processes would be in the way of those that watch all processes.

A fixture asks for the phase before it, and the tests look at what the fixtures return. So any test can be run alone,
and all of them in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
    installing,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.clients import port_scan
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.compliance import Verdicts, judge
from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import View, Wire
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons import host_kinds, host_setup
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.bad_settings import BAD
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.fault_play import (
    JOURNAL,
    UNDONE_BY_ITSELF,
    Injection,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.faults import LAST_STEP, NO_GUARD
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import config_snapshots, snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK, lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.background import Background
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import (
    BadInputPlay,
    Refusals,
)

Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Phase:
    """One run of Ansible, and how the hosts were after it."""

    run: Run
    view: View
    configurations: Mapping[str, Snapshot]
    daemons: Mapping[str, str]
    listening: Mapping[str, str]

    def outcome(self, host: Host) -> Mapping[str, Any]:
        """What the call of mail_vserver_tls answered."""
        return self.run.one(host.name, host_setup.CALL).result


@dataclass(frozen=True)
class Fed:
    """What became of bad input, by host, and what clients see afterwards."""

    refusals: Mapping[str, Refusals]
    view: View


@dataclass(frozen=True)
class CutOff:
    """What became of hosts that were switched off half-way.

    Attributes:
        before: the phase before that.
        killed: the run that was killed.
        left: whether it left a journal, by host.
        undone: whether nothing of it was left after the start of the system, by host.
        view: what clients see then.
        after: the same run as that of the phase before, which must find everything as that one has left it.
    """

    before: Phase
    killed: Run
    left: Mapping[str, bool]
    undone: Mapping[str, Answer]
    view: View
    after: Phase


class Runner:
    """Runs phases on hosts."""

    def __init__(self, lab: Lab, ansible: Ansible, wire: Wire) -> None:
        self.lab = lab
        self.ansible = ansible
        self.wire = wire

    def each(self, names: Sequence[str], look: Callable[[Host], Seen]) -> dict[str, Seen]:
        """Look at some hosts side by side."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(look, (self.lab.hosts[name] for name in names))))

    def run(self, label: str, names: Sequence[str], tasks: Sequence[Mapping[str, Any]], **variables: Any) -> Phase:
        """Run tasks on some hosts, and look at them afterwards."""
        run = self.ansible.play(",".join(names), tasks, **variables)
        hosts = [self.lab.hosts[name] for name in names]
        return Phase(
            run,
            self.wire.look(hosts),
            self.each(names, lambda host: config_snapshots.take(self.lab, host, label)),
            self.each(names, lambda host: host_setup.daemons(self.lab, host)),
            self.each(names, lambda host: host_setup.listening(self.lab, host)),
        )

    def call(
        self,
        label: str,
        names: Sequence[str],
        wanted: Callable[[Host], Sequence[host_kinds.Options]],
        *others: Mapping[str, Any],
        **variables: Any,
    ) -> Phase:
        """One call of mail_vserver_tls on each of some hosts, after other tasks."""
        options = {name: wanted(self.lab.hosts[name]) for name in names}
        call = {
            "name": host_setup.CALL,
            f"{COLLECTION}.mail_vserver_tls": {"vservers": "{{ wanted[inventory_hostname] }}"},
            "ignore_errors": True,
        }
        return self.run(label, names, [*others, call], wanted=options, **variables)

    @property
    def declared(self) -> Mapping[str, Any]:
        """What the role verify has to know."""
        return {"declared": {name: host_kinds.declared(host) for name, host in self.lab.hosts.items()}}


def verification() -> Mapping[str, Any]:
    """The role verify, which may fail."""
    return {
        "ansible.builtin.include_role": {"name": f"{COLLECTION}.verify", "apply": {"ignore_errors": True}},
        "vars": {"verify_vservers": "{{ declared[inventory_hostname] }}", "verify_host": "{{ lab_fqdn }}"},
    }


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Eight hosts, as Debian sets them up."""
    lab = Lab(lab_state())
    try:
        lab.up(*host_kinds.HOSTS)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for whatever the runs need."""
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture(scope="session")
def certificates(workshop: Path) -> Certificates:
    """What the hosts show."""
    return Certificates(workshop)


@pytest.fixture(scope="session")
def runner(lab: Lab, workshop: Path, certificates: Certificates) -> Runner:
    """The hosts are ready."""

    def prepare(host: Host) -> None:
        host_setup.settle(lab, host)
        config_snapshots.prepare(lab, host)
        certificates.put(lab, host)
        lab.ask(host, "update-ca-certificates")

    runner = Runner(lab, Ansible(lab.inventory, workshop), Wire(lab, certificates.root))
    runner.each(tuple(lab.hosts), prepare)
    return runner


@pytest.fixture(scope="session")
def start(runner: Runner) -> Phase:
    """The certificates are in the store, and nothing is secured."""
    certificates = {host.name: installing(host) for host in runner.lab.hosts.values()}
    install = {f"{COLLECTION}.mail_cert_install": {"certificates": "{{ certificates[inventory_hostname] }}"}}
    names = tuple(runner.lab.hosts)
    phase = runner.run("start", names, [install, verification()], certificates=certificates, **runner.declared)
    phase.run.assert_success()
    return phase


@pytest.fixture(scope="session")
def on(runner: Runner, start: Phase) -> Phase:
    """Everything is secured."""
    assert start
    return runner.call("on", tuple(runner.lab.hosts), host_kinds.declared)


@pytest.fixture(scope="session")
def again(runner: Runner, on: Phase) -> Phase:
    """The same once more."""
    assert on
    return runner.call("again", tuple(runner.lab.hosts), host_kinds.declared, verification(), **runner.declared)


@pytest.fixture(scope="session")
def key_types(runner: Runner, again: Phase) -> Mapping[tuple[str, ...], Answer]:
    """What clients get that take certificates with one type of key only."""
    assert again
    return runner.wire.key_types([runner.lab.hosts[name] for name in host_kinds.LIVING])


@pytest.fixture(scope="session")
def news(runner: Runner, again: Phase) -> Mapping[str, port_scan.News]:
    """What nmap says of news servers, by host."""
    assert again
    return {name: port_scan.news(runner.lab, runner.lab.hosts[name]) for name in host_kinds.FULL}


@pytest.fixture(scope="session")
def verdicts(
    runner: Runner,
    injecting: Future[Run],
    key_types: Mapping[tuple[str, ...], Answer],
    news: Mapping[str, port_scan.News],
    workshop: Path,
    certificates: Certificates,
) -> Verdicts:
    """What sslyze says then."""
    assert injecting
    assert key_types
    assert news
    return judge(
        runner.lab, runner.wire, [runner.lab.hosts[name] for name in host_kinds.LIVING], certificates.root, workshop
    )


@pytest.fixture(scope="session")
def stronger(runner: Runner, verdicts: Verdicts) -> Phase:
    """TLS 1.3 only, and keys of at least 128 bits."""
    assert verdicts
    return runner.call("stronger", host_kinds.LIVING, host_kinds.stronger)


@pytest.fixture(scope="session")
def injecting(runner: Runner, again: Phase) -> Iterator[Future[Run]]:
    """Faults happen to the odd pair, in the background."""
    assert again
    background = Background()
    play = Injection(runner.lab, host_kinds.ODD, host_kinds.declared)
    yield background.begin("odd", lambda: play.play(runner.ansible))
    background.end()


@pytest.fixture(scope="session")
def injected(runner: Runner, stronger: Phase, injecting: Future[Run]) -> Mapping[str, Run]:
    """Faults happen to all pairs; the run of each host."""
    assert stronger
    pairs = (host_kinds.FULL, host_kinds.EXIM, host_kinds.CYRUS)
    plays = [Injection(runner.lab, pair, host_kinds.stronger) for pair in pairs]
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda play: play.play(runner.ansible), plays))
    runs.append(injecting.result())
    return {name: run for pair, run in zip((*pairs, host_kinds.ODD), runs) for name in pair}


@pytest.fixture(scope="session")
def fed(runner: Runner, injected: Mapping[str, Run]) -> Fed:
    """All bad input."""
    assert injected

    def feed(pair: tuple[str, str]) -> Mapping[str, Refusals]:
        play = BadInputPlay("bad", BAD[pair])
        run = runner.ansible.play(",".join(pair), play.tasks)
        hashes = {name: snapshots.hashes(runner.lab, runner.lab.hosts[name]) for name in pair}
        return {name: Refusals(run, play, hashes, {}) for name in pair}

    found = {name: refusals for pair in BAD for name, refusals in feed(pair).items()}
    return Fed(found, runner.wire.look([runner.lab.hosts[name] for name in found]))


@pytest.fixture(scope="session")
def closed(runner: Runner, fed: Fed) -> Phase:
    """Nothing listens any more on the ports where TLS starts at once."""
    assert fed
    return runner.call("closed", host_kinds.LIVING, host_kinds.closed)


@pytest.fixture(scope="session")
def ports(runner: Runner, closed: Phase) -> Mapping[str, Mapping[int, str]]:
    """What nmap says of every port then, by host."""
    assert closed
    hosts = [runner.lab.hosts[name] for name in host_kinds.LIVING]
    wanted = {host.name: sorted({one.port for one in host_kinds.places(host) if not one.beside}) for host in hosts}
    return {host.name: port_scan.states(runner.lab, host.address, wanted[host.name]) for host in hosts}


@pytest.fixture(scope="session")
def absent(runner: Runner, ports: Mapping[str, Mapping[int, str]]) -> Phase:
    """Everything is un-assigned."""
    assert ports
    return runner.call("absent", host_kinds.LIVING, host_kinds.absent)


@pytest.fixture(scope="session")
def cut_off(runner: Runner, absent: Phase, injected: Mapping[str, Run]) -> CutOff:
    """Hosts of all kinds are switched off while they change, and nobody but the hosts themselves undoes it."""
    assert absent
    assert injected
    names = (*host_kinds.ODD, *host_kinds.EXIM, *host_kinds.CYRUS)
    hosts = [runner.lab.hosts[name] for name in names]
    before = runner.call("before", names, host_kinds.declared)
    kept = "/var/lib/system-tests"  # what the tests have on a host, of which a start of the system leaves nothing

    def trap(host: Host) -> None:
        for script in (NO_GUARD, LAST_STEP[host.name][0]):
            runner.lab.shell(host, script)

    def settle(host: Host) -> None:
        runner.lab.shell(host, f"rm /usr/local/sbin/*; cp -a {kept} {WORK}; rm -r {kept}")

    runner.each(names, trap)
    tasks = [{"name": "killed", f"{COLLECTION}.mail_vserver_tls": {"vservers": "{{ wanted[inventory_hostname] }}"}}]
    wanted = {host.name: host_kinds.weaker(host) for host in hosts}
    killed = runner.ansible.play(",".join(names), tasks, wanted=wanted)
    left = runner.each(names, lambda host: runner.lab.run_in(host, "test", "-e", JOURNAL).code == 0)
    runner.each(names, lambda host: runner.lab.shell(host, f"cp -a {WORK} {kept}"))
    runner.lab.reboot(*hosts)
    runner.each(names, settle)
    undone = runner.each(names, lambda host: runner.lab.run_in(host, "sh", "-euc", UNDONE_BY_ITSELF))
    view = runner.wire.look(hosts)
    after = runner.call("after", names, host_kinds.declared)
    return CutOff(before, killed, left, undone, view, after)


@pytest.fixture(params=host_kinds.LIVING)
def host(request: pytest.FixtureRequest, runner: Runner) -> Host:
    """A host of each kind and release."""
    return runner.lab.hosts[request.param]
