# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A daemon is reloaded once, and only for what it has loaded: each reload of Dovecot ends logins that have begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.plays import Play
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.environment_faults import IMAP
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import MX, Phase

SINCE = f"{WORK}/since"
LOGIN = "doveadm auth test -x service=smtp reloads"
DROP_IN = "/etc/dovecot/conf.d/99-postmaster-imap.conf"


@dataclass(frozen=True)
class Step:
    """A call that changes something.

    Attributes:
        name: what it is.
        module: the module that is called.
        options: how it is called.
        dovecot: how often Dovecot is reloaded.
        before: shell commands.
        after: likewise.
    """

    name: str
    module: str
    options: Mapping[str, Any]
    dovecot: int
    before: str = ":"
    after: str = ":"


def account(password: str) -> Mapping[str, Any]:
    """An account with a password."""
    return {"name": "reloads", "password": password, "backend": "dovecot"}


STEPS = (
    Step("a setting", "mail_vserver_tls", IMAP, 1),
    Step("only the mode of a file", "mail_vserver_tls", IMAP, 0, f"chmod 600 {DROP_IN}"),
    Step("back again", "mail_vserver_tls", {**IMAP, "strength": "intermediate"}, 1),
    Step("the first account", "mail_relay_account", account("one of them"), 1),
    # it is in force at once, and the one before is not any more
    Step(
        "another password",
        "mail_relay_account",
        account("another one"),
        0,
        # the account is new: Dovecot has been told to reload, and has done so a moment later
        before=f"timeout 20 sh -c \"until {LOGIN} 'one of them'; do sleep 0.2; done\"",
        after=f"{LOGIN} 'another one'; if {LOGIN} 'one of them'; then exit 1; fi",
    ),
    Step("no account", "mail_relay_account", {"name": "reloads", "state": "absent"}, 1),
)
each_step = pytest.mark.parametrize("step", STEPS, ids=[one.name for one in STEPS])


@pytest.fixture(scope="session")
def reloads(lab: Lab, ansible: Ansible, secured: Phase) -> Run:
    """One after the other, on mx1 and mx2."""
    assert secured
    play = Play()
    add(play)
    with left_as_found(lab, MX, "reloads"):
        run = ansible.play("mx*", play.tasks)
        run.assert_success()
    return run


def add(play: Play) -> None:
    """The tasks: each step, and how often Dovecot was reloaded meanwhile."""
    count = f"journalctl --quiet --output=cat --unit=dovecot --since=@$(cat {SINCE}) | grep -c '^Reloaded' || :"
    for step in STEPS:
        play.shell(f"before: {step.name}", "sleep 1", step.before, f"date +%s >{SINCE}")
        play.call(step.name, step.module, step.options)
        play.shell(f"reloads: {step.name}", "journalctl --sync", count)
        play.shell(f"after: {step.name}", step.after)


@each_step
def test_it_is_changed(reloads: Run, host: Host, step: Step) -> None:
    result = reloads.one(host.name, step.name)
    assert result.status == "ok", result.result
    assert result.changed
    for when in ("before", "after"):
        seen = reloads.one(host.name, f"{when}: {step.name}")
        assert seen.status == "ok", seen.result


@each_step
def test_dovecot_is_reloaded_no_more_than_it_must(reloads: Run, host: Host, step: Step) -> None:
    assert reloads.one(host.name, f"reloads: {step.name}").result["stdout"].strip() == str(step.dovecot)
