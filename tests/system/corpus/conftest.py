# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts on which configurations are put: pairs, one of each release, one pair at a time.

The configurations of one kind of host follow each other on a pair, on both of its hosts side by side. Each host is the
other one's client. A session runs only the configurations whose tests were selected.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.configuration import (
    RELEASES,
    Source,
    sources,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.life import WHOLE, Verdict, table
from ansible_collections.postmaster.secure_channel.tests.support.system.corpus.pair import Pair, booted

VERDICTS = pytest.StashKey[list[Verdict]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is drawn by chance."""
    parser.addoption("--seed", default="11", help="draw other settings; 'random' draws anew, and the seed is printed")
    parser.addoption("--trials", type=int, default=3, help="how many combinations are tried on each host of a kind")
    parser.addoption("--kinds", default="full", help="kinds of hosts for these trials: full,exim,cyrus")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The counts, whatever came of the tests."""
    if found := config.stash.get(VERDICTS, []):
        terminalreporter.section("configurations")
        terminalreporter.write_line(table(found))
        for one in found:
            if one.outcome != WHOLE:
                terminalreporter.write_line(str(one))


@pytest.fixture(scope="session")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[tuple[str, str], Verdict]:
    """What became of each configuration that this session asks for, by name and release."""
    selected = [getattr(getattr(item, "callspec", None), "params", {}) for item in request.session.items]
    wanted = {(one["name"], one["release"]) for one in selected if "name" in one}
    by_kind: dict[str, list[Source]] = {}
    for source in sources():
        if any((source.name, release) in wanted for release in RELEASES):
            by_kind.setdefault(source.about()["host"], []).append(source)
    found: dict[tuple[str, str], Verdict] = {}
    so_far = request.config.stash.setdefault(VERDICTS, [])
    for kind, some in by_kind.items():
        with booted(kind, tmp_path_factory.mktemp(kind)) as pair:

            def all_of(release: str, pair: Pair = pair, some: list[Source] = some) -> None:
                for source in some:
                    if (source.name, release) in wanted:
                        life = pair.life(source.on(pair.stages[release].host))
                        verdict = found[source.name, release] = life.live()
                        so_far.append(verdict)
                        print(verdict, flush=True)

            with ThreadPoolExecutor() as pool:
                list(pool.map(all_of, RELEASES))
    return found
