# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pair of hosts of each kind, whose story is told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.upgrades import (
    PAIRS,
    Story,
    lab_of,
    tell,
)


@pytest.fixture(scope="session", params=PAIRS)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """What became of a pair of hosts."""
    lab = lab_of(request.param)
    try:
        yield tell(request.param, lab, tmp_path_factory.mktemp(request.param))
    finally:
        lab.down()


@pytest.fixture(params=["keep", "new"])
def host(request: pytest.FixtureRequest, story: Story) -> Host:
    """The host that keeps changed files, and the one that takes the packages' own."""
    kept, taken = story.hosts
    return taken if request.param == "new" else kept
