# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pairs of hosts on which configurations are put, one of each release; each is the other one's client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.certificates.host_certificates import (
    Certificates,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus import flows
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    RELEASES,
    Configuration,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.flows import Sink
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.life import Life
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.outside import Outside
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.stage import Stage
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state

NAMES = dict(zip(RELEASES, ("one", "two")))


@dataclass(frozen=True)
class Pair:
    """Two hosts of a kind, by release, and what both need."""

    lab: Lab
    stages: Mapping[str, Stage]
    outsides: Mapping[str, Outside]
    sink: Sink

    def life(self, configuration: Configuration) -> Life:
        """One configuration on the host that it is for."""
        release = configuration.host.release
        return Life(self.stages[release], configuration, self.outsides[release], self.sink)


@contextmanager
def booted(kind: str, workshop: Path) -> Iterator[Pair]:
    """A pair."""
    certificates, partners, key = Certificates(workshop), Authority("Root of partners"), new_key()
    shown = partners.certify(key.public_key(), distinguished(flows.SINK_NAMES[0]), flows.SINK_NAMES)
    (workshop / "sink.pem").write_bytes(key_pem(key) + pem(shown))
    lab = Lab(lab_state(kind))
    sink = None
    try:
        lab.up(*(f"{NAMES[release]}:{release}:{kind}" for release in RELEASES))
        lab.record(*flows.names())
        stages = {release: Stage(lab, lab.hosts[NAMES[release]], kind) for release in RELEASES}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda stage: stage.prepare(certificates, partners), stages.values()))
        peers = dict(zip(RELEASES, (lab.hosts[NAMES[release]] for release in reversed(RELEASES))))
        sink = Sink(lab, workshop / "sink.pem")
        outsides = {release: Outside(lab, certificates.root, peers[release]) for release in RELEASES}
        yield Pair(lab, stages, outsides, sink)
    finally:
        lab.down()
        if sink:
            sink.end()  # it has ended with the lab
