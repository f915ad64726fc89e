# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Callback that writes every result as a line of JSON into the file named by SYSTEM_TEST_RESULTS.

Ansible's usual output stays as it is beside it. Modules as they are sent to hosts are kept in the directory
SYSTEM_TEST_PAYLOADS for further runs: Ansible packs them anew in each, for a second or so of a processor a module.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: system_test_results
type: notification
short_description: results as lines of JSON
description:
  - Writes every result of a task as a line of JSON into the file that E(SYSTEM_TEST_RESULTS) names.
  - Keeps packed modules in the directory that E(SYSTEM_TEST_PAYLOADS) names.
"""


class CallbackModule(CallbackBase):
    """One line for each host's result of a task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "system_test_results"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # where module_common.py looks, in a temporary directory that each run has of its own
        packed = os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache")
        if not os.path.lexists(packed):
            os.symlink(os.environ["SYSTEM_TEST_PAYLOADS"], packed)

    def _keep(self, status: str, result: Any, ignored: bool = False) -> None:
        line = {
            "host": result.host.get_name(),
            "task": result.task.get_name(),
            "action": result.task.action,
            "status": status,
            "ignored": ignored,
            # Ansible leaves this key out
            "result": {**result.result, "failed": status == "failed"},
        }
        with open(os.environ["SYSTEM_TEST_RESULTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._keep("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._keep("failed", result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._keep("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._keep("skipped", result)
