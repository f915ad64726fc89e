# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.systemd import bring_up, is_wanted

UNIT = "x.service"


class Systemd:
    """A host whose unit is in a state, and does not start."""

    def __init__(self, *, failed=False, enabled=False, wrote=""):
        self.answers = {"is-failed": failed, "is-enabled": enabled}
        self.wrote = wrote

    def query(self, argv, **_options):
        if argv[0] == "journalctl":
            assert argv[-1] == "_SYSTEMD_INVOCATION_ID=abc"
            return Completed(0, self.wrote, "")
        if argv[1] == "show":
            return Completed(0, "abc\n", "")
        if argv[1] == "restart":
            return Completed(1, "", "Job for x.service failed.")
        return Completed(0 if self.answers.get(argv[1], True) else 1, "", "")


@pytest.mark.parametrize(("failed", "enabled"), [(False, False), (True, False), (False, True)])
def test_a_unit_is_wanted_that_failed_or_is_started_with_the_system(failed, enabled):
    host: Any = Systemd(failed=failed, enabled=enabled)
    assert is_wanted(host, UNIT) is (failed or enabled)


@pytest.mark.parametrize(
    ("wrote", "said"),
    [
        ("", r"\(Job for x\.service failed\.\)"),
        ("starting\n\nline 5: unknown\n", r"\(starting / line 5: unknown\)"),
        ("one\ntwo\nthree\nfour\nfive\n", r"\(two / three / four / five\)"),
        ("x" * 600, r"\(x{500}\)"),
    ],
)
def test_why_a_daemon_does_not_start_is_told_in_its_own_last_words(wrote, said):
    host = Systemd(wrote=wrote)
    with pytest.raises(Problem, match=f"Thing does not start {said}"):
        bring_up(host.query, UNIT, "Thing", lambda: False)
