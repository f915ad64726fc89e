# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All suites of tests on hosts: any order of files, and of the tests in them, will do, and this option shows it."""

from __future__ import annotations

from hashlib import sha256

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption("--shuffle", metavar="SEED", help="run the tests in another order, the same for the same seed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle files, and the tests within each, so that no host is prepared again for every test.

    pytest itself then groups those that share a parametrized fixture.
    """
    seed = config.getoption("--shuffle")
    if seed is None:
        return

    def drawn(name: str) -> bytes:
        return sha256(f"{seed} {name}".encode()).digest()

    items.sort(key=lambda item: (drawn(item.nodeid.partition("::")[0]), drawn(item.nodeid)))
