# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check run on bare hosts tells what the real run does, and does nothing itself."""

from __future__ import annotations

from typing import Any

from ansible_collections.postmaster.secure_channel.tests.support.system.hosts import snapshots
from ansible_collections.postmaster.secure_channel.tests.support.system.hosts.lab import Host
from ansible_collections.postmaster.secure_channel.tests.support.system.playbooks.runs import COLLECTION, Run
from ansible_collections.postmaster.secure_channel.tests.support.system.scenarios.site_phases import Phase

OBJECTS = ("requests", "certificates", "vservers", "domains")
# At variables, at what is there, and at servers.
LOOKS_ONLY = tuple(f"{COLLECTION}.{name}" for name in ("check_variables", "mail_cert_info", "mail_tls_info"))


def announced(run: Run, host: str) -> list[dict[str, Any]]:
    """What our modules say that they change: files, daemons and objects, task by task."""
    return [
        {
            "task": one.task,
            "files": one.result["files"],
            "activated": one.result.get("activated"),
            "objects": [
                (entry.get("name") or entry.get("domain"), entry.get("protocol"), entry["changed"])
                for key in OBJECTS
                for entry in one.result.get(key, [])
            ],
        }
        for one in run.of(host)
        if one.ours and one.action not in LOOKS_ONLY and one.status != "skipped"
    ]


def test_a_check_run_on_bare_hosts_succeeds(checked: Phase) -> None:
    checked.run.assert_success()


def test_it_shows_a_diff_of_what_would_change(checked: Phase) -> None:
    for words in ("+++ after: /etc/postfix/main.cf", "+++ after: /etc/postfix/master.cf", "ssl = required"):
        assert words in checked.run.out


def test_it_writes_nothing(checked: Phase, host: Host) -> None:
    snapshots.assert_same(checked.before[host.name], checked.after[host.name])


def test_it_disturbs_no_daemon(checked: Phase, host: Host) -> None:
    assert checked.masters_before[host.name] == checked.masters_after[host.name]
    assert "reload" not in checked.journal[host.name].lower()


def test_it_names_the_tasks_that_then_change_something(checked: Phase, secured: Phase, host: Host) -> None:
    assert checked.run.changed(host.name) == secured.run.changed(host.name)
    assert checked.run.changed(host.name)


def test_it_names_the_files_daemons_and_objects_that_then_change(checked: Phase, secured: Phase, host: Host) -> None:
    assert announced(checked.run, host.name) == announced(secured.run, host.name)


def test_the_files_that_then_change_are_those_that_were_announced(checked: Phase, secured: Phase, host: Host) -> None:
    named = {path for one in announced(checked.run, host.name) for path in one["files"]}
    tables = {path + ".db" for path in named if path.startswith("/etc/postfix/postmaster_")}
    pending = {path for path in named if path.startswith("/etc/postmaster/pending/")}  # made, then promoted
    written = snapshots.written(secured.before[host.name], secured.after[host.name])
    by_others = {path for path in written if path.startswith(("/etc/ssl/certs/", "/usr/local/share/ca-certificates/"))}
    assert written - by_others == (named | tables) - pending
