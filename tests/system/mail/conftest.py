# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to the hosts, one session fixture for each phase. The tests look at what the fixtures return.

- mx1 (Debian 12) and mx2 (Debian 13), as Debian sets them up: ``checked`` (site.yml --check) -> ``secured`` (site.yml).
- old1 and old2, one of each release too: ``hand_configured`` (lines, files and modes of an administrator of many years)
  -> ``watched`` (site.yml) -> on all four ``repeated`` (site.yml again). Then, in the background, ``running_examples``
  (the documentation's) and ``removing_daemons``.
- out1 and out2 send mail to good and bad servers, which are services of the host peers (``sending_mail``), and then
  receive mail from partners, who are there as well (``receiving_mail``), both in the background.
- c1 and c2 (``life``), d1 and d2 (``published``), f1 and f2 (``fleet``), r1 and r2 (``rotation``), two more
  (``foreign_sending``) are in labs of their own.

Any test can be run alone, and all of them in any order (``--shuffle SEED`` shows it), since:

- A fixture asks for the fixtures that it builds on.
- Whatever changes mx1 and mx2 after ``secured`` puts them back before it returns, and proves that with
  config_snapshots.left_as_found(). So they are secured and serve whenever a test looks at them.
- Whatever looks at old1 and old2 is a fixture in LOOKS_AT_OLD. Those that this session needs are set up before the
  background begins to change these hosts.
- ``watched`` looks at all processes of this machine, for secrets. Fixtures are set up one at a time, and all that run
  in the background ask for it, so nothing of ours runs beside it.

To keep it fast:

- A run of Ansible costs two seconds before it does anything, a call of a module half a second on each host. So one play
  makes all the calls of a file, on hosts of both releases side by side (playbooks/plays.py). Where hosts need not wait
  for each other, the play has the strategy "free".
- What has hosts of its own goes to the background: a fixture here that returns ``background.begin("HOSTS", ...)`` and
  is named in BACKGROUND, and one that returns the result. Tests that need it come last, unless they are shuffled.
- Hosts are looked at with Lab.run_in() and its kin, which cost nothing, not through Ansible; whatever waits looks again
  after 0.1 s. Postfix' programs wait while a configuration file is only seconds old: see spoil_main_cf().
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import (
    ANY_OLD_SUITE,
    OLD_VERSIONS,
    Clients,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import (
    config_snapshots,
    existing_configuration,
    secret_watch,
    snapshots,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.secret_watch import Search, Watched
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.documentation_examples import (
    documented,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.example_runner import (
    ExampleResults,
    ExampleRunner,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Secrets, Site
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import inbound_partners, outgoing_mail
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.background import Background
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.bad_input import (
    NOT_INSTALLED,
    BadInputPlay,
    Refusals,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_hosts import (
    CertificateHosts,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.certificate_life import (
    CertificateLife,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.fleet_changes import FleetChanges
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.fleet_proof import FleetProof
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.foreign_sending import (
    ForeignSending,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.inbound_partners import Received
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.outgoing_mail import Outgoing
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.published_policies import Published
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.rotation import Rotation
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import (
    HOSTS,
    MX,
    OLD,
    OUT,
    PEER_OF,
    RELEASES,
    Phase,
    on_each,
    run_site,
)

# Fixtures that look at old1 and old2 as the site playbook has left them.
LOOKS_AT_OLD = ("repeated", "kept", "searched")
# Fixtures that begin something in the background; on the same hosts one after the other, in this order.
BACKGROUND = ("running_examples", "removing_daemons", "sending_mail", "receiving_mail")


# ---- the order of tests


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that wait for the background come last, only to save time."""
    if config.getoption("--shuffle") is None:
        items.sort(key=lambda item: any(name in BACKGROUND for name in _fixtures_of(item)))


def _fixtures_of(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _set_up_first(request: pytest.FixtureRequest, names: Sequence[str]) -> None:
    """Of some fixtures, set up those that tests of this session need."""
    needed = {name for item in request.session.items for name in _fixtures_of(item)}
    for name in names:
        if name in needed:
            request.getfixturevalue(name)


# ---- the lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """All hosts, as Debian sets them up but for two users."""
    lab = Lab(lab_state())
    try:
        lab.up(*HOSTS)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for whatever the runs need."""
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture(scope="session")
def ansible(lab: Lab, workshop: Path) -> Ansible:
    """Ansible with the lab's inventory."""
    return Ansible(lab.inventory, workshop)


@pytest.fixture(scope="session")
def site(ansible: Ansible, workshop: Path) -> Site:
    """The site playbook with the demonstration's variables, and with passwords that occur nowhere else."""
    return Site(ansible, workshop)


@pytest.fixture(scope="session")
def passwords(site: Site) -> Secrets:
    """The secrets of this session."""
    return site.secrets


@pytest.fixture(scope="session")
def bare(lab: Lab, passwords: Secrets) -> Lab:
    """All hosts have booted and know the users."""

    def settle(host: Host) -> None:
        lab.ask(host, "systemctl", "is-system-running", "--wait")
        lab.shell(host, "for name in alice relay; do useradd --create-home $name; done")
        lab.ask(host, "chpasswd", given=f"alice:{passwords.alice}\nrelay:{passwords.relay}\n")
        config_snapshots.prepare(lab, host)

    with ThreadPoolExecutor() as pool:
        list(pool.map(settle, lab.hosts.values()))
    return lab


@pytest.fixture(scope="session")
def clients(lab: Lab, site: Site) -> Clients:
    """Clients that are not ours."""
    return Clients(lab, site.root_certificate)


# ---- mx1 and mx2


@pytest.fixture(scope="session")
def checked(bare: Lab, site: Site) -> Phase:
    """The site playbook in check mode, on bare hosts."""
    return run_site(bare, site, "check", MX, "--check", "--diff")


@pytest.fixture(scope="session")
def before_wire(bare: Lab, clients: Clients, checked: Phase) -> dict[str, Answer]:
    """What a client with old versions of TLS gets from the bare hosts' port 25: a session."""
    assert checked
    return bare.run_many_beside(
        {
            f"{name} {version}": clients.trusting(bare.hosts[name], 25, version, "-cipher", ANY_OLD_SUITE)
            for name in MX
            for version in OLD_VERSIONS
        }
    )


@pytest.fixture(scope="session")
def secured(bare: Lab, site: Site, before_wire: dict[str, Answer]) -> Phase:
    """The site playbook."""
    assert before_wire
    phase = run_site(bare, site, "real", MX)
    phase.run.assert_success()
    return phase


# ---- old1 and old2


@pytest.fixture(scope="session")
def hand_configured(bare: Lab, secured: Phase) -> Mapping[str, Snapshot]:
    """An administrator has configured both by hand; what is on them then."""
    assert secured

    def configure(host: Host) -> Snapshot:
        existing_configuration.write(bare, host)
        secret_watch.trace_modules(bare, host)
        return snapshots.take(bare, host, "hand-configured")

    return on_each(bare, OLD, configure)


@pytest.fixture(scope="session")
def watched(bare: Lab, site: Site, workshop: Path, hand_configured: Mapping[str, Snapshot]) -> Watched:
    """Their first run of the site playbook, with all output there is, watched from all sides. Their keys are RSA."""
    assert hand_configured
    inventory = secret_watch.inventory_with_traces(bare, OLD, workshop / "traced.json")
    with secret_watch.all_processes() as processes:
        run = site.run("old*", "-vvv", "--diff", inventory=inventory)
    run.assert_success()
    return Watched(run, {name: secret_watch.traces(bare, bare.hosts[name]) for name in OLD}, frozenset(processes))


@pytest.fixture(scope="session")
def repeated(bare: Lab, site: Site, watched: Watched) -> Phase:
    """The site playbook once more, on all four."""
    assert watched
    return run_site(bare, site, "again", (*MX, *OLD))


@pytest.fixture(scope="session")
def kept(bare: Lab, clients: Clients, watched: Watched) -> Mapping[str, existing_configuration.Kept]:
    """What the site playbook has made of the configuration that it found."""
    assert watched
    return existing_configuration.look(bare, clients, OLD)


@pytest.fixture(scope="session")
def searched(bare: Lab, site: Site, watched: Watched) -> Search:
    """Where secrets are found on these hosts."""
    assert watched
    return secret_watch.search(bare, site, OLD)


# ---- the background


@pytest.fixture(scope="session")
def background(bare: Lab) -> Iterator[Background]:
    """What is done beside the tests."""
    assert bare.hosts
    background = Background()
    yield background
    background.end()


@pytest.fixture(scope="session", autouse=True)
def meanwhile(request: pytest.FixtureRequest) -> None:
    """Whatever tests of this session need from the background is begun now."""
    _set_up_first(request, BACKGROUND)


@pytest.fixture(scope="session")
def running_examples(
    request: pytest.FixtureRequest, lab: Lab, site: Site, workshop: Path, background: Background, watched: Watched
) -> Future[ExampleResults]:
    """The examples of the documentation; in the background only those for which mx2 need not serve."""
    assert watched
    _set_up_first(request, LOOKS_AT_OLD)
    runner = ExampleRunner(lab, site, workshop / "examples")
    away = runner.run([one for one in documented() if one.looks_away])
    others = [one for one in documented() if not one.looks_away]
    return background.begin("old", lambda: {**away, **runner.run(others)})


@pytest.fixture(scope="session")
def examples(running_examples: Future[ExampleResults]) -> ExampleResults:
    """What came of them."""
    return running_examples.result()


@pytest.fixture(scope="session")
def removing_daemons(
    request: pytest.FixtureRequest, lab: Lab, ansible: Ansible, background: Background, watched: Watched
) -> Future[Refusals]:
    """Calls on hosts from which the daemons are removed, one after the other."""
    assert watched
    _set_up_first(request, (*LOOKS_AT_OLD, "running_examples"))

    def remove() -> Refusals:
        play = BadInputPlay("gone", NOT_INSTALLED)
        run = ansible.play("old*", play.tasks, strategy="free")
        return Refusals(run, play, {name: snapshots.hashes(lab, lab.hosts[name]) for name in OLD}, {})

    return background.begin("old", remove)


@pytest.fixture(scope="session")
def refusals_without_daemons(removing_daemons: Future[Refusals]) -> Refusals:
    """What came of them."""
    return removing_daemons.result()


@pytest.fixture(scope="session")
def sending_mail(bare: Lab, ansible: Ansible, background: Background, watched: Watched) -> Future[Outgoing]:
    """Mail to good and bad servers, from hosts that only send."""
    assert watched
    return background.begin("out", lambda: outgoing_mail.run(bare, ansible, OUT, bare.hosts["peers"]))


@pytest.fixture(scope="session")
def sent(sending_mail: Future[Outgoing]) -> Outgoing:
    """What came of it."""
    return sending_mail.result()


@pytest.fixture(scope="session")
def receiving_mail(
    request: pytest.FixtureRequest, bare: Lab, ansible: Ansible, background: Background, watched: Watched
) -> Future[Received]:
    """Mail from partners, to the same hosts."""
    assert watched
    _set_up_first(request, ("sending_mail",))
    return background.begin("out", lambda: inbound_partners.run(bare, ansible, OUT, bare.hosts["peers"]))


@pytest.fixture(scope="session")
def received(receiving_mail: Future[Received]) -> Received:
    """What came of it."""
    return receiving_mail.result()


# ---- labs of their own


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertificateLife]:
    """What happens to certificates of three kinds of CAs, on c1 and c2."""
    hosts = CertificateHosts(Lab(lab_state("certificates")), tmp_path_factory.mktemp("certificates"))
    try:
        hosts.begin()
        yield CertificateLife(hosts)
    finally:
        hosts.lab.down()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """What is published of hosts and followed by others, on d1 and d2."""
    scenario = Published(Lab(lab_state("published")), tmp_path_factory.mktemp("published"))
    try:
        scenario.begin()
        yield scenario
    finally:
        scenario.lab.down()


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetProof]:
    """What the proof says of f1 and f2."""
    proof = FleetProof(Lab(lab_state("fleet")), tmp_path_factory.mktemp("fleet"))
    try:
        proof.begin()
        yield proof
    finally:
        proof.lab.down()


@pytest.fixture(scope="session")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    """What becomes of the certificates of r1 and r2."""
    scenario = Rotation(Lab(lab_state("rotation")), tmp_path_factory.mktemp("rotation"))
    try:
        scenario.begin()
        yield scenario
    finally:
        scenario.lab.down()


@pytest.fixture(scope="session", params=("r1", "r2"))
def rotated_host(rotation: Rotation, request: pytest.FixtureRequest) -> Host:
    """One of them."""
    return rotation.lab.hosts[request.param]


@pytest.fixture(scope="session")
def changes(fleet: FleetProof, tmp_path_factory: pytest.TempPathFactory) -> FleetChanges:
    """What becomes of a certificate on f1 and f2 whose source changes."""
    return FleetChanges(fleet, tmp_path_factory.mktemp("changes"))


@pytest.fixture(scope="session")
def foreign_sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignSending]:
    """Settings of others for outgoing mail, and declarations on top, on f1 and f2."""
    scenario = ForeignSending(Lab(lab_state("sending")), tmp_path_factory.mktemp("sending"))
    try:
        scenario.begin()
        yield scenario
    finally:
        scenario.lab.down()


# ---- one host of each release


@pytest.fixture(params=["f1", "f2"], ids=RELEASES)
def fleet_host(request: pytest.FixtureRequest, fleet: FleetProof) -> Host:
    """A host of each release that is proven."""
    return fleet.lab.hosts[request.param]


@pytest.fixture(params=MX, ids=RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host of each release, set up by Debian alone."""
    return lab.hosts[request.param]


@pytest.fixture
def peer(host: Host, lab: Lab) -> Host:
    """The other host: whoever looks at a server looks from another one."""
    return lab.hosts[PEER_OF[host.name]]


@pytest.fixture(params=OLD, ids=RELEASES)
def old(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host of each release that was configured by hand before."""
    return lab.hosts[request.param]


@pytest.fixture(params=["c1", "c2"], ids=RELEASES)
def owner(request: pytest.FixtureRequest, life: CertificateLife) -> Host:
    """A host of each release whose certificates live their whole life."""
    return life.setup.lab.hosts[request.param]
