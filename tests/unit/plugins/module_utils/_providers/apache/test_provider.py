# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem
from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Completed
from ansible_collections.postmaster.secure_channel.tests.support.web_hosts import APACHE


def test_own_test_runs_on_the_mirror(host):
    ran = []

    def run(argv):
        ran.append(argv)
        return Completed(int(argv[0] == "apache2ctl"), "", "AH00526: Syntax error on line 1 of /mirror/x\n")

    with pytest.raises(Problem, match=r"line 1 of /etc/apache2/x"):
        APACHE.on(host).check(run, {"/etc/apache2": "/mirror"})
    assert ran[1] == ["apache2ctl", "-t", "-d", "/mirror"]
