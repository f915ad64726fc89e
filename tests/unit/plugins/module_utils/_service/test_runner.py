# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange, SettingsChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._providers.base import Down, Mending
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import runner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.plan import Note, ServicePlan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import (
    Service,
    carry_out,
    run_service,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

CHANGED = {"name": "one", "changed": True, "reason": "made"}
SAME = {"name": "two", "changed": False, "reason": "as desired"}
FILE = FileChange("/etc/thing", b"new")
DAEMON: Any = SimpleNamespace(name="daemon")


class Things(Service[str]):
    key = "things"
    noun = "things"

    def __init__(self, site, plan):
        super().__init__(site)
        self.planned = plan

    def parse(self, element):
        if element["name"] == "bad":
            raise Problem("it is bad", "give a good one", option="name")
        return element["name"]

    def plan(self, things):
        self.asked = list(things)
        return self.planned


class Transaction:
    """Stands for a transaction, and remembers what was applied."""

    def __init__(self, *_args, check_mode=False, warn=None):
        self.check_mode = check_mode
        self.applied = []

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def apply(self, changes, participants, probe):
        self.applied.append((list(changes), list(participants)))
        if not self.check_mode:
            probe()


@pytest.fixture
def site():
    host = RecordedHost()
    return Site(host, Store(host, STORE), find=lambda _host, _store: {"daemon": DAEMON})


def run(site, plan, *, check_mode=False):
    transaction: Any = Transaction(check_mode=check_mode)
    return carry_out(Things(site, plan), ["one", "two"], transaction), transaction.applied


def test_nothing_to_do(site):
    report, applied = run(site, ServicePlan([SAME, SAME]))
    assert report.result == {
        "changed": False,
        "things": [SAME, SAME],
        "reason": "all 2 things are as desired",
        "files": [],
        "diff": [],
    }
    assert applied == []


def test_changes_are_applied_and_told(site):
    settings = SettingsChange("cn=config", "old", "new")
    plan = ServicePlan([CHANGED, SAME], [FILE], [settings], [DAEMON], facts={"activated": ["daemon"]})
    report, applied = run(site, plan)
    assert applied == [([FILE], [DAEMON])]
    assert report.result["changed"] is True
    assert report.result["reason"] == "one: made"
    assert report.result["files"] == ["/etc/thing"]
    assert [one["after_header"] for one in report.result["diff"]] == ["/etc/thing", "cn=config"]
    assert report.result["activated"] == ["daemon"]


def test_file_that_differs_for_no_object(site):
    report, _applied = run(site, ServicePlan([SAME], [FILE]))
    assert report.result["reason"] == "files differ: /etc/thing"


def test_daemon_that_must_reload_though_no_file_changes(site):
    report, applied = run(site, ServicePlan([CHANGED], participants=[DAEMON]))
    assert (report.result["changed"], report.result["files"]) == (True, [])
    assert applied == [([], [DAEMON])]


def test_proofs_are_called_in_order_once_everything_is_in_place(site):
    called = []
    proofs = [lambda: called.append(1), lambda: called.append(2)]
    run(site, ServicePlan([CHANGED], [FILE], proofs=proofs))
    assert called == [1, 2]
    run(site, ServicePlan([SAME], proofs=proofs))
    run(site, ServicePlan([CHANGED], [FILE], proofs=proofs), check_mode=True)
    assert called == [1, 2]


def test_proof_that_fails(site):
    def refuse():
        raise Problem("the wire shows something else", "look at the log")

    with pytest.raises(Problem, match="something else"):
        run(site, ServicePlan([CHANGED], [FILE], proofs=[refuse]))


def test_own_diff_and_files_and_what_is_only_foreseen(site):
    plan = ServicePlan([CHANGED], diff=[{"before": "", "after": "x"}], files=["/later"], foreseen=True)
    report, applied = run(site, plan)
    assert (report.result["changed"], report.result["files"], applied) == (True, ["/later"], [])
    assert report.result["diff"] == [{"before": "", "after": "x"}]


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_seen_afterwards(check_mode, site):
    plan = ServicePlan(
        [SAME], facts={"stuck": []}, warnings=["first"], afterwards=lambda: Note({"stuck": ["mail"]}, ["last"])
    )
    report, _applied = run(site, plan, check_mode=check_mode)
    assert report.result["stuck"] == ["mail"]
    assert report.warnings == ["first", "last"]


# ---- a daemon that files of ours keep from starting


class Dead:
    """A daemon that is down, until what keeps it so has been put right."""

    name = "dead"

    def __init__(self, mending):
        self.found = mending
        self.up = False

    def refused(self):
        return None

    def remedy_where_down(self):
        return "start it"

    def mending(self):
        return self.found


class Reviving(Transaction):
    """Starts the dead daemon when its files have been put right."""

    def apply(self, changes, participants, probe=lambda: None):
        super().apply(changes, participants, probe)
        for one in participants:
            one.up = True


class Needing(Things):
    """Needs the daemon for one of its things; ``then`` is raised once it is up."""

    def __init__(self, site, plan, daemon, then=None):
        super().__init__(site, plan)
        self.daemon, self.then = daemon, then

    def concerns(self, thing, _provider):
        return thing == "one"

    def plan(self, things):
        if not self.daemon.up and "one" in things:
            raise Down(self.daemon)
        if self.then:
            raise self.then
        return super().plan(things)


RIGHT = FileChange("/etc/ours", b"right")
MENDING = Mending("line 5: unknown", (RIGHT,), ({"after": "right"},))


def revive(site, daemon, *, then=None, plan=None, check_mode=False):
    transaction: Any = Reviving(check_mode=check_mode)
    service = Needing(site, plan or ServicePlan([SAME]), daemon, then)
    return carry_out(service, ["one", "two"], transaction), transaction.applied


def test_it_is_brought_back_before_anything_is_planned(site):
    dead: Any = Dead(MENDING)
    report, applied = revive(site, dead, plan=ServicePlan([CHANGED], [FILE], participants=[dead]))
    assert applied == [([RIGHT], [dead]), ([FILE], [dead])]
    assert report.result["changed"] is True
    assert report.result["files"] == ["/etc/ours", "/etc/thing"]
    assert report.result["activated"] == ["dead"]
    assert report.result["reason"].endswith("one: made")
    assert ["line 5: unknown" in one for one in report.warnings] == [True]


def test_a_call_with_nothing_else_to_do_has_changed_something(site):
    report, _applied = revive(site, Dead(MENDING))
    assert (report.result["changed"], report.result["files"]) == (True, ["/etc/ours"])


def test_check_mode_foretells_it_and_plans_the_rest(site):
    report, applied = revive(site, Dead(MENDING), check_mode=True)
    assert applied == []
    assert report.result["changed"] is True
    assert report.result["diff"] == [{"after": "right"}]
    assert [(one["name"], one["changed"]) for one in report.result["things"]] == [("", True), ("two", False)]
    assert "would be started" in report.result["reason"]


def test_one_that_is_down_for_another_reason_is_refused(site):
    with pytest.raises(Down, match=r"dead is installed but does not run\. Start it\."):
        revive(site, Dead(None))


def test_an_error_after_that_says_what_was_done(site):
    with pytest.raises(
        Problem, match=r"it is bad; before that, dead did not run because .* was started\. Mend it"
    ) as caught:
        revive(site, Dead(MENDING), then=Problem("it is bad", "mend it", option="o"))
    assert caught.value.option == "o"


def test_one_that_is_down_again_is_not_brought_back_for_ever(site, monkeypatch):
    monkeypatch.setattr(Reviving, "apply", Transaction.apply)
    dead: Any = Dead(MENDING)
    service = Needing(site, ServicePlan([SAME]), dead)
    transaction: Any = Transaction()
    transaction.apply = lambda changes, participants: transaction.applied.append((changes, participants))
    with pytest.raises(Down):
        carry_out(service, ["one"], transaction)
    assert len(transaction.applied) == 1


# ---- for a module


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setattr(runner, "Transaction", Transaction)
    found: Any = SimpleNamespace(params={}, check_mode=False, warned=[])
    found.warn = found.warned.append
    return found


def test_module_gets_result_and_warnings(module, site):
    service = Things(site, ServicePlan([SAME], warnings=["beware"]))
    result = run_service(module, service, [{"name": "two"}])
    assert service.asked == ["two"]
    assert result["things"] == [SAME]
    assert module.warned == ["beware"]


def test_options_are_parsed_before_the_host_is_locked(module, site, monkeypatch):
    monkeypatch.setattr(runner, "Transaction", None)
    with pytest.raises(Problem, match="it is bad"):
        run_service(module, Things(site, ServicePlan()), [{"name": "one"}, {"name": "bad"}])


def test_daemon_that_a_killed_run_had_disturbed(site):
    service = Things(site, ServicePlan())
    assert service.participant("daemon") is DAEMON
    assert service.participant("gone") is None
