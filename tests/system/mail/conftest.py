# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The story that all acceptance tests share, one fixture for each chapter.

bare -> checked (site.yml --check) -> secured (site.yml), on mx1 (Debian 12) and mx2 (Debian 13), which are as Debian
sets them up. Beside them old1 and old2, one of each release too: aged (they get a history: lines, files and modes of
somebody else) -> watched (site.yml). Then, on all four, repeated (site.yml again). Last, on old1 and old2 and in the
background: performing (the examples of the documentation) -> uninstalling (calls on hosts without daemons). Any test
can be run alone; the chapters that it needs are told first. Beside all that, out1 and out2 send mail to good and bad
servers, which are services of the host peers, and then take mail from partners, who are there as well.

How another file of tests joins in, so that the whole stays fast:

- A run of Ansible costs two seconds before it does anything, a call of a module half a second on each host. So one play
  makes all calls of a file, on hosts of both releases side by side (helpers/plays.py), a fixture keeps what came of
  it, and the tests look at that. Where hosts need not wait for each other, the play has the strategy "free".
- A file that leaves mx1 and mx2 as they were, serving and declared as in tests/demo/vars.yml, may use them: its name
  decides when, see test_8 and test_9. While it runs, old1 and old2 belong to the background.
- A file that needs hosts of its own adds a pair to HOSTS, one of each release, and tells its chapters in the
  background: a session fixture here that answers ``background.begin("NAME OF THE PAIR", ...)``, named in BACKGROUND,
  and one that answers the result. They are begun by ``meanwhile``, when the tests are through with what must not be
  disturbed, and the tests that need them come last.
- While ``watched`` is told nothing else may happen: test_6 holds that no process of this machine shows a secret.
- Hosts are looked at with Lab.run_in() and its kin, which cost nothing, not through Ansible; whatever waits looks again
  after 0.1 s. A file of configuration that was changed a moment ago makes Postfix' programs wait: see spoil_main_cf().
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers import (
    daemons,
    history,
    outgoing,
    partners,
    trees,
    watch,
)
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.background import Background
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.bad import NOT_INSTALLED, BadPlay, Refusals
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.clients import (
    ANY_OLD_SUITE,
    OLD_VERSIONS,
    Judge,
)
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.examples import documented
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.life import Life
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.life_story import Story
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.outgoing import Outgoing
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.partners import Received
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.published_story import Published
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.site import Secrets, Site
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.stage import Performance, Stage
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.trees import Tree
from ansible_collections.postmaster.secure_channel.tests.system.mail.helpers.watch import Watched

HOSTS = ("mx1:bookworm", "mx2:trixie", "old1:bookworm", "old2:trixie", "out1:bookworm", "out2:trixie", "peers:trixie")
RELEASES = ("bookworm", "trixie")
MX = ("mx1", "mx2")
OLD = ("old1", "old2")
OUT = ("out1", "out2")
BACKGROUND = ("performing", "uninstalling", "sending", "receiving")  # fixtures, in their order


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that look at what is told in the background come last."""
    items.sort(key=lambda item: any(name in BACKGROUND for name in _fixtures_of(item)))


def _fixtures_of(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Chapter:
    """One run of the site playbook: what lay on each host before and after it, and what its journal says."""

    run: Run
    before: Mapping[str, Tree]
    after: Mapping[str, Tree]
    journal: Mapping[str, str]
    masters_before: Mapping[str, list[str]]
    masters_after: Mapping[str, list[str]]


# ---- the lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """All hosts, as Debian sets them up but for two users."""
    lab = Lab(Path(os.environ["LAB_STATE"]))
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
    """The site playbook with the demonstration's declaration, and with passwords that occur nowhere else."""
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
        trees.prepare(lab, host)

    with ThreadPoolExecutor() as pool:
        list(pool.map(settle, lab.hosts.values()))
    return lab


# ---- the story of mx1 and mx2


def _tell(lab: Lab, site: Site, label: str, names: Sequence[str], *options: str) -> Chapter:
    """Run the site playbook on some hosts, and look at them before and after."""
    hosts = [lab.hosts[name] for name in names]

    def of_each(look: Callable[[Host], Seen]) -> Mapping[str, Seen]:
        with ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(look, hosts)))

    before = of_each(lambda host: trees.take(lab, host, f"before-{label}"))
    masters = of_each(lambda host: daemons.masters(lab, host))
    starts = of_each(lambda host: daemons.cursor(lab, host))
    run = site.run(",".join(names), *options)
    return Chapter(
        run,
        before,
        of_each(lambda host: trees.take(lab, host, f"after-{label}")),
        of_each(lambda host: daemons.journal_since(lab, host, starts[host.name])),
        masters,
        of_each(lambda host: daemons.masters(lab, host)),
    )


@pytest.fixture(scope="session")
def checked(bare: Lab, site: Site) -> Chapter:
    """The site playbook in check mode, on bare hosts."""
    return _tell(bare, site, "check", MX, "--check", "--diff")


@pytest.fixture(scope="session")
def before_wire(bare: Lab, judge: Judge, checked: Chapter) -> dict[str, Answer]:
    """What a client with old versions of TLS gets from the bare hosts' port 25: a session."""
    assert checked
    return bare.run_many_beside(
        {
            f"{name} {version}": judge.trusting(bare.hosts[name], 25, version, "-cipher", ANY_OLD_SUITE)
            for name in MX
            for version in OLD_VERSIONS
        }
    )


@pytest.fixture(scope="session")
def secured(bare: Lab, site: Site, before_wire: dict[str, Answer]) -> Chapter:
    """The site playbook."""
    assert before_wire
    chapter = _tell(bare, site, "real", MX)
    chapter.run.assert_success()
    return chapter


# ---- the story of old1 and old2


@pytest.fixture(scope="session")
def aged(bare: Lab, secured: Chapter) -> Mapping[str, Tree]:
    """Both have their history; what lies on them then."""
    assert secured

    def age(host: Host) -> Tree:
        history.write(bare, host)
        watch.trace_modules(bare, host)
        return trees.take(bare, host, "aged")

    with ThreadPoolExecutor() as pool:
        return dict(zip(OLD, pool.map(age, (bare.hosts[name] for name in OLD))))


@pytest.fixture(scope="session")
def watched(bare: Lab, site: Site, workshop: Path, aged: Mapping[str, Tree]) -> Watched:
    """Their first run of the site playbook, with all output there is, watched from all sides. Their keys are RSA."""
    assert aged
    inventory = watch.inventory_with_traces(bare, OLD, workshop / "traced.json")
    with watch.all_processes() as processes:
        run = site.run("old*", "-vvv", "--diff", inventory=inventory)
    run.assert_success()
    return Watched(run, {name: watch.traces(bare, bare.hosts[name]) for name in OLD}, frozenset(processes))


# ---- the story of all


@pytest.fixture(scope="session")
def repeated(bare: Lab, site: Site, watched: Watched) -> Chapter:
    """The site playbook once more."""
    assert watched
    return _tell(bare, site, "again", (*MX, *OLD))


# ---- the background


@pytest.fixture(scope="session")
def background(bare: Lab) -> Iterator[Background]:
    """What is told beside the tests."""
    assert bare.hosts
    background = Background()
    yield background
    background.end()


@pytest.fixture(scope="session")
def meanwhile(request: pytest.FixtureRequest) -> None:
    """Whatever is needed later and can be told in the background is begun now."""
    needed = {name for item in request.session.items for name in _fixtures_of(item)}
    for name in BACKGROUND:
        if name in needed:
            request.getfixturevalue(name)


@pytest.fixture(scope="session")
def performing(lab: Lab, site: Site, workshop: Path, background: Background, watched: Watched) -> Future[Performance]:
    """The examples of the documentation; in the background only those for which mx2 need not serve."""
    assert watched
    stage = Stage(lab, site, workshop / "stage")
    away = stage.perform([one for one in documented() if one.looks_away])
    others = [one for one in documented() if not one.looks_away]
    return background.begin("old", lambda: {**away, **stage.perform(others)})


@pytest.fixture(scope="session")
def performed(performing: Future[Performance]) -> Performance:
    """What came of them."""
    return performing.result()


@pytest.fixture(scope="session")
def uninstalling(lab: Lab, ansible: Ansible, background: Background, watched: Watched) -> Future[Refusals]:
    """Calls on hosts from which the daemons are removed, one after the other."""
    assert watched

    def tell() -> Refusals:
        play = BadPlay("gone", NOT_INSTALLED)
        run = ansible.play("old*", play.tasks, strategy="free")
        return Refusals(run, play, {name: trees.hashes(lab, lab.hosts[name]) for name in OLD}, {})

    return background.begin("old", tell)


@pytest.fixture(scope="session")
def refusals_without_daemons(uninstalling: Future[Refusals]) -> Refusals:
    """What came of them."""
    return uninstalling.result()


@pytest.fixture(scope="session")
def sending(lab: Lab, bare: Lab, ansible: Ansible, background: Background, watched: Watched) -> Future[Outgoing]:
    """Mail to good and bad servers, from hosts that only send."""
    assert bare.hosts
    assert watched
    return background.begin("out", lambda: outgoing.tell(lab, ansible, OUT, lab.hosts["peers"]))


@pytest.fixture(scope="session")
def sent(sending: Future[Outgoing]) -> Outgoing:
    """What came of it."""
    return sending.result()


@pytest.fixture(scope="session")
def receiving(lab: Lab, bare: Lab, ansible: Ansible, background: Background, watched: Watched) -> Future[Received]:
    """Mail from partners, to the hosts that have only sent before."""
    assert bare.hosts
    assert watched
    return background.begin("out", lambda: partners.tell(lab, ansible, OUT, lab.hosts["peers"]))


@pytest.fixture(scope="session")
def received(receiving: Future[Received]) -> Received:
    """What came of it."""
    return receiving.result()


# ---- one host of each release


@pytest.fixture(params=MX, ids=RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host of each release, set up by Debian alone."""
    return lab.hosts[request.param]


@pytest.fixture
def peer(host: Host, lab: Lab) -> Host:
    """The other host: whoever looks at a server looks from another one."""
    return lab.hosts[{"mx1": "mx2", "mx2": "mx1"}[host.name]]


@pytest.fixture(params=OLD, ids=RELEASES)
def old(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host of each release with a history."""
    return lab.hosts[request.param]


@pytest.fixture(scope="session")
def judge(lab: Lab, site: Site) -> Judge:
    """Clients that we did not write."""
    return Judge(lab, site.root_certificate)


# ---- the story of c1 and c2, told in life_story


@pytest.fixture(scope="session")
def story(workshop: Path) -> Iterator[Story]:
    """What happens to certificates, on hosts of a lab of its own."""
    state = Path(os.environ["LAB_STATE"])
    life = Life(Lab(state.with_name(f"postmaster-life-{os.environ['POSTMASTER_ID']}")), workshop)
    try:
        life.begin()
        yield Story(life)
    finally:
        life.lab.down()


@pytest.fixture(scope="session")
def published(workshop: Path) -> Iterator[Published]:
    """What is published of hosts and followed by others, on hosts of a lab of its own."""
    state = Path(os.environ["LAB_STATE"])
    told = Published(Lab(state.with_name(f"postmaster-published-{os.environ['POSTMASTER_ID']}")), workshop)
    try:
        told.begin()
        yield told
    finally:
        told.lab.down()


@pytest.fixture(params=["c1", "c2"], ids=RELEASES)
def aging(request: pytest.FixtureRequest, story: Story) -> Host:
    """A host of each release whose certificates live their whole life."""
    return story.life.lab.hosts[request.param]
