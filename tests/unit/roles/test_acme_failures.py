# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA that answers at once and gives no certificate is a failure, unless the live one is good for long enough."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "certificates"
DIRECTORY = "https://ca.example.test/dir"
STATE: dict[str, Any] = {
    "certificates_list": [
        {"name": "a.test", "source": "acme"},
        {"name": "b.test", "source": "acme"},
        {"name": "c.test", "source": "external"},
    ],
    "certificates_acme_directory": DIRECTORY,
    "certificates_pending": ["a.test", "b.test", "c.test"],
    "__certificates_requested": {
        "requests": [
            {"name": "a.test", "days_left": 20, "pending": True},
            {"name": "b.test", "days_left": None, "pending": True},
            {"name": "c.test", "days_left": None, "pending": True},
        ]
    },
    "__certificates_ordered": {"results": [{"item": {"name": "a.test"}, "msg": "rate limited"}]},
    "__certificates_acme_said": {"msg": f"{DIRECTORY}: connection refused"},
}


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({}, 2, ["no certificate for a.test, b.test: ", "rate limited", "connection refused", "run again"]),
        ({"certificates_acme_tolerate_days": 20}, 2, ["no new certificate for a.test;", "no certificate for b.test: "]),
        ({"certificates_acme_tolerate_days": 21}, 2, ["no certificate for a.test, b.test: "]),
        ({"certificates_acme_tolerate_days": 20, "certificates_pending": ["a.test"]}, 0, ["good for 20 days or more"]),
        ({"certificates_pending": ["c.test"]}, 0, []),
    ],
)
def test_what_ends_the_run(tmp_path: Path, change: dict[str, Any], code: int, words: list[str]) -> None:
    files = [str(ROLE / part / "main.yml") for part in ("defaults", "vars")]
    tasks = [{"ansible.builtin.include_tasks": str(ROLE / "tasks" / "failed.yml")}]
    play = {"hosts": "all", "gather_facts": False, "vars_files": files, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps({**STATE, **change})]
    done = subprocess.run([*command, "play.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout


def test_a_ca_that_does_not_answer_is_looked_for_once(tmp_path: Path) -> None:
    files = [str(ROLE / part / "main.yml") for part in ("defaults", "vars")]
    requests = [{"name": name, "csr": "not read"} for name in ("a.test", "b.test")]
    variables = {**STATE, "certificates_acme_directory": "https://127.0.0.1:9/dir", "__certificates_requests": requests}
    variables["__certificates_entries"] = []
    del variables["__certificates_ordered"], variables["__certificates_acme_said"]
    tasks = [{"ansible.builtin.include_tasks": str(ROLE / "tasks" / part)} for part in ("acme/order.yml", "failed.yml")]
    play = {"hosts": "all", "gather_facts": False, "vars_files": files, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(variables)]
    done = subprocess.run(
        [*command, "play.yml"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no certificate for a.test, b.test: Status code was -1" in " ".join(done.stdout.split())
    assert "Connection refused" in done.stdout
    assert "Have an account key" not in done.stdout
