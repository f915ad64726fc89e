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


def test_what_is_closed_is_told_with_the_playbook_that_mends_it(story: Story) -> None:
    kept, taken = story.hosts
    assert story.warned[kept.name] == ""
    if "slapd" in story.units[taken.name]:
        for found in (
            r"/etc/default/slapd does not .* ldaps:/// any more",
            r"/etc/news/inn\.conf does not name .*main",
        ):
            assert re.search(rf"{found}.*ansible-playbook postmaster\.secure_channel\.site", story.warned[taken.name])


def test_one_run_is_enough(story: Story, host: Host) -> None:
    assert outcome(story.again, host)["changed"] is not None, shortened(outcome(story.again, host))
    assert serving(story.after, host) == {}
    assert let_in(story.after, host) == {}


def test_a_host_that_an_older_release_has_secured_is_brought_back_by_one_run(story: Story) -> None:
    if "dovecot" in story.units[story.hosts[0].name]:
        reason = str(outcome(story.again, story.hosts[0])["reason"])
        assert re.search(r"dovecot did not run .*openldap did not run ", reason), reason


def test_check_mode_foretells_that_and_a_renewal_brings_it_back(story: Story) -> None:
    kept, taken = story.hosts
    if "dovecot" in story.units[taken.name]:
        reason = str(outcome(story.checked, taken)["reason"])
        assert re.search(r"dovecot did not run .*openldap did not run .*would be started", reason), reason
        assert outcome(story.checked, kept).get("changed") is False, shortened(outcome(story.checked, kept))
        for host in (kept, taken):
            assert outcome(story.rotated, host)["changed"] is True, shortened(outcome(story.rotated, host))
            assert set(story.revived[host.name]) == {"active"}, story.revived


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
