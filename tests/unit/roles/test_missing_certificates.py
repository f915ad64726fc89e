# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts need a submission server, and that one may wait for its certificate: the host is secured otherwise."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "relay_accounts"
SAID = "the submission server waits for the certificate mx.test"


@pytest.mark.parametrize(("missing", "waits"), [(["mx.test"], True), (["other.test"], False), ([], False)])
def test_accounts_wait_for_the_submission_server(tmp_path: Path, missing: list[str], waits: bool) -> None:
    variables = {
        "relay_accounts_list": [{"name": "partner", "password": 7}],  # refused wherever the module is called
        "vservers_list": [
            {"protocol": "smtp", "certificate": "other.test"},
            {"protocol": "submission", "certificate": "mx.test"},
            {"protocol": "submission", "name": "former", "state": "absent"},
        ],
        "certificates_missing": missing,
    }
    files = [str(ROLE / part / "main.yml") for part in ("defaults", "vars")]
    tasks = [{"ansible.builtin.include_tasks": str(ROLE / "tasks" / "main.yml")}]
    play = {"hosts": "all", "gather_facts": False, "vars_files": files, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = ["ansible-playbook", "--check", "-i", "localhost,", "-c", "local", "-e", json.dumps(variables)]
    done = subprocess.run([*command, "play.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    words = " ".join(done.stdout.split())
    assert (done.returncode == 0) is waits, words + done.stderr
    assert (SAID in words) is waits
