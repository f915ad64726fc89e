# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secured once, through an upgrade to the next release: nothing stops, nothing opens, and one run is enough."""

from __future__ import annotations

import re

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.wire import REFUSED, View
from ansible_collections.postmaster.secure_channel.tests.support.system.daemons.host_kinds import places, protocols
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.upgrades import (
    Story,
    outcome,
    shortened,
)

# What is closed, and not open, where the packages' own files are taken, until the next run: INN has its settings for
# TLS in inn.conf, and without these nobody is let in whom readers.conf has use it; slapd has its ports in /etc/default.
NOT_SERVED = ("119", "563", "636")


def serving(view: View, host: Host) -> dict[str, str]:
    """Ports at which no session can be completed whose chain and name can be verified, with the reason."""
    answers = {place.title: view.sessions[host.name, place.title, "any"] for place in places(host)}
    return {title: answer.err[-200:] for title, answer in answers.items() if answer.code}


def let_in(view: View, host: Host) -> dict[str, str]:
    """Protocols that do not refuse clear text, with what they say."""
    clear = {protocol: view.clear[host.name, protocol] for protocol in protocols(host)}
    return {protocol: said for protocol, said in clear.items() if not re.search(REFUSED[protocol], said)}


def old_versions(view: View, host: Host) -> list[str]:
    """Ports that speak a version of TLS that the strength does not allow."""
    return [one.title for one in places(host) if view.sessions[host.name, one.title, "TLS 1.1"].code == 0]


def test_the_host_was_secured(story: Story, host: Host) -> None:
    assert outcome(story.secured, host).get("changed") is True, shortened(outcome(story.secured, host))
    assert serving(story.before, host) == {}
    assert let_in(story.before, host) == {}


def test_every_daemon_runs_before_any_run(story: Story, host: Host) -> None:
    assert set(story.units[host.name].values()) == {"active"}, story.units[host.name]


def test_no_channel_is_weaker_before_any_run(story: Story, host: Host) -> None:
    taken = story.hosts[1]
    found = serving(story.upgraded, host)
    assert {one for one in found if not (host == taken and one in NOT_SERVED)} == set(), found
    assert let_in(story.upgraded, host) == {}
    assert old_versions(story.upgraded, host) == []


def test_one_run_is_enough(story: Story, host: Host) -> None:
    assert outcome(story.again, host)["changed"] is not None, shortened(outcome(story.again, host))
    assert serving(story.after, host) == {}
    assert let_in(story.after, host) == {}


def test_the_next_run_changes_nothing(story: Story, host: Host) -> None:
    assert outcome(story.third, host).get("changed") is False, shortened(outcome(story.third, host))


def test_mail_for_a_secure_domain_waits_or_goes_to_the_verified_host(story: Story, host: Host) -> None:
    fates = story.fates[host.name]
    assert all(" == " in fate or "CV=yes" in fate for fate in fates), fates
    assert all("CV=yes" in fate for fate in fates[1:]), fates


def test_mail_that_waited_arrives(story: Story, host: Host) -> None:
    assert story.arrived[host.name]


def test_everything_can_be_taken_back(story: Story, host: Host) -> None:
    assert outcome(story.absent, host).get("changed") is True, shortened(outcome(story.absent, host))
