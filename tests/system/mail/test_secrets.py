# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords, the CA's passphrase and private keys are seen nowhere, not for an instant."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import secret_watch
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.secret_watch import Search, Watched
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.site_playbook import Site

# Dovecot 2.4 keeps its settings there, with the keys that they name.
PLACES = re.compile(r"/etc/postmaster/|/etc/postfix/postmaster_sasl_password|/run/dovecot/dovecot.conf.binary$")


def test_the_output_shows_none_even_with_vvv_and_diff(watched: Watched, searched: Search) -> None:
    assert "postmaster_sasl_password" in watched.run.out
    assert "EXEC" in watched.run.out
    assert not searched.seen_in(watched.run.out)


def test_no_result_carries_one(watched: Watched, searched: Search) -> None:
    for one in watched.run.results:
        assert not searched.seen_in(str(one.result)), one.task


def test_no_process_has_one_among_its_arguments_or_in_its_environment(watched: Watched, searched: Search) -> None:
    everything = b"\n".join(watched.processes).decode(errors="replace")
    assert "postmaster.secure_channel.site" in everything, "nothing was watched"
    assert not searched.seen_in(everything)


def test_no_program_that_a_module_starts_gets_one(watched: Watched, searched: Search, old: Host) -> None:
    started = "\n".join(secret_watch.started(watched.traces[old.name]))
    for program in ("/postmap", "/postfix", "/openssl"):
        assert program in started, "nothing was watched"
    assert not searched.seen_in(started)


def test_files_with_secrets_are_closed_from_the_first_moment(watched: Watched, old: Host) -> None:
    made = secret_watch.made(watched.traces[old.name])
    names = " ".join(one.path for one in made)
    tables = ("sasl_password.postmaster-new-", "sasl_password.db.postmaster-new-")
    for word in (*tables, "/live/", "/pending/", "/deployed/"):
        assert word in names, f"{word} was not seen: {names}"
    assert not [one for one in made if one.mode & 0o077]


def test_no_journal_holds_one(searched: Search, old: Host) -> None:
    assert "MESSAGE=" in searched.journals[old.name]
    assert not searched.seen_in(searched.journals[old.name])


def test_root_alone_reads_the_files_that_hold_one_and_there_are_no_others(searched: Search, old: Host) -> None:
    found = searched.files[old.name]
    for expected in (f"/etc/postmaster/live/{old.fqdn}.pem", "/etc/postfix/postmaster_sasl_password.db"):
        assert expected in found
    for path, (user, mode) in found.items():
        assert PLACES.match(path), path
        assert (user, mode) == ("root", "600"), path


def test_the_cas_key_stays_on_the_control_node_closed_and_encrypted(searched: Search, site: Site, old: Host) -> None:
    key = site.authority / "root.key"
    assert "BEGIN ENCRYPTED PRIVATE KEY" in key.read_text()
    assert mode_of(key) == 0o600
    assert mode_of(key.parent) == 0o700
    assert searched.authority[old.name].code == 1, searched.authority[old.name].out


def mode_of(path: Path) -> int:
    """Permission bits."""
    return path.stat().st_mode & 0o777
