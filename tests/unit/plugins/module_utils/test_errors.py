# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.postmaster.secure_channel.plugins.module_utils._errors import Problem


def test_problem_names_host_object_option_fault_and_remedy(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "mx1")
    problem = Problem("it is red", "paint it", subject="virtual server imap/default", option="colour")
    assert problem.message == str(problem) == "mx1: virtual server imap/default, option colour: it is red. Paint it."
    assert problem.result() == {
        "msg": problem.message,
        "problem": {
            "host": "mx1",
            "object": "virtual server imap/default",
            "option": "colour",
            "found": "it is red",
            "remedy": "paint it",
        },
    }
    assert Problem("it is red", "paint it").message == "mx1: it is red. Paint it."
    assert Problem("it is red", "paint it", option="colour").message == "mx1: option colour: it is red. Paint it."


def test_problem_learns_what_it_is_about():
    problem = Problem("f", "r", option="own").about(subject="s", option="other")
    assert (problem.subject, problem.option) == ("s", "own")
