# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Callback that kills Ansible before the task named by SYSTEM_TEST_KILL, as a power failure would."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: system_test_kill
type: notification
short_description: die before a task
description:
  - Kills the running program before the task that E(SYSTEM_TEST_KILL) names.
"""


class CallbackModule(CallbackBase):
    """Death at the start of a task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "system_test_kill"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.get_name().rpartition(" : ")[2] == os.environ.get("SYSTEM_TEST_KILL"):
            os.kill(os.getpid(), signal.SIGKILL)
