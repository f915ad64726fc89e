# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Callback that kills Ansible before the task named by ACCEPTANCE_DEATH, as a power failure would."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: acceptance_death
type: notification
short_description: die before a task
description:
  - Kills the running program before the task that E(ACCEPTANCE_DEATH) names.
"""


class CallbackModule(CallbackBase):
    """Death at the start of a task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "acceptance_death"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if task.get_name().rpartition(" : ")[2] == os.environ.get("ACCEPTANCE_DEATH"):
            os.kill(os.getpid(), signal.SIGKILL)
