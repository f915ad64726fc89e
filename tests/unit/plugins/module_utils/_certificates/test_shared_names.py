# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.deploy import Deployment
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.info import StoreReport
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.install_service import (
    Installations,
)
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.key_pair import KeyType, kind_of
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.shared_names import NameIndex
from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.store import Store
from ansible_collections.postmaster.secure_channel.plugins.module_utils._names import covers
from ansible_collections.postmaster.secure_channel.tests.support.authorities import (
    NOW,
    Authority,
    distinguished,
    key_pem,
    new_key,
    pem,
)
from ansible_collections.postmaster.secure_channel.tests.support.operations import steps_of
from ansible_collections.postmaster.secure_channel.tests.support.this_host import this_host


@dataclass(frozen=True)
class Leaf:
    names: tuple[str, ...]
    key_type: KeyType


def entered(leaves: dict[str, Any]) -> NameIndex:
    index = NameIndex()
    for name, leaf in leaves.items():
        index.put(name, leaf)
    return index


def pairwise(leaves, *, same_kind):
    """What each certificate shares with each other one, compared one by one."""
    found: dict[str, set[str]] = {}
    for (one, first), (other, second) in itertools.permutations(leaves.items(), 2):
        if (kind_of(first.key_type) == kind_of(second.key_type)) is same_kind:
            for name in first.names:
                if covers(second.names, name.lower()):
                    found.setdefault(name.lower(), set()).update((one, other))
    return found


def overlapping(leaves, name):
    found: dict[str, set[str]] = {}
    ours = {one.lower() for one in leaves[name].names}
    for other, leaf in leaves.items():
        theirs = {one.lower() for one in leaf.names}
        same = {one for one in ours if covers(theirs, one)} | {one for one in theirs if covers(ours, one)}
        if other != name and same and kind_of(leaf.key_type) == kind_of(leaves[name].key_type):
            found[other] = same
    return found


names = st.lists(st.text("ab.*A", max_size=5) | st.sampled_from(["*.a", "b.a", "*.b.a", "a.", "B.A"]), max_size=4)
kinds = st.sampled_from(["RSA", "ECDSA_P256", "ECDSA_P384", "Ed25519"])
stores = st.dictionaries(
    st.sampled_from("pqrstu"), st.builds(lambda some, kind: Leaf(tuple(some), KeyType(kind, 0)), names, kinds)
)


@given(stores)
def test_it_finds_what_comparing_each_with_each_finds(leaves):
    index = entered(leaves)
    for same_kind in (True, False):
        assert index.shared(same_kind=same_kind) == pairwise(leaves, same_kind=same_kind)
    for name in leaves:
        assert index.overlaps(name) == overlapping(leaves, name)


@given(stores, stores)
def test_a_certificate_takes_the_place_of_another(before, after):
    index = entered(before)
    for name, leaf in after.items():
        index.put(name, leaf)
    leaves = {**before, **after}
    assert index.shared(same_kind=True) == pairwise(leaves, same_kind=True)
    for name in leaves:
        assert index.overlaps(name) == overlapping(leaves, name)


# ---- counted

SOME, MANY = 20, 200
KEY = new_key()
CA = Authority()
LEAVES = [
    CA.certify(KEY.public_key(), distinguished(f"h{number}.example"), (f"h{number}.example", f"www.h{number}.example"))
    for number in range(MANY)
]


@pytest.fixture
def store_of(tmp_path):
    """Makes stores with so many live certificates, of which each shares nothing with any other."""

    def make(count):
        root = tmp_path / str(count)
        (root / "live").mkdir(parents=True)
        for number, leaf in enumerate(LEAVES[:count]):
            (root / "live" / f"h{number}.pem").write_bytes(key_pem(KEY) + pem(leaf))
        return Store(this_host(), str(root))

    return make


def assert_linear(work):
    """Ten times as many take about ten times the steps, and not a hundred times."""
    few, many = (steps_of(partial(work, count)) for count in (SOME, MANY))
    assert few < many < few * (MANY / SOME) * 1.3


def test_report_of_a_store_is_linear(store_of):
    def report(count):
        store = store_of(count)
        found = StoreReport(store, NOW, 0.67)
        entries = [found.entry(name) for name in found.names()]
        assert all(entry["live"] for entry in entries)
        assert found.shared(same_kind=True) == found.shared(same_kind=False) == []

    assert_linear(report)


def test_warnings_of_many_installations_are_linear(store_of):
    def warn(count):
        store = store_of(count)
        deployment = Deployment(this_host(), store, NOW, lambda: ())
        for number in range(count):
            entry = store.entry(f"h{number}")
            from_store: Any = StoreReport(store, NOW, 0.67)
            from_store.entry(entry.name)
            assert deployment._overlaps(entry.name, from_store._leaves[entry.name]) == []

    assert_linear(warn)


def test_daemons_are_asked_once_for_all_certificates(monkeypatch):
    asked = []

    def read():
        asked.append("read")
        return {}

    daemon = SimpleNamespace(
        protocols=(), read=read, running=lambda: True, refuse_halted=lambda: None, host=this_host()
    )
    site: Any = SimpleNamespace(providers={"nginx": daemon}, store=SimpleNamespace(leaf=None))
    plan = SimpleNamespace(
        result={"name": "x", "changed": True, "files": []},
        changes=(),
        warnings=(),
        daemons=["nginx"],
        leaf=b"x",
        diff=dict,
    )
    service = Installations(site, lambda: None, NOW)
    service.__dict__["_planner"] = SimpleNamespace(plan=lambda _params: plan)
    planned = service.plan([{"name": str(number)} for number in range(MANY)])
    planned.prove()
    assert asked == ["read"]
