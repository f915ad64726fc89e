# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts that remote hosts log in with, in both places where they can be kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.postmaster.secure_channel.tests.support.system.clients.mail_clients import Clients
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import (
    snapshots,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.config_snapshots import left_as_found
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host, Lab
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import Ansible
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios import relay_accounts
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.relay_accounts import (
    AWKWARD,
    BLANK,
    GONE,
    PLACES,
    Accounts,
    content,
    middle,
    own_files,
)
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import (
    MX,
    Phase,
)


def run(lab: Lab, ansible: Ansible, clients: Clients, workshop: Path, backend: str) -> Accounts:
    """The accounts of one backend; the hosts are as they were afterwards."""
    with left_as_found(lab, MX, f"accounts in {backend}"):
        return relay_accounts.run(lab, ansible, clients, workshop, backend)


@pytest.fixture(scope="session")
def dovecot_accounts(lab: Lab, ansible: Ansible, clients: Clients, workshop: Path, secured: Phase) -> Accounts:
    """Accounts in Dovecot's file."""
    assert secured
    return run(lab, ansible, clients, workshop, "dovecot")


@pytest.fixture(scope="session")
def sasldb_accounts(lab: Lab, ansible: Ansible, clients: Clients, workshop: Path, secured: Phase) -> Accounts:
    """Accounts in a database of Cyrus SASL."""
    assert secured
    return run(lab, ansible, clients, workshop, "sasldb")


@pytest.fixture(params=sorted(PLACES))
def accounts(request: pytest.FixtureRequest) -> Accounts:
    """Accounts in each of the two."""
    found: Accounts = request.getfixturevalue(f"{request.param}_accounts")
    return found


def test_a_check_changes_nothing_and_foretells_the_run(accounts: Accounts, host: Host) -> None:
    snapshots.assert_same(
        own_files(accounts.snapshots["before"][host.name]), own_files(accounts.snapshots["checked"][host.name])
    )
    foretold, done = (accounts.runs[name].one(host.name).result for name in ("check", "made"))
    assert foretold["changed"]
    assert done["changed"]
    assert foretold["files"] == done["files"]
    assert foretold["accounts"] == done["accounts"]


def test_the_backend_is_the_one_that_the_server_asks(accounts: Accounts, host: Host) -> None:
    assert accounts.runs["check"].one(host.name).result["backend"] == accounts.backend
    refused = accounts.runs["other backend"].one(host.name)
    assert refused.status == "failed"
    assert refused.result["problem"]["option"] == "backend"


def test_the_second_run_changes_nothing(accounts: Accounts, host: Host) -> None:
    assert not accounts.runs["again"].assert_success().changed(host.name)
    snapshots.assert_same(
        own_files(accounts.snapshots["made"][host.name]), own_files(accounts.snapshots["again"][host.name])
    )
    assert accounts.stamps["made"][host.name] == accounts.stamps["again"][host.name]


@pytest.mark.parametrize("label", ["right", "bounce", "free", *AWKWARD])
def test_the_right_password_is_let_in_inside_tls(accounts: Accounts, host: Host, label: str) -> None:
    seen = accounts.logins[host.name][label]
    assert seen.code == 0, seen.out
    assert "235 2.7.0 Authentication successful" in seen.out
    assert "queued as" in seen.out


def test_a_wrong_password_is_not(accounts: Accounts, host: Host) -> None:
    seen = accounts.logins[host.name]["wrong"]
    assert seen.code == 28, seen.out  # swaks: no authentication
    assert "535 5.7.8" in seen.out


def test_nobody_is_let_in_in_clear(accounts: Accounts, host: Host) -> None:
    seen = accounts.logins[host.name]["clear"]
    assert seen.code == 28, seen.out
    assert "AUTH PLAIN" not in seen.out


def test_another_sender_than_allowed_is_refused(accounts: Accounts, host: Host) -> None:
    seen = accounts.logins[host.name]["other sender"]
    assert "235 2.7.0 Authentication successful" in seen.out
    assert re.search(r"553 5\.7\.1 <a@other\.test>: Sender address rejected", seen.out)
    assert "queued as" not in seen.out


def test_a_blank_password_is_one_where_it_can_be_kept(accounts: Accounts, host: Host) -> None:
    if accounts.backend == "dovecot":
        assert "queued as" in accounts.logins[host.name]["blank"].out
        assert "535 5.7.8" in accounts.logins[host.name]["blank, wrong"].out
    else:
        assert BLANK not in accounts.passwords


def test_a_purged_account_is_gone_and_the_others_stay(accounts: Accounts, host: Host) -> None:
    result = accounts.runs["purged"].assert_success().one(host.name).result
    changed = {one["name"]: one["reason"] for one in result["accounts"] if one["changed"]}
    assert changed == {GONE: "account: removed"}
    assert "535 5.7.8" in accounts.logins[host.name]["gone"].out


def test_nothing_is_left_when_all_are_removed(accounts: Accounts, host: Host) -> None:
    assert accounts.runs["removed"].assert_success().changed(host.name)
    before, after = (own_files(accounts.snapshots[label][host.name]) for label in ("before", "removed"))
    changed = {one.path for one in snapshots.differences(before, after) if content(one.before) != content(one.after)}
    # a compiled table has an identity of its own each time; its source is compared
    assert not {path for path in changed if not path.endswith(".db")}, changed


def test_files_with_secrets_are_closed(accounts: Accounts, host: Host) -> None:
    path, expected = PLACES[accounts.backend]
    assert accounts.modes[path][host.name] == expected
    for table in ("sender_owners", "limited_logins"):
        assert accounts.modes[f"/etc/postfix/postmaster_{table}.db"][host.name] == ("root", "root", "600")


def test_no_secret_is_shown_or_lies_about(accounts: Accounts, host: Host) -> None:
    words = [middle(one) for one in accounts.passwords.values() if one]
    printed = accounts.runs["made"].out
    assert "EXEC" in printed
    assert PLACES[accounts.backend][0] in printed, "no diff was shown"
    everything = b"\n".join(accounts.processes).decode(errors="replace")
    assert "mail_relay_account" in everything or "ansible-playbook" in everything, "nothing was watched"
    for word in words:
        assert word not in printed
        assert word not in everything
    # Dovecot's file has hashes only; a Cyrus SASL database holds what it is given
    path, expected = PLACES[accounts.backend]
    allowed = [] if accounts.backend == "dovecot" else [" ".join([path, *expected])]
    assert accounts.found[host.name] == allowed
