# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The story that all acceptance tests share, one fixture for each chapter.

bare -> checked (site.yml --check) -> secured (site.yml) -> repeated (site.yml again), on mx1 (Debian 12) and mx2
(Debian 13), which are as Debian sets them up. Beside them old1 and old2, one of each release too, have a history:
lines, files and modes of somebody else. Any test can be run alone; the chapters that it needs are told first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers import daemons, history, trees, watch
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.clients import (
    ANY_OLD_SUITE,
    OLD_VERSIONS,
    Judge,
)
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.lab import Answer, Host, Lab
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.life import Life
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.life_story import Story
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.site import Secrets, Site
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.trees import Tree
from ansible_collections.postmaster.secure_channel.tests.acceptance.helpers.watch import Watched

HOSTS = ("mx1:bookworm", "mx2:trixie", "old1:bookworm", "old2:trixie")
RELEASES = ("bookworm", "trixie")
OLD = ("old1", "old2")
# What differs from the demonstration's declaration on the hosts with a history.
OLD_DECLARATION: dict[str, Any] = {
    "demo_peer": "{{ {'old1': 'mx2', 'old2': 'mx1'}[inventory_hostname] }}",
    "certificates_list": [{"name": "{{ lab_fqdn }}", "key_type": "RSA"}],
}


@dataclass(frozen=True)
class Chapter:
    """One run of the site playbook on both hosts: what lay on each before and after it, and what its journal says."""

    run: Run
    before: Mapping[str, Tree]
    after: Mapping[str, Tree]
    journal: Mapping[str, str]
    masters_before: Mapping[str, list[str]]
    masters_after: Mapping[str, list[str]]


# ---- the lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Four hosts, as Debian sets them up but for two users."""
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


def _tell(lab: Lab, site: Site, label: str, *options: str) -> Chapter:
    """Run the site playbook on mx1 and mx2, and look at them before and after."""
    hosts = [lab.hosts["mx1"], lab.hosts["mx2"]]
    before = {host.name: trees.take(lab, host, f"before-{label}") for host in hosts}
    masters = {host.name: daemons.masters(lab, host) for host in hosts}
    starts = {host.name: daemons.cursor(lab, host) for host in hosts}
    run = site.run("mx*", *options)
    return Chapter(
        run,
        before,
        {host.name: trees.take(lab, host, f"after-{label}") for host in hosts},
        {host.name: daemons.journal_since(lab, host, starts[host.name]) for host in hosts},
        masters,
        {host.name: daemons.masters(lab, host) for host in hosts},
    )


@pytest.fixture(scope="session")
def checked(bare: Lab, site: Site) -> Chapter:
    """The site playbook in check mode, on bare hosts."""
    return _tell(bare, site, "check", "--check", "--diff")


@pytest.fixture(scope="session")
def before_wire(bare: Lab, judge: Judge, checked: Chapter) -> dict[str, Answer]:
    """What a client with old versions of TLS gets from the bare hosts' port 25: a session."""
    assert checked
    return bare.run_many_beside(
        {
            f"{name} {version}": judge.trusting(bare.hosts[name], 25, version, "-cipher", ANY_OLD_SUITE)
            for name in ("mx1", "mx2")
            for version in OLD_VERSIONS
        }
    )


@pytest.fixture(scope="session")
def secured(bare: Lab, site: Site, before_wire: dict[str, Answer]) -> Chapter:
    """The site playbook."""
    assert before_wire
    chapter = _tell(bare, site, "real")
    chapter.run.assert_success()
    return chapter


@pytest.fixture(scope="session")
def repeated(bare: Lab, site: Site, secured: Chapter) -> Chapter:
    """The site playbook once more."""
    assert secured
    return _tell(bare, site, "again")


# ---- the story of old1 and old2


@pytest.fixture(scope="session")
def aged(bare: Lab, secured: Chapter) -> Mapping[str, Tree]:
    """Both have their history; what lies on them then."""
    assert secured

    def age(host: Host) -> Tree:
        history.write(bare, host)
        watch.trace_modules(bare, host)
        return trees.take(bare, host, "aged")

    return {name: age(bare.hosts[name]) for name in OLD}


@pytest.fixture(scope="session")
def watched(bare: Lab, site: Site, workshop: Path, aged: Mapping[str, Tree]) -> Watched:
    """Their first run of the site playbook, with all output there is, watched from all sides. Their keys are RSA."""
    assert aged
    inventory = watch.inventory_with_traces(bare, OLD, workshop / "traced.json")
    with watch.all_processes() as processes:
        run = site.run("old*", "-vvv", "--diff", inventory=inventory, **OLD_DECLARATION)
    run.assert_success()
    return Watched(run, {name: watch.traces(bare, bare.hosts[name]) for name in OLD}, frozenset(processes))


# ---- one host of each release


@pytest.fixture(params=["mx1", "mx2"], ids=RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab) -> Host:
    """A host of each release, set up by Debian alone."""
    return lab.hosts[request.param]


@pytest.fixture
def peer(host: Host, lab: Lab) -> Host:
    """The other host: whoever looks at a server looks from another one."""
    return lab.hosts[{"mx1": "mx2", "mx2": "mx1"}[host.name]]


@pytest.fixture(params=["old1", "old2"], ids=RELEASES)
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


@pytest.fixture(params=["c1", "c2"], ids=RELEASES)
def aging(request: pytest.FixtureRequest, story: Story) -> Host:
    """A host of each release whose certificates live their whole life."""
    return story.life.lab.hosts[request.param]
