# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever signs a login has, Exim gives it to the other server as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import lab_state
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.exim_outgoing_mail import (
    MACROS,
    REACHABLE,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.logins_on_the_wire import (
    LOGINS,
    Arrived,
    arrive,
)

HOSTS = ("e1:bookworm:exim", "e2:trixie:exim")
NAMES = ("e1", "e2")


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrived]:
    """All logins, on hosts of both releases."""
    lab = Lab(lab_state("logins"))
    try:
        lab.up(*HOSTS)
        for name in NAMES:
            host = lab.hosts[name]
            lab.ask(host, "systemctl", "is-system-running", "--wait")
            lab.write(host, MACROS[False], REACHABLE)
            lab.shell(host, "systemctl restart exim4")
        yield arrive(lab, Ansible(lab.inventory, tmp_path_factory.mktemp("logins")), NAMES)
    finally:
        lab.down()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("label", LOGINS)
def test_login_and_password_arrive_byte_for_byte(arrived: Arrived, name: str, label: str) -> None:
    assert arrived.received[name][label] == LOGINS[label]


@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_changes_nothing(arrived: Arrived, name: str) -> None:
    first, second = arrived.runs
    assert first.changed(name)
    assert not second.changed(name)
