# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._certificates.plan import Plan, module_result


def plan(name, *files):
    result = {"name": name, "changed": bool(files), "reason": f"reason of {name}", "files": list(files)}
    return Plan((), result, f"certificate {name}", {"is": "old"}, {"is": "new"})


def test_result_of_several_objects():
    result = module_result([plan("a"), plan("b", "/one", "/two")], "requests")
    assert result.pop("diff")[1] == {
        "before_header": "certificate b",
        "after_header": "certificate b",
        "before": {"is": "old"},
        "after": {"is": "new"},
    }
    assert [one["name"] for one in result.pop("requests")] == ["a", "b"]
    assert result == {"changed": True, "reason": "a: reason of a; b: reason of b", "files": ["/one", "/two"]}


def test_nothing_to_change():
    assert not module_result([plan("a")], "certificates")["changed"]
    assert module_result([], "certificates")["reason"] == ""
