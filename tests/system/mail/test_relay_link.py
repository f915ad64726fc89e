# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two hosts that the playbook link has linked to one another, and taken apart again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import (
    mail_daemons,
    snapshots,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.snapshots import Snapshot
from ansible_collections.postmaster.secure_channel.tests.support.system.places import WORK
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Ansible, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.relay_accounts import (
    content,
    new_password,
    own_files,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import (
    MX,
    PEER_OF,
    Phase,
    on_each,
)

NEW_DOMAIN = f"""
cp --archive /etc/postfix/main.cf {WORK}/kept-main.cf
postconf -e "$(postconf mydestination), linked.{{}}" smtp_tls_loglevel=1
postfix reload
"""
OLD_DOMAIN = f"cp --archive {WORK}/kept-main.cf /etc/postfix/main.cf; postfix reload"


@dataclass(frozen=True)
class Linked:
    """Both hosts linked to one another, twice, and taken apart."""

    made: Run
    again: Run
    undone: Run
    journal: Mapping[str, str]
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]


@pytest.fixture(scope="session")
def linked(lab: Lab, ansible: Ansible, site: Site, workshop: Path, secured: Phase) -> Linked:
    """The playbook link, there and back."""
    assert secured
    variables = workshop / "link.json"
    variables.touch(mode=0o600)
    variables.write_text(
        json.dumps(
            {
                "link_connector": "mx1",
                "link_acceptor": "mx2",
                "link_both_ways": True,
                "link_host": "{{ lab_fqdn }}",
                "link_domain": "linked.{{ lab_fqdn }}",
                "link_username": "LINK\\of-{{ lab_fqdn }}",
                "link_password": new_password("link"),
                "link_recipient": "alice",
            }
        )
    )
    with left_as_found(lab, MX, "link"):
        on_each(lab, MX, lambda host: lab.shell(host, NEW_DOMAIN.format(host.fqdn)))
        # the demonstration has another account for the same next hop, of which there can be only one
        own = {"domain": "{{ hostvars[" + f"{PEER_OF}" + "[inventory_hostname]].lab_fqdn }}", "state": "absent"}
        task = {"name": "own entry", f"{COLLECTION}.mail_domain_security": own}
        try:
            ansible.play(",".join(MX), [task]).assert_success()
            before = on_each(lab, MX, lambda host: snapshots.take(lab, host, "before-link"))
            starts = on_each(lab, MX, lambda host: mail_daemons.cursor(lab, host))
            made, again, undone = (
                site.run_playbook("link", ",".join(MX), "--extra-vars", f"@{variables}", *options)
                for options in ((), (), ("--extra-vars", "link_state=absent"))
            )
            return Linked(
                made,
                again,
                undone,
                on_each(lab, MX, lambda host: mail_daemons.journal_since(lab, host, starts[host.name])),
                before,
                on_each(lab, MX, lambda host: snapshots.take(lab, host, "after-link")),
            )
        finally:
            # main.cf last: the module would take what is ours in it for the administrator's own settings
            try:
                site.run(",".join(MX)).assert_success()
            finally:
                on_each(lab, MX, lambda host: lab.shell(host, OLD_DOMAIN))


def test_a_message_arrives_over_the_link_each_way(linked: Linked, host: Host, peer: Host) -> None:
    linked.made.assert_success()
    journal = linked.journal[host.name]
    account = re.escape(f"link\\of-{peer.fqdn}")
    identities = re.findall(rf" (\w+): client=\S+, sasl_method=PLAIN, sasl_username={account}", journal, re.IGNORECASE)
    assert identities
    for one in identities:
        assert re.search(rf" {one}: message-id=<link-", journal)
        assert re.search(rf" {one}: to=<alice@linked\.{re.escape(host.fqdn)}>.* status=sent", journal)


def test_the_link_is_sent_over_verified_tls(linked: Linked, host: Host, peer: Host) -> None:
    assert re.search(
        rf"Verified TLS connection established to {re.escape(peer.fqdn)}\[\S+\]:587", linked.journal[host.name]
    )


def test_linking_again_changes_nothing(linked: Linked, host: Host) -> None:
    assert not linked.again.assert_success().changed(host.name)


def test_a_link_is_undone_and_the_virtual_servers_stay(linked: Linked, host: Host) -> None:
    assert len(linked.undone.assert_success().changed(host.name)) == 2
    before, after = own_files(linked.before[host.name]), own_files(linked.after[host.name])
    changed = {one.path for one in snapshots.differences(before, after) if content(one.before) != content(one.after)}
    # a compiled table has an identity of its own each time; its source is compared
    assert not {path for path in changed if not path.endswith(".db")}, changed
