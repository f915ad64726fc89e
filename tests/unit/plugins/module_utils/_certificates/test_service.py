# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export import (
    ExportPlan,
    ExportPlanner,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.export_service import Exports
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install import InstallPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install_service import (
    Installations,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request import RequestPlanner
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.request_service import Requests
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.changes import FileChange
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service import probe
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.runner import carry_out
from ansible_collections.postmaster.secure_channel.plugins.module_utils._service.site import Site
from ansible_collections.postmaster.secure_channel.tests.support.installations import Daemon
from ansible_collections.postmaster.secure_channel.tests.support.recorded_hosts import STORE, RecordedHost

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def plan(name, *files, **more):
    result = {"name": name, "changed": bool(files), "reason": f"reason of {name}", "files": list(files)}
    changes = [FileChange(path, b"new") for path in files]
    return Plan(changes, result, f"certificate {name}", {"is": "old"}, {"is": "new"}, **more)


class Transaction:
    """Notes what is applied, and proves it."""

    def __init__(self):
        self.applied = []

    def apply(self, changes, participants, probe):
        self.applied.append(([change.path for change in changes], [one.name for one in participants]))
        probe()


@pytest.fixture
def transaction():
    return Transaction()


@pytest.fixture
def site():
    host = RecordedHost()
    daemons: Any = {name: Daemon(name, []) for name in ("postfix", "dovecot")}
    return Site(host, Store(host, STORE), find=lambda _host, _store: daemons)


@pytest.fixture
def carried_out(site, transaction, monkeypatch):
    """The report of a service whose planner makes these plans."""

    def run(kind, planner, *plans):
        waiting = iter(plans)
        monkeypatch.setattr(planner, "plan", lambda _self, _params: next(waiting))
        more = () if kind is Exports else (NOW,)
        things = [
            {"name": str(number), "state": "present", "csr_path": None, "must_staple": False}
            for number in range(len(plans))
        ]
        return carry_out(kind(site, lambda: None, *more), things, transaction)

    return run


@pytest.fixture
def requests(carried_out):
    return lambda *plans: carried_out(Requests, RequestPlanner, *plans).result


@pytest.fixture
def certificates(carried_out):
    return lambda *plans: carried_out(Installations, InstallPlanner, *plans).result


def test_result_of_several_objects(requests):
    result = requests(plan("a"), plan("b", "/one", "/two"))
    assert result.pop("diff")[1] == {
        "before_header": "certificate b",
        "after_header": "certificate b",
        "before": {"is": "old"},
        "after": {"is": "new"},
    }
    assert [one["name"] for one in result.pop("requests")] == ["a", "b"]
    assert result == {"changed": True, "reason": "a: reason of a; b: reason of b", "files": ["/one", "/two"]}


def test_nothing_to_change(certificates, transaction):
    assert not certificates(plan("a"))["changed"]
    assert certificates()["reason"] == ""
    assert transaction.applied == []


def test_daemons_are_told_once_and_each_certificate_is_proved(carried_out, transaction, monkeypatch):
    proved = []
    monkeypatch.setattr(
        probe, "prove_served", lambda serving, names, _leaf_of: proved.append((serving.name, sorted(names)))
    )
    plans = [
        plan("a", "/a", daemons=["postfix", "dovecot"], leaf=b"DER", warnings=["first"]),
        plan("b", "/b", daemons=["postfix"], leaf=b"DER", warnings=["second"]),
    ]
    report = carried_out(Installations, InstallPlanner, *plans)
    assert report.result["activated"] == ["dovecot", "postfix"]
    assert report.warnings == ["first", "second"]
    assert transaction.applied == [(["/a", "/b"], ["dovecot", "postfix"])]
    assert proved == [("dovecot", ["a"]), ("postfix", ["a", "b"])]


def test_backup_is_the_whole_result(carried_out, transaction):
    row = {"name": "a", "changed": True, "reason": "the backup was made", "files": ["/backup"], "format": "pem"}
    change = FileChange("/backup", b"new", secret=True, summary="backup")
    result = carried_out(Exports, ExportPlanner, ExportPlan([change], row)).result
    assert [one["after_header"] for one in result.pop("diff")] == ["/backup"]
    assert result == row
    assert transaction.applied == [(["/backup"], [])]


@pytest.mark.parametrize("kind", [Requests, Installations])
def test_twice_the_same(kind, site):
    with pytest.raises(Problem, match="more than once"):
        kind(site, lambda: None, NOW).plan([{"name": "a", "csr_path": None}] * 2)
