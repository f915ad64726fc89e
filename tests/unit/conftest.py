# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for all unit tests: how long an example of Hypothesis takes says something of the machine only."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

PATIENCE = 60  # seconds, on a machine with much else to do

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is done that takes minutes."""
    parser.addoption("--all-vectors", action="store_true", help="read all vectors of cryptography, not only a sample")


@pytest.fixture
def no_waiting():
    """Code that waits for ever fails, and does not keep the tests waiting."""

    def late(*_args):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
